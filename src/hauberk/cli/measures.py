"""`hauberk measures`: how fast and how well, from the system's own time stamps."""

from typing import Annotated

import orjson
import typer

from hauberk.reports import measure, print_measures

from . import output
from .home import Home, home_or_default
from .times import instant, ordered

HELP = """Show how soon incidents are told and decided, and how often rightly.

MTTD, time to acknowledge, MTTR, analyst minutes, precision by verdicts, use of the budget: all from
the ledger, medians with what nine of ten stay within, and how many they rest on.

Examples:

  hauberk measures

  hauberk measures --since 2026-03-01 --until 2026-04-01 --json
"""


def command(
    home: Home = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Incidents told from then on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Incidents told before.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """Measure and print."""
    bounds = ordered(instant("--since", since), instant("--until", until))
    found = measure(home_or_default(home), *bounds)
    if json:
        with output.stdout() as stream:
            stream.write(orjson.dumps(found.as_json()).decode() + "\n")
    else:
        print_measures(found, output.screen())
