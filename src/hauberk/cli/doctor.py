"""`hauberk doctor`: finds what is wrong, and says what to do."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from hauberk.reports import plain
from hauberk.serve.doctor import Diagnosis, Grade, examine

from . import acting, output
from .home import Home, home_or_default

HELP = """Find what is wrong with a home and its machine, and say what to do.

Looks at Python, settings, permissions, keys, ledger, disk, clock, ports, certificates, what flows
and what does not. Changes nothing; works while everything runs.

Examples:

  hauberk doctor

  hauberk doctor --deep --json

Exit codes: 0 nothing is wrong, 1 something will be, 2 something is.
"""

_MARKS = {
    Grade.FINE: ("✓", "green"), Grade.UNKNOWN: ("?", "dim"),
    Grade.WARNING: ("!", "yellow"), Grade.FAULT: ("✗", "bold red"),
}  # fmt: skip


def command(
    home: Home = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Verify the whole home, which may take minutes.")
    ] = False,
    json: acting.Json = False,
) -> int:
    """Examine and tell."""
    found: list[Diagnosis] = []
    screen = output.screen()
    for one in examine(home_or_default(home), acting.clock(), deep=deep):
        found.append(one)
        if not json:
            for said, style in _lines(one):
                screen.print(said, style=style, soft_wrap=True, markup=False, highlight=False)
            output.flush()
    if json:
        acting.tell_json([asdict(one) for one in found])
    grades = [one.grade for one in found]
    worst = 2 if Grade.FAULT in grades else 1 if Grade.WARNING in grades else 0
    if not json:
        faults, warnings = grades.count(Grade.FAULT), grades.count(Grade.WARNING)
        said = f"{faults} wrong, {warnings} to look after" if worst else "nothing is wrong"
        screen.print(f"{len(found)} checks: {said}", style="bold")
    return worst


def _lines(one: Diagnosis) -> Iterator[tuple[str, str]]:
    mark, style = _MARKS[one.grade]
    yield f"{mark} {one.check:<18} {plain(one.found, 600)}", style
    if one.means:
        yield f"  {'':<18} {plain(one.means, 600)}", ""
    if one.do:
        yield f"  {'':<18} → {plain(one.do, 600)}", ""
