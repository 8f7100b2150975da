"""`hauberk replay`: compute a finding again from its records."""

import json as json_module
from typing import Annotated

import typer
from rich.console import Console

from hauberk.errors import ExitCode
from hauberk.pipeline import replay
from hauberk.reports import print_replay

from .home import Home, home_or_default

HELP = """Compute a finding again from its original records and say whether it is the same.

The records are read from the original file where it still is what the ledger says, from the lake
otherwise; then parsed, judged and compared column by column.

Examples:

  hauberk replay 4e45ba7d

  hauberk replay 4e45ba7d --json

  hauberk replay 4e45ba7d@3      as it stood after commit 3, where more was said of it later

Exit codes: 0 the same to the bit, 7 different.
"""


def command(
    finding: Annotated[str, typer.Argument(metavar="FINDING", help="Uid, or the start of it.")],
    home: Home = None,
    json: Annotated[bool, typer.Option("--json", help="The comparison as JSON.")] = False,
) -> ExitCode:
    """Replay and print."""
    done = replay(home_or_default(home), finding)
    if json:
        typer.echo(json_module.dumps(done.as_json(), indent=2, default=str))
    else:
        print_replay(done, Console())
    return ExitCode.OK if done.same else ExitCode.DIFFERENT
