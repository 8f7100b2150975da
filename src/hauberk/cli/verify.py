"""`hauberk verify`: whether the home is what was committed, to the byte."""

import json as json_module
from typing import Annotated

import typer

from hauberk.errors import ExitCode
from hauberk.models import verify_models
from hauberk.reports import print_verification
from hauberk.store import verify

from . import output
from .home import Home, home_or_default

HELP = """Prove that lake, dead letters, records and ledger are what was committed.

Works offline. Names every changed, missing, reordered or added byte, and checks that
records = events + aggregated + rejected for every batch. Of models it verifies again every
signature of persons and of artifacts, every vote's right, and every artifact's files.

Examples:

  hauberk verify

  hauberk verify --home /srv/hauberk --json

Exit codes: 0 everything is as committed, 5 it is not.
"""


def command(
    home: Home = None,
    json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> ExitCode:
    """Verify and print."""
    path = home_or_default(home)
    report = verify_models(path, verify(path))
    if json:
        with output.stdout() as stream:
            stream.write(json_module.dumps(report.as_json(), indent=2) + "\n")
    else:
        print_verification(report, output.screen())
    return ExitCode.OK if report.ok else ExitCode.HOME_DAMAGED
