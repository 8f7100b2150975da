"""Measures of a model over time, as the numbers that a template draws: one small chart a metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

WIDTH, HEIGHT = 1000.0, 160.0
MAX_CHARTS = 24


@dataclass(frozen=True, slots=True)
class Drift:
    """A metric over time: its line and its bound in a box of WIDTH x HEIGHT, and the last word."""

    metric: str
    path: str
    points: Sequence[tuple[float, float, bool]]  # x, y, within its bound
    bound: float | None
    bound_y: float | None
    lowest: float
    highest: float
    first: datetime
    last: datetime
    value: float
    samples: int | None
    held: bool
    breaches: int
    number: int


def charts_of(measures: pl.DataFrame) -> list[Drift]:
    """A chart for each metric of `ModelRoom.measures`, those beyond their bounds first."""
    if not measures.height:
        return []
    parts = measures.partition_by("metric", maintain_order=True, as_dict=True)
    drawn = [_drawn(str(metric), part) for (metric,), part in parts.items() if metric is not None]
    return sorted(drawn, key=lambda one: (one.held, -one.breaches, one.metric))[:MAX_CHARTS]


def _drawn(metric: str, part: pl.DataFrame) -> Drift:
    rows = list(part.select("time", "value", "bound", "samples", "held").iter_rows())
    times = [row[0] for row in rows]
    values = [float(row[1]) for row in rows]
    bound = rows[-1][2]
    edges = [0.0, *values, *([] if bound is None else [float(bound)])]
    lowest, highest = min(edges), max(edges)
    tall = (highest - lowest) or 1.0
    seconds = (times[-1] - times[0]).total_seconds()

    def down(value: float) -> float:
        return HEIGHT - (value - lowest) / tall * HEIGHT

    def along(at: datetime) -> float:
        return (at - times[0]).total_seconds() / seconds * WIDTH if seconds else WIDTH / 2

    points = [
        (round(along(at), 1), round(down(value), 1), bool(row[4]))
        for at, value, row in zip(times, values, rows, strict=True)
    ]
    return Drift(
        metric=metric,
        path="M" + " L".join(f"{x} {y}" for x, y, _ in points),
        points=points if len(points) <= 120 else [],
        bound=None if bound is None else float(bound),
        bound_y=None if bound is None else round(down(float(bound)), 1),
        lowest=lowest,
        highest=highest,
        first=times[0],
        last=times[-1],
        value=values[-1],
        samples=rows[-1][3],
        held=bool(rows[-1][4]),
        breaches=sum(not row[4] for row in rows),
        number=len(rows),
    )
