"""Rarity: what a context had never, or hardly ever, done before, as a calibrated surprise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from hauberk.detect.calibration import Calibration
from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import EventBatch, EventClass, FindingKind, no_findings

from .counting import counted, remembered
from .memory import EPOCH, Memory
from .relation import Relation
from .telling import told
from .tiles import opened, tiles

REPORT_AT = 0.01
"""Largest p that is worth a finding; triage weighs it among the others."""

STRANGE_BITS = 4.0
"""Least surprise by the counts themselves: where all the past is alike, the rank says nothing."""

FAMILIAR = 3
"""A pair seen in so many tiles is no longer told, however rare it stays."""

SAID_FREELY = 10
"""Findings a scope and hour; beyond, only what is stranger than all that was said before."""


@dataclass(frozen=True)
class RarityDetector:
    """Judges the pairs of its relations against all pairs before.

    Findings are told once for each pair, scope and hour. A finding's p is the larger of the rank
    among the surprises of the relation's past and the pair's own estimated probability.
    """

    spec: DetectorSpec
    relations: Sequence[Relation]
    calibration: Calibration = field(default_factory=Calibration)

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of this batch and the state after it."""
        after: dict[str, pl.DataFrame] = dict(state)
        found = [no_findings()]
        for relation in self.relations:
            if relation.event_class not in batch.tables:
                continue
            memory = Memory.recall(state, relation.rule_uid)
            rows = tiles(batch, relation, memory)
            for part in _epochs(rows, memory.moment("tiles")):
                findings, memory = self._judge_tiles(part, relation, memory)
                found.append(findings)
            after.update(memory.state(relation.rule_uid))
        return pl.concat(found), after

    def _judge_tiles(
        self, rows: pl.DataFrame, relation: Relation, memory: Memory
    ) -> tuple[pl.DataFrame, Memory]:
        scored = counted(rows, memory)
        ranks, history = self.calibration.judge(memory.history, scored["bits"].to_numpy())
        scored = scored.with_columns(
            pl.max_horizontal(pl.Series(ranks), 2.0 ** -pl.col("bits")).alias("p")
        )
        strange = scored.filter(
            (pl.col("p") <= REPORT_AT)
            & (pl.col("seen") < FAMILIAR)
            & (pl.col("bits") >= STRANGE_BITS)
        )
        said, spoken = _held_to_measure(strange, memory, int(rows["hour"][-1]))
        hour, still_open = opened(rows, memory)
        total = memory.moment("tiles") + rows.height
        clock = memory.clock.with_columns(
            pl.lit(hour, pl.Int64).alias("hour"),
            pl.lit(total, pl.Int64).alias("tiles"),
            pl.col("pairs") + scored["first"].sum(),
            pl.col("objects") + ((scored["users"] == 0) & (scored["first"] == 1)).sum(),
        )
        after = Memory(
            **remembered(scored, memory), open=still_open, spoken=spoken, clock=clock,
            history=history,
        )  # fmt: skip
        if total % EPOCH == 0:
            after = after.evicted()
        return told(said, relation, self.spec), after


def rarity_detector(name: str, title: str, relations: Sequence[Relation]) -> RarityDetector:
    """A detector over relations, which reads what they read."""
    columns: dict[EventClass, dict[str, None]] = {}
    for relation in relations:
        wanted = columns.setdefault(relation.event_class, {"time": None, "metadata.uid": None})
        wanted.update(dict.fromkeys(relation.columns))
    spec = DetectorSpec(
        name=name,
        version="1",
        kind=FindingKind.RARITY,
        title=title,
        columns={event_class: tuple(names) for event_class, names in columns.items()},
    )
    return RarityDetector(spec, tuple(relations))


def _epochs(rows: pl.DataFrame, ordinal: int) -> Iterator[pl.DataFrame]:
    """The rows, cut where an epoch of tiles ends."""
    begin = 0
    while begin < rows.height:
        length = EPOCH - (ordinal + begin) % EPOCH
        yield rows.slice(begin, length)
        begin += length


def _held_to_measure(
    strange: pl.DataFrame, memory: Memory, last_hour: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that are told, and the table `spoken` after them."""
    hour = memory.moment("hour")
    earlier = memory.spoken.with_columns(pl.lit(hour, pl.Int64).alias("hour"))
    rows = strange.join(
        earlier, on=["scope", "hour"], how="left", maintain_order="left"
    ).with_columns(pl.col("said").fill_null(0), pl.col("least").fill_null(1.0))
    lowest = pl.min_horizontal(pl.col("least"), pl.col("p").cum_min().shift(1).fill_null(1.0))
    judged = rows.with_columns(
        (pl.col("said") + pl.int_range(pl.len())).over("scope", "hour").alias("number"),
        lowest.over("scope", "hour").alias("lowest"),
    )
    kept = judged.filter((pl.col("number") < SAID_FREELY) | (pl.col("p") < pl.col("lowest"))).drop(
        "said", "least"
    )
    tally = judged.filter(pl.col("hour") == last_hour).select(
        "scope", pl.lit(1, pl.Int64).alias("said"), pl.col("p").alias("least")
    )
    before = memory.spoken if last_hour == hour else memory.spoken.clear()
    spoken = (
        pl.concat([before, tally])
        .group_by("scope")
        .agg(pl.col("said").sum(), pl.col("least").min())
    )
    return kept, spoken
