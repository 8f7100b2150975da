"""Hits that rules left with the batches, judged together in the order of event time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from hauberk.detect import State
from hauberk.detect.sigma import CorrelationDetector, joined_hits
from hauberk.events import EventBatch, no_findings
from hauberk.store import Home

from .guard import DetectorFault, judged

HITS = "hits"
"""Name of the table that a detector of fields leaves with each commit."""

SOURCE = "sigma"
"""The detector that leaves it."""

SLICE_HITS = 500_000
"""Hits that are held in memory at once."""


@dataclass(frozen=True, slots=True)
class Correlated:
    """What correlations say and remember, and what they lost, a sentence each."""

    findings: pl.DataFrame
    state: State
    lost: list[str]
    faults: list[DetectorFault]


def correlate(
    home: Home, detector: CorrelationDetector, state: State, commits: tuple[int, int]
) -> Correlated:
    """Judge the hits of the commits after the first and up to the second, and what still waits.

    Where any of them is older than what was judged before, all hits of the home are judged anew: an
    old file that is read late is judged as if it had come in time.
    """
    nothing = Correlated(no_findings(), state, [], [])
    span = _span(home, commits)
    if span is None:
        return nothing
    known = set(detector.lost(state))  # was said when it was lost
    if detector.is_late(state, pl.DataFrame({"time": [span[0]]})):
        state, commits = {}, (0, commits[1])
    said, faults = [no_findings()], []
    arrived = home.records.time_of(commits[1])
    for number, hits in enumerate(_slices(home, commits)):
        batch = EventBatch(f"hits-{commits[1]}-{number}", {}, hits=hits, arrived=arrived)
        found, state, fault = judged(detector, batch, state)
        said.append(found)
        if fault is not None:
            faults.append(fault)
    said.append(detector.pending(state))
    last = pl.concat(said).unique("uid", keep="last", maintain_order=True)
    lost = [one for one in detector.lost(state) if one not in known]
    return Correlated(last, state, lost, faults)


def correlate_once(detector: CorrelationDetector, hits: Sequence[pl.DataFrame]) -> Correlated:
    """Judge hits that are all there, in whichever order; nothing is remembered."""
    ordered = joined_hits(list(hits)).sort("time")
    state: State = {}
    said, faults = [no_findings()], []
    for number, part in enumerate(ordered.iter_slices(SLICE_HITS)):
        batch = EventBatch(f"hits-{number}", {}, hits=part)
        found, state, fault = judged(detector, batch, state)
        said.append(found)
        if fault is not None:
            faults.append(fault)
    said.append(detector.pending(state))
    last = pl.concat(said).unique("uid", keep="last", maintain_order=True)
    return Correlated(last, {}, list(detector.lost(state)), faults)


def usual(detector: CorrelationDetector, hits: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """What correlations say of hits that stand for themselves, as those of a baseline do."""
    if not hits:
        return no_findings()
    batch = EventBatch("baseline", {}, hits=joined_hits(hits).sort("time"))
    found, state, _ = judged(detector, batch, {})
    said = pl.concat([found, detector.finished(state)])
    return said.unique("uid", keep="last", maintain_order=True)


def _frames(home: Home, commits: tuple[int, int]) -> Iterator[pl.DataFrame]:
    return home.records.left(SOURCE, HITS, after_commit=commits[0], until_commit=commits[1])


def _span(home: Home, commits: tuple[int, int]) -> tuple[datetime, datetime] | None:
    """Times of the first and the last hit."""
    first: datetime | None = None
    last: datetime | None = None
    for frame in _frames(home, commits):
        low, high = frame["time"].min(), frame["time"].max()
        if isinstance(low, datetime) and isinstance(high, datetime):
            first, last = min(first or low, low), max(last or high, high)
    return None if first is None or last is None else (first, last)


def _slices(home: Home, commits: tuple[int, int]) -> Iterator[pl.DataFrame]:
    """All hits in order of time, cut to size between distinct times."""
    times = pl.concat([frame.select("time") for frame in _frames(home, commits)])["time"].sort()
    cuts = times.gather_every(SLICE_HITS).unique().sort().to_list()
    for since, until in zip(cuts, [*cuts[1:], None], strict=True):
        chosen = pl.col("time") >= since
        if until is not None:
            chosen &= pl.col("time") < until
        yield joined_hits([frame.filter(chosen) for frame in _frames(home, commits)]).sort("time")
