"""A hunt: rules of today over the events that the lake kept, for any stretch of time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from hauberk.detect.sigma import CorrelationDetector, RuleSet, SigmaDetector, Suppressions
from hauberk.events import is_plausible, no_findings
from hauberk.store import Home

from .again import STORED, parsed_again
from .correlating import correlate_once
from .evidence import evidence_of
from .guard import judged
from .interface import Progress, Silent

SLICE_EVENTS = 50_000
"""Events that are held in memory at once, each with the record itself."""

MAX_SHOWN = 10_000
"""Events behind the findings that are fetched to be shown."""


@dataclass(frozen=True, slots=True)
class Hunt:
    """What rules say of stored events. Nothing of it is stored: a hunt changes no base rate.

    `findings` are in FINDING_SCHEMA; `evidence` their events by uid, with the place of each record.
    """

    findings: pl.DataFrame
    evidence: Mapping[str, Mapping[str, object]]
    events: int
    rules: int
    faults: Sequence[str] = ()


def hunt(
    home_path: Path,
    rules: RuleSet,
    since: datetime | None = None,
    until: datetime | None = None,
    progress: Progress | None = None,
    suppressions: Suppressions | None = None,
) -> Hunt:
    """Judge every stored event with since <= time < until by `rules`, and correlate what they say.

    Without both bounds events without a plausible time are judged as well. Raises UsageError where
    there is no home.
    """
    progress = progress or Silent()
    detector = SigmaDetector(rules, suppressions=suppressions)
    said = [no_findings()]
    events = 0
    faults = []
    hits: list[pl.DataFrame] = []
    with Home.open(home_path, read_only=True) as home:
        progress.begin("hunt", home.lake.count() if since is until is None else None, "events")
        for stored in _slices(home, since, until):
            for batch in parsed_again(home, stored):
                found, left, fault = judged(detector, batch, {})
                said.append(found)
                hits.extend(left.values())
                if fault is not None:
                    faults.append(str(fault))
            events += stored.height
            progress.advance("hunt", stored.height)
        progress.end("hunt")
        correlated = correlate_once(CorrelationDetector(rules), hits)
        said.append(correlated.findings)
        faults.extend([*map(str, correlated.faults), *correlated.lost])
        findings = pl.concat(said).unique("uid", keep="last").sort("time", "uid")
        evidence = evidence_of(home, [], findings, limit=MAX_SHOWN)
    return Hunt(findings, evidence, events, len(rules.rules), faults)


def _slices(home: Home, since: datetime | None, until: datetime | None) -> Iterator[pl.DataFrame]:
    classes = home.lake.event_classes()
    if since is None and until is None:
        undated = [
            home.lake.scan(one, [*STORED, "time"])
            .filter(~is_plausible(pl.col("time")).fill_null(value=False))
            .select(STORED)
            for one in classes
        ]
        if undated:
            yield from pl.concat(undated).collect(engine="streaming").iter_slices(SLICE_EVENTS)
    for one in home.lake.time_slices(SLICE_EVENTS, classes, since, until):
        low = one.since if since is None else max(since, one.since)
        high = one.until if until is None else min(until, one.until)
        frames = [home.lake.scan(event_class, STORED, low, high) for event_class in classes]
        yield from pl.concat(frames).collect(engine="streaming").iter_slices(SLICE_EVENTS)
