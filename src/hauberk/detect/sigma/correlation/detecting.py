"""Sigma correlations as a detector: hits of rules in, matches out, as findings.

Event time alone counts. Hits may come in any order as long as none is older than the newest by more
than the lateness: what is judged lies that far back, in whole minutes, and is final. What is said
therefore depends neither on how hits were cut into batches nor, within the lateness, on their
order. `pending` says what would be said if nothing more came. Hits that claim to be of later than
they came do not move time on: one forged date would make all that follows late.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from hauberk.detect import DetectorSpec, State
from hauberk.detect.sigma.program import PROGRAM_VERSION, RuleSet
from hauberk.events import EventBatch, FindingKind, findings_frame, no_findings

from .hits import joined_hits
from .memory import CAPACITY, Memory, as_state, forget, from_state, none_open
from .rule import Correlation
from .stepping import ROW_SCHEMA, SECOND, Step, grouped, no_rows, step
from .telling import Teller

LATENESS = timedelta(minutes=10)
"""How much older than the newest a hit may come and still be judged in its place."""

TICK = 60 * SECOND
"""Event time is judged in whole ticks; room is made at their ends, whatever the batches."""

MAX_WAITING = 1_000_000
"""Hits that wait for their time to be judged; beyond it their time is judged early."""

NAME = "sigma-correlation"


class CorrelationDetector:
    """Judges hits (`EventBatch.hits`) by the correlations of a rule set.

    One finding tells of one match: all events of one group that hold the condition together, until
    a timespan after the condition first held. It is said again with more while it grows.
    """

    spec: DetectorSpec

    def __init__(
        self,
        rules: RuleSet,
        *,
        lateness: timedelta = LATENESS,
        capacity: int = CAPACITY,
    ) -> None:
        self.spec = DetectorSpec(
            name=NAME,
            version=f"{PROGRAM_VERSION}-{rules.digest[:12]}",
            kind=FindingKind.RULE,
            title="Sigma correlations",
            reads_hits=True,
        )
        self._correlations = in_order(rules.correlations)
        self._lateness = int(lateness.total_seconds() * SECOND)
        self._capacity = capacity
        self._teller = Teller(self.spec, rules)
        self._paths = _paths(self._correlations)
        self._read = {uid for one in self._correlations for uid in one.rules}

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings that are final with the hits of this batch, and the state after it."""
        if not self._correlations or batch.hits is None or not batch.hits.height:
            return no_findings(), state
        memory = self._with(self._remembered(state), batch.hits, batch.arrived)
        done = (memory.latest or 0) - self._lateness
        if memory.waiting.height > MAX_WAITING:
            half = memory.waiting["time"].sort()[-MAX_WAITING // 2]
            done = max(done, int(half.timestamp() * SECOND))
        until = done // TICK * TICK
        found: list[dict[str, object]] = []
        if memory.done is None or until > memory.done:
            memory = self._until(memory, until, found)
        return _last(found), as_state(memory)

    def pending(self, state: State) -> pl.DataFrame:
        """What would be said of the hits that still wait if none came after them."""
        memory = self._remembered(state)
        if memory.latest is None or not self._correlations:
            return no_findings()
        found: list[dict[str, object]] = []
        self._until(memory, _newest(memory) + 1, found)
        return _last(found)

    def finished(self, state: State) -> pl.DataFrame:
        """What would be said if nothing more came and all windows were over."""
        memory = self._remembered(state)
        if memory.latest is None:
            return no_findings()
        found: list[dict[str, object]] = []
        longest = sum(one.timespan for one in self._correlations)
        self._until(memory, _newest(memory) + (longest + 1) * SECOND, found)
        return _last(found)

    def lost(self, state: State) -> Sequence[str]:
        """What was not judged or forgotten for want of room, a sentence each."""
        memory = from_state(state)
        said = []
        if memory.late:
            said.append(f"{memory.late:,} hits came after their time was judged")
        for uid, (rows, groups) in sorted(memory.forgotten.items()):
            title = self._teller.title(uid)
            said.append(f"{title}: {rows:,} events forgotten for want of room, {groups:,} groups")
        return said

    def is_late(self, state: State, hits: pl.DataFrame) -> bool:
        """Whether any of the hits is older than what has been judged."""
        done = from_state(state).done if state else None
        return done is not None and bool((hits["time"].dt.epoch("us") < done).any())

    def _remembered(self, state: State) -> Memory:
        """The memory of a state, without correlations that are no longer judged."""
        memory = from_state(state)
        known = {one.uid for one in self._correlations}
        return replace(
            memory,
            held={uid: frame for uid, frame in memory.held.items() if uid in known},
            opened={uid: frame for uid, frame in memory.opened.items() if uid in known},
        )

    def _with(self, memory: Memory, hits: pl.DataFrame, arrived: datetime | None) -> Memory:
        """The memory with hits that wait, and time moved on by them, to when they came at most."""
        waiting = joined_hits([memory.waiting, hits])
        late = 0
        if memory.done is not None:
            timely = waiting.filter(pl.col("time").dt.epoch("us") >= memory.done)
            waiting, late = timely, waiting.height - timely.height
        waiting = waiting.unique(["rule", "uid"], keep="first", maintain_order=True)
        latest = _last_time(hits)
        if arrived is not None:
            latest = min(latest, int(arrived.timestamp() * SECOND))
        newest = max(memory.latest or 0, latest)
        return replace(memory, waiting=waiting, latest=newest, late=memory.late + late)

    def _until(self, memory: Memory, until: int, found: list[dict[str, object]]) -> Memory:
        """Judge everything before `until`, and keep the rest."""
        micros = pl.col("time").dt.epoch("us")
        ready = memory.waiting.filter(micros < until)
        waiting = memory.waiting.filter(micros >= until)
        begin = memory.done
        if begin is None:
            first = ready["time"].dt.epoch("us").min()
            begin = (first if isinstance(first, int) else until) // TICK * TICK
        after = self._portion(memory, ready, begin, until, found)
        return replace(after, waiting=waiting, done=until)

    def _portion(
        self,
        memory: Memory,
        ready: pl.DataFrame,
        begin: int,
        until: int,
        found: list[dict[str, object]],
    ) -> Memory:
        """Judge hits between two instants at once, or in halves where room might run out.

        Whether room runs out is asked at the end of every tick: at once is the same as tick by tick
        where it cannot run out in between.
        """
        ticks = (until - begin) // TICK
        reads = ready["rule"].replace_strict(self._paths, default=0, return_dtype=pl.Int64).sum()
        if ticks <= 1 or memory.size + self._whole(memory) + int(reads) <= self._capacity:
            return forget(self._carried(memory, ready, until, found), self._capacity)
        middle = begin + ticks // 2 * TICK
        early = pl.col("time").dt.epoch("us") < middle
        memory = self._portion(memory, ready.filter(early), begin, middle, found)
        return self._portion(memory, ready.filter(~early), middle, until, found)

    def _whole(self, memory: Memory) -> int:
        """Rows of windows that are judged when they are over: each may become a match."""
        return sum(
            memory.held[one.uid].height
            for one in self._correlations
            if one.judges_whole_windows and one.uid in memory.held
        )

    def _carried(
        self, memory: Memory, ready: pl.DataFrame, until: int, found: list[dict[str, object]]
    ) -> Memory:
        base = ready.with_columns(
            pl.col("rule").alias("child"),
            pl.col("time").alias("since"),
            pl.lit(value=True).alias("counts"),
            pl.lit(1, pl.Int64).alias("events"),
            pl.concat_list("uid").alias("evidence"),
        ).rename({"rule": "base"})
        told: dict[str, pl.DataFrame] = {}
        held, opened = dict(memory.held), dict(memory.opened)
        for one in self._correlations:
            inner = [told[uid] for uid in one.rules if uid in told]
            mine = base.filter(pl.col("child").is_in(one.rules))
            rows = pl.concat([pl.DataFrame(schema=ROW_SCHEMA), mine, *inner], how="diagonal")
            was = held.get(one.uid, no_rows())
            if not rows.height and not was.height:
                continue
            fresh, open_ = grouped(one, rows), opened.get(one.uid, none_open())
            done = step(one, was, open_, fresh, until, tells=one.uid in self._read)
            held[one.uid], opened[one.uid] = done.held, done.opened
            if one.uid in self._read:
                told[one.uid] = done.told
            if not one.silent:
                found.extend(self._told(one, done))
        return replace(memory, held=held, opened=opened)

    def _told(self, one: Correlation, done: Step) -> Iterable[dict[str, object]]:
        return self._teller.findings(one, done) if done.matches.height else ()


def _last_time(hits: pl.DataFrame) -> int:
    """Time of the last of the hits in microseconds; 0 where there is none."""
    latest = hits["time"].dt.epoch("us").max()
    return latest if isinstance(latest, int) else 0


def _newest(memory: Memory) -> int:
    """Time of the newest hit that the memory knows, waiting ones included."""
    return max(memory.latest or 0, _last_time(memory.waiting))


def _last(found: list[dict[str, object]]) -> pl.DataFrame:
    """Findings, each as it was said last."""
    if not found:
        return no_findings()
    return findings_frame(found).unique("uid", keep="last", maintain_order=True)


def in_order(correlations: Iterable[Correlation]) -> list[Correlation]:
    """Correlations so that each comes after those that it reads. They refer in no circle."""
    known = {one.uid: one for one in correlations}
    placed: dict[str, Correlation] = {}

    def place(one: Correlation) -> None:
        for uid in one.rules:
            if uid in known and uid not in placed:
                place(known[uid])
        placed.setdefault(one.uid, one)

    for one in known.values():
        place(one)
    return list(placed.values())


def _paths(correlations: Sequence[Correlation]) -> dict[str, int]:
    """For each rule, in how many rows one hit of it can end."""
    counts: dict[str, int] = {}
    for one in reversed(correlations):
        reads = 1 + counts.get(one.uid, 0)
        for uid in set(one.rules):
            counts[uid] = counts.get(uid, 0) + reads
    return counts
