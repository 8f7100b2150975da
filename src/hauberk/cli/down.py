"""`hauberk down`: ends what `hauberk up` runs."""

from typing import Annotated

import typer

from hauberk.errors import ExitCode
from hauberk.serve import bring_down

from . import output
from .home import Home, home_or_default

HELP = """End what `up` runs, in order.

Asks its supervisor, which ends the console and then the watch, once that has committed and judged
what has come. What does not end in time is killed, which loses nothing that was committed.

Example:

  hauberk down --home /srv/hauberk

Exit codes: 0 nothing runs any more, 1 something could not be ended.
"""


def command(
    home: Home = None,
    wait: Annotated[
        float,
        typer.Option("--wait", metavar="SECONDS", min=0, help="How long it may take in order."),
    ] = 180.0,
) -> ExitCode:
    """End it and say what happened."""
    screen = output.screen()

    def told(said: str) -> None:
        screen.print(said, style="dim", soft_wrap=True)
        output.flush()

    ended = bring_down(home_or_default(home).absolute(), wait, told)
    if ended.left:
        screen.print(f"still running: {', '.join(ended.left)}", style="red")
        return ExitCode.INTERNAL
    if ended.killed:
        screen.print(f"down; {', '.join(ended.killed)} had to be killed", style="yellow")
    else:
        screen.print("down" if ended.was_up else "nothing was up")
    return ExitCode.OK
