"""Rarity: what a context had never, or hardly ever, done before, as a calibrated surprise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from hauberk.detect.calibration import Calibration
from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import EventBatch, EventClass, FindingKind, no_findings

from .counting import counted, remembered
from .measure import held_to_measure
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
        hour, still_open = opened(rows, memory)
        said, spoken = held_to_measure(
            strange, memory.spoken, memory.moment("hour"), hour, SAID_FREELY
        )
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
