"""`hauberk status`: how the parts are that `hauberk up` runs."""

import json as json_module
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from hauberk.serve import PartStatus, Report, State, SystemStatus, read_status

from . import output
from .home import Home, home_or_default

HELP = """Say how the parts that `up` runs are.

Examples:

  hauberk status

  hauberk status --json

Exit codes: 0 everything is up, 1 something is not, or not yet, 3 nothing runs.
"""

UP, DEGRADED, DOWN = 0, 1, 3
_STYLES = {State.UP: "green", State.DOWN: "red"}


def command(
    home: Home = None,
    json: Annotated[bool, typer.Option("--json", help="The status as JSON.")] = False,
) -> int:
    """Print it."""
    path = home_or_default(home).absolute()
    status = read_status(path)
    if json:
        with output.stdout() as stream:
            stream.write(json_module.dumps(status.as_json(), indent=2) + "\n")
    else:
        screen = output.screen()
        for said, style in _lines(status, str(path), datetime.now(UTC)):
            screen.print(said, style=style, soft_wrap=True, markup=False, highlight=False)
    if status.holder is None:
        return DOWN
    return UP if status.healthy else DEGRADED


def _lines(status: SystemStatus, home: str, now: datetime) -> Iterator[tuple[str, str]]:
    if status.holder is None:
        yield f"Nothing runs in {_plain(home)}", ""
        for part in status.parts:
            if part.state is not State.ENDED:
                yield f"  {part.name} was {part.state} when its supervisor was killed", "red"
        return
    word = "up" if status.healthy else ("not answering" if status.stale else _word(status.state))
    since = _span(now - _time(status.holder.since))
    yield f"Hauberk {status.version} is {word} in {_plain(home)}", "bold"
    yield f"  {'process':<9}{status.holder.pid}, for {since}", "dim"
    for part in status.parts:
        yield (
            f"  {part.name:<9}{_told(part, now)}",
            "red" if part.stuck else _STYLES.get(part.state, "yellow"),
        )
        if part.report and part.name == "watch":
            yield f"  {'':<9}{_pace(part)}", ""
            for said in part.report.get("troubles") or ():
                yield f"  {'':<9}{_plain(str(said))}", "red"
        if part.report and part.name == "outputs":
            yield from _outputs(part.report)
        if part.last_exit:
            words = f": {_plain(part.last_words[-1])}" if part.last_words else ""
            yield f"  {'':<9}before, it {part.last_exit}{words}", "dim"


def _word(state: State) -> str:
    return {State.DOWN: "degraded"}.get(state, str(state))


def _told(part: PartStatus, now: datetime) -> str:
    said = f"{part.state}"
    if part.since and part.state is State.UP:
        said += f" for {_span(now - _time(part.since))}"
    if part.next_start and part.state is State.DOWN:
        said += f", again in {_span(_time(part.next_start) - now)}"
    if part.stuck:
        said += f", silent for {part.silent:.0f} s"
    address = (part.report or {}).get("address") if part.name == "console" else None
    said += f"  {_plain(str(address or part.about))}"
    if part.restarts:
        said += f"  {part.restarts} restart{'s' * (part.restarts != 1)}"
    return said


def _pace(part: PartStatus) -> str:
    pace = part.report or {}
    rate = f"{part.rate:,.0f} records/s, " if part.rate is not None else ""
    behind = int(pace.get("behind") or 0)
    lag = f"{behind / 1e6:,.1f} MB behind" if behind >= 50_000 else f"{behind:,} bytes behind"
    told = f"{rate}{int(pace.get('records') or 0):,} records since it began, {lag}"
    quiet = [str(one.get("name")) for one in pace.get("sources") or () if one.get("breaches")]
    return told + (f"; out of contract: {_plain(', '.join(quiet[:5]))}" if quiet else "")


def _outputs(report: Report) -> Iterator[tuple[str, str]]:
    """Outputs that are behind, or could not send: those that are well say nothing."""
    for one in report.get("outputs") or ():
        behind, fault = float(one.get("behind") or 0), str(one.get("fault") or "")
        if fault or behind >= 60:
            said = f"{one.get('name')} is {_span(timedelta(seconds=behind))} behind"
            yield f"  {'':<9}{_plain(f'{said}: {fault}' if fault else said)[:300]}", "yellow"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _span(length: timedelta) -> str:
    seconds = max(0, round(length.total_seconds()))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def _plain(text: str) -> str:
    """A text that does nothing to a terminal."""
    return "".join(one if one.isprintable() else " " for one in text)
