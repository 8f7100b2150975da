"""`hauberk backup`: one commit's state of a home, in one file."""

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from hauberk.errors import ExitCode, UsageError
from hauberk.serve import back_up

from . import acting
from .home import Home, home_or_default

HELP = """Back up a home while others write it: the state of one commit, in one file.

Private keys are left out, unless --with-keys seals them with a passphrase (scrypt, AES-256-GCM),
which is asked for or taken from HAUBERK_PASSPHRASE. The file holds all telemetry of the home:
keep it as you keep the home.

Examples:

  hauberk backup /srv/backups/monday.tar.zst

  hauberk backup /srv/backups/whole.tar.zst --with-keys

Exit codes: 0 done, 2 usage, 5 the home is not what was committed, 6 disk full.
"""


def command(
    target: Annotated[Path, typer.Argument(metavar="TO", help="The file to write: TO.tar.zst.")],
    home: Home = None,
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="With private keys, sealed by a passphrase.")
    ] = False,
    json: acting.Json = False,
) -> ExitCode:
    """Back up."""
    passphrase = passphrase_of_keys(twice=True) if with_keys else None
    done = back_up(home_or_default(home), target, acting.clock(), passphrase)
    if json:
        acting.tell_json({name: getattr(done, name) for name in done.__slots__})
        return ExitCode.OK
    acting.tell(
        [
            f"Commit {done.commit} is in {done.path}: {done.files:,} files,"
            f" {_size(done.bytes)} in {_size(done.size)}",
            "Its private keys are sealed in it; nobody opens them without the passphrase."
            if done.with_keys
            else "Private keys are not in it. A home without them can be read and not written:"
            " keep them elsewhere, or back up --with-keys",
        ]
    )
    if done.left_out:
        acting.tell([f"  {', '.join(done.left_out)}"])
    return ExitCode.OK


def passphrase_of_keys(*, twice: bool) -> str:
    """From the environment, or from whoever sits there. Raises UsageError."""
    told = acting.passphrase()
    if told is not None:
        return told
    if not sys.stdin.isatty():
        raise UsageError("the keys need a passphrase", hint="Give it in HAUBERK_PASSPHRASE")
    first = getpass.getpass("Passphrase of the keys: ")
    if twice and getpass.getpass("Once more: ") != first:
        raise UsageError("these were two different passphrases")
    return first


def _size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e6:,.1f} MB" if count >= 1_000_000 else f"{count / 1e3:,.0f} kB"
