"""`hauberk restore`: a home out of a backup."""

from pathlib import Path
from typing import Annotated

import typer

from hauberk.errors import ExitCode, UsageError
from hauberk.models import verify_models
from hauberk.reports import print_verification
from hauberk.serve import READ_ONLY, restore, without
from hauberk.store import verify

from . import acting, output
from .backup import passphrase_of_keys
from .home import Home

HELP = """Make a home of a backup.

Every file's digest is checked before the home stands; then the home is verified, as by `verify`.
Of a backup without keys comes a home that can be read and not written; which keys it wants, and
what is left without each, is said.

Example:

  hauberk restore /srv/backups/monday.tar.zst --home /srv/hauberk

Exit codes: 0 restored and verified, 2 usage, 5 the backup is not what was written.
"""


def command(
    backup: Annotated[
        Path, typer.Argument(metavar="FROM", help="The backup.", exists=True, dir_okay=False)
    ],
    home: Home = None,
) -> ExitCode:
    """Restore and verify."""
    if home is None:
        raise UsageError("where to is missing", hint="Name a new folder: --home NEW")
    done = restore(
        backup,
        home,
        lambda: passphrase_of_keys(twice=False),
        lambda: acting.tell([f"{READ_ONLY}."]),
    )
    acting.tell([f"Commit {done.commit}, backed up {done.made}, is in {done.home}"])
    report = verify_models(done.home, verify(done.home))
    if done.missing_keys:
        left = [one for one in report.faults if one.where not in done.missing_keys]
        if not left:
            acting.tell([f"Checked {report.counts.get('files', 0):,} files: all as committed"])
        acting.tell([f"To write to it, put its keys back into {done.home} (chmod 600):"])
        acting.tell(f"  {one}" for one in without(done.missing_keys))
        acting.tell(["Then `hauberk verify` finds no fault; until then it names the ledger's key."])
        if not left:
            return ExitCode.OK
    print_verification(report, output.screen())
    return ExitCode.OK if report.ok else ExitCode.HOME_DAMAGED
