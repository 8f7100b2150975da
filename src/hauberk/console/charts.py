"""A chart of an answer, as the numbers that a template draws: bars by name, or a line over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hauberk.reports import Answer, Column, cell, plain

MAX_BARS = 40
MAX_POINTS = 2000
WIDTH, HEIGHT = 1000.0, 240.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One name and its number; `share` of the longest bar, 0 to 1."""

    label: str
    value: float
    share: float


@dataclass(frozen=True, slots=True)
class Chart:
    """What to draw: bars, or the path of a line in a box of WIDTH x HEIGHT."""

    title: str
    bars: Sequence[Bar] = ()
    path: str = ""
    lowest: float = 0.0
    highest: float = 0.0
    first: str = ""
    last: str = ""
    left_out: int = 0


def chart_of(answer: Answer) -> Chart | None:
    """The chart that fits an answer: its first number, by its first other column.

    None where no column is a number, where nothing names the rows, or where there is one row.
    """
    number = _first(answer.columns, numbers=True)
    name = _first(answer.columns, numbers=False)
    if number is None or name is None or len(answer.rows) < 2:
        return None
    pairs = [
        (row[name], float(value))
        for row in answer.rows
        if isinstance(value := row[number], int | float) and not isinstance(value, bool)
    ]
    if len(pairs) < 2:
        return None
    title = f"{answer.columns[number].name} by {answer.columns[name].name}"
    if answer.columns[name].is_time:
        timed = [(moment, value) for at, value in pairs if (moment := _time(at)) is not None]
        return _line(title, sorted(timed)[:MAX_POINTS]) if len(timed) > 1 else None
    longest = max(abs(value) for _, value in pairs[:MAX_BARS]) or 1.0
    bars = [
        Bar(plain(cell(label), 60) or "(nothing)", value, max(value, 0.0) / longest)
        for label, value in pairs[:MAX_BARS]
    ]
    return Chart(title, bars, left_out=max(0, len(pairs) - MAX_BARS))


def _line(title: str, points: Sequence[tuple[datetime, float]]) -> Chart:
    start, end = points[0][0], points[-1][0]
    seconds = (end - start).total_seconds() or 1.0
    values = [value for _, value in points]
    lowest, highest = min(0.0, *values), max(values)
    tall = (highest - lowest) or 1.0
    places = [
        f"{(at - start).total_seconds() / seconds * WIDTH:.1f} "
        f"{HEIGHT - (value - lowest) / tall * HEIGHT:.1f}"
        for at, value in points
    ]
    first, last = (f"{one:%Y-%m-%d %H:%M}" for one in (start, end))
    return Chart(title, (), f"M{' L'.join(places)}", lowest, highest, first, last)


def _first(columns: Sequence[Column], *, numbers: bool) -> int | None:
    found = (at for at, one in enumerate(columns) if one.is_number == numbers)
    return next(found, None)


def _time(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value)).replace(tzinfo=None)
    except ValueError:
        return None
