"""Measures: what is counted, when it is told, how often it happens when nothing is wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import findings_frame

from .flows import DAY_US, subject
from .judgement import WORTH, Case, judged
from .tally import Tally, at_level
from .telling import Said, bits, finding, lasted

Row = Mapping[str, object]

DOUBLING = tuple(8 * 2**step for step in range(13))
"""Counts at which something is told, again each time it has doubled."""


@dataclass(frozen=True)
class Measure:
    """Something that is counted a key and a window.

    `rows` picks and keys the rows of `table`. `counted` (`count`, `distinct` or the `sum_` of a
    column) is judged where it reaches one of `levels` and `condition` holds, by `model`, the tail
    when nothing is wrong; both are over the counted rows. With `failing`, rows whose `failed` is
    not set are watched too, but are no target of their own. `say` gives title, sentence and
    techniques; `about` the entities, the one it is about first, who is also the subject of the
    past.
    """

    name: str
    rows: Callable[[pl.DataFrame], pl.DataFrame]
    counted: str
    levels: tuple[int, ...]
    model: pl.Expr
    say: Callable[[Row], tuple[str, str, tuple[str, ...]]]
    about: Callable[[Row], list[str | None]]
    sums: tuple[str, ...] = ("bad",)
    condition: pl.Expr = field(default_factory=lambda: pl.lit(value=True))
    failing: bool = False
    table: str = ""
    told_a: int = 1  # windows of the tally within which one subject is told of only as it grows


Weigh = Callable[[pl.DataFrame], pl.DataFrame]
Due = tuple[Measure, Row, list[str]]


def judged_measures(
    measures: Sequence[Measure],
    tables: Mapping[str, pl.DataFrame],
    state: State,
    spec: DetectorSpec,
    weigh: Weigh | None = None,
) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """Findings of the measures over the rows of their tables, and what they remember after.

    `weigh` adds to the rows that are due what the models ask of them besides.
    """
    after: dict[str, pl.DataFrame] = {}
    due: list[Due] = []
    for measure in measures:
        chosen, kept = _counted(measure, tables[measure.table], state, weigh)
        due.extend(chosen)
        after.update(kept)
    due.sort(key=lambda one: (one[1]["us"], one[1]["uid"], one[0].name))
    ps, past = judged([_case(measure, row) for measure, row, _ in due], state)
    found = [
        _finding(measure, row, evidence, p, spec)
        for (measure, row, evidence), p in zip(due, ps, strict=True)
        if p is not None
    ]
    return findings_frame(found), {**after, **past}


def _case(measure: Measure, row: Row) -> Case:
    subject = next((name for name in measure.about(row) if name), "")
    window, model = whole(row["window"]) // measure.told_a, float(str(row["model"]))
    if row.get("src_in") is False and row.get("dst_in") is True:
        # Sources on the Internet are without number: it is the targets and days that count, so that
        # what an exposed host hears every day sinks by its own rate.
        return Case(f"{measure.name} from outside", subject, window, model, 0)
    return Case(measure.name, subject, window, model, whole(row["population"]))


def keyed(rows: pl.DataFrame, key: list[str], target: str, window: int = DAY_US) -> pl.DataFrame:
    """The rows with `key`, `target` and `window` (of so many microseconds) for a tally."""
    names = [pl.col(name).cast(pl.String) for name in key]
    return rows.with_columns(
        pl.concat_str(names, separator="|").alias("key"),
        pl.col(target).cast(pl.String).alias("target"),
        (pl.col("us") // window).alias("window"),
    )


def source(row: Row) -> str | None:
    """The entity of a row's source, by its host's name where the record gives one."""
    host = str(row["host"]) if row["host"] and row.get("src_in", True) else None
    return subject(str(row["src"]), host)


def target(row: Row) -> str | None:
    """The entity of a row's destination."""
    return subject(str(row["dst"]), None)


def both(row: Row) -> list[str | None]:
    """Source and target, the internal one first."""
    pair = [source(row), target(row)]
    return pair if row["src_in"] or not row["dst_in"] else pair[::-1]


def whole(value: object) -> int:
    """A value of a row as a whole number; 0 where it is none."""
    return value if isinstance(value, int) else 0


def _finding(
    measure: Measure, row: Row, evidence: list[str], p: float, spec: DetectorSpec
) -> dict[str, object]:
    title, message, techniques = measure.say(row)
    since, until = whole(row["since"]), whole(row["us"])
    value = f"{row[measure.counted]:,}"
    watched = f"{row['population']:,}"
    return finding(
        Said(
            rule_uid=f"network.{measure.name}",
            title=title,
            message=f"{message} ({row['count']:,} events in {lasted((until - since) / 1e6)}).",
            techniques=techniques,
            entities=measure.about(row),
            evidence=evidence,
            since=since,
            until=until,
            count=whole(row["count"]),
            p=p,
            name=f"{row['key']}\0{row['window']}\0{row[measure.counted]}",
            reasons=[
                (message, value, bits(float(str(row["model"])))),
                (f"{watched} others were watched before", watched, 0.0),
            ],
        ),
        spec,
    )


def _counted(
    measure: Measure, rows: pl.DataFrame, state: State, weigh: Weigh | None
) -> tuple[list[Due], dict[str, pl.DataFrame]]:
    """The rows of a measure that are due, with their evidence; and its tables after all."""
    tally = Tally(measure.name, measure.sums, targets=measure.counted == "distinct")
    chosen = measure.rows(rows).with_row_index("_at")
    # What is counted is narrow; the rest of a row is fetched where something is due.
    wanted = {"_at", "key", "target", "window", "us", "uid", "failed", *measure.sums}
    narrow = chosen.select(name for name in chosen.columns if name in wanted)
    counted, tables = tally.count(narrow, state)
    counted = counted.with_columns((pl.col("count") == 1).cum_sum().alias("population"))
    watched = f"{measure.name}.watched"
    before = state.get(watched, pl.DataFrame({"keys": [0]}))
    keys = int(before["keys"][0])
    if counted.height:
        tables[watched] = pl.DataFrame({"keys": [keys + int(counted["population"][-1])]})
    fresh = pl.col("new") if measure.counted == "distinct" else pl.lit(value=True)
    if measure.failing:
        # All answered rows together were one target more.
        answered = (pl.col("sum_bad") < pl.col("count")).cast(pl.Int64)
        counted = counted.with_columns(pl.col("distinct") - answered)
        fresh &= pl.col("failed")
    if measure.counted.startswith("sum_"):
        due = counted.filter(pl.col(measure.counted) >= measure.levels[0])
        step = due[measure.counted.removeprefix("sum_")].fill_null(0).to_numpy()
        total = due[measure.counted].to_numpy()
        levels = np.array(measure.levels)
        reached = np.searchsorted(levels, total, side="right")
        crossed = reached > np.searchsorted(levels, total - step, side="right")
        due = due.filter(pl.Series(crossed, dtype=pl.Boolean))
    else:
        due = counted.filter(fresh & at_level(measure.counted, measure.levels))
    rest = chosen[due["_at"]].select(name for name in chosen.columns if name not in wanted)
    due = due.drop("_at").hstack(rest).filter(measure.condition)
    if due.is_empty():
        return [], tables
    if weigh is not None:
        due = weigh(due)
    due = due.with_columns(
        measure.model.alias("model"), pl.col("population").cast(pl.Int64) + keys - 1
    ).filter(pl.col("model") <= WORTH)
    evidence = tally.evidence(due, counted, state)
    return [(measure, row, evidence[row["uid"]]) for row in due.iter_rows(named=True)], tables
