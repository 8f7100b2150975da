"""`hauberk show`: an incident's timeline or a finding's reasons, down to the record."""

from typing import Annotated

import typer

from hauberk.pipeline import IncidentView, look_up
from hauberk.reports import print_finding, print_incident, write_view

from . import output
from .home import Home, home_or_default

HELP = """Show an incident's timeline, or every reason of a finding with its numbers.

Each piece of evidence is shown with the file and the byte where its record lies.

Examples:

  hauberk show 1                 the best incident of the home

  hauberk show 4e45ba7d          an incident or a finding by the start of its uid

  hauberk show 4e45ba7d --json   the same for machines
"""


def command(
    reference: Annotated[str, typer.Argument(metavar="INCIDENT|FINDING", help="Rank or uid.")],
    home: Home = None,
    json: Annotated[bool, typer.Option("--json", help="OCSF JSON on standard output.")] = False,
) -> None:
    """Look up and print."""
    found = look_up(home_or_default(home), reference)
    if json:
        with output.stdout() as stream:
            write_view(found, stream)
    elif isinstance(found, IncidentView):
        print_incident(found, output.screen())
    else:
        print_finding(found, output.screen())
