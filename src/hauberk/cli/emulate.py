"""`hauberk emulate`: logs of a company that works and is attacked."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from hauberk.emulate import START, emulate

HELP = """Write the logs of a small company, in native formats, with labelled attack campaigns.

The truth (what the attackers did, when, with which techniques) goes into a file of its own beside
the logs. The same seed writes the same bytes.

Examples:

  hauberk emulate --out week --days 7

  hauberk emulate --out day --seed 7 --users 25 --campaign ransomware
"""


def command(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to write; made anew.")],
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Same seed, same bytes.")] = 1,
    users: Annotated[int, typer.Option("--users", metavar="N", min=3, max=2000)] = 25,
    days: Annotated[int, typer.Option("--days", metavar="N", min=1, max=90)] = 1,
    start: Annotated[
        datetime, typer.Option("--start", metavar="DATE", formats=["%Y-%m-%d"], help="First day.")
    ] = datetime(START.year, START.month, START.day),  # noqa: DTZ001
    campaign: Annotated[
        list[str] | None,
        typer.Option(
            "--campaign", metavar="NAME", help="An attack; again for another; none: quiet."
        ),
    ] = None,
) -> None:
    """Emulate and say what was written."""
    made = emulate(
        out, seed=seed, users=users, days=days, campaigns=campaign or (), start=start.date()
    )
    typer.echo(f"{made.records:,} records in {made.files} files under {out}")
    typer.echo(f"truth: {made.truth}")
