"""The second pass: behaviour detectors over the lake, in order of event time.

Rules judge records as they are parsed. Behaviour has to be judged in the order in which things
happened, whatever order the files came in, so it reads the lake, slice by slice.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from hauberk.detect import Detector, State
from hauberk.detect.sigma import CorrelationDetector
from hauberk.events import (
    EntityKind,
    EventBatch,
    EventClass,
    entity_column,
    is_internal,
    no_findings,
)
from hauberk.store import Home
from hauberk.triage import without_session

from .correlating import correlate
from .guard import DetectorFault, judged
from .interface import Progress
from .modelled import Counting, counted

SLICE_EVENTS = 400_000
"""Events that are held in memory at once; their columns without the records themselves."""

AT_ONCE = 2
"""Detectors that judge a slice at once: one plans its next query while another's is run."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the detectors said and remember, and the host-days (host, day) they watched."""

    findings: pl.DataFrame
    states: Mapping[str, State]
    cells: pl.DataFrame
    events: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    faults: Sequence[DetectorFault] = ()
    lost: Sequence[str] = ()  # what was forgotten or came too late, a sentence each


def wanted_columns(detectors: Sequence[Detector]) -> dict[EventClass, list[str]]:
    """Columns that any of the detectors reads, a list a class, each with uid and time."""
    wanted: dict[EventClass, dict[str, None]] = {}
    for detector in detectors:
        for event_class, columns in detector.spec.columns.items():
            names = wanted.setdefault(event_class, {"metadata.uid": None, "time": None})
            names.update(dict.fromkeys(columns))
    return {event_class: list(names) for event_class, names in wanted.items()}


def slices(
    home: Home, columns: Mapping[EventClass, list[str]], commits: tuple[int, int]
) -> Iterator[EventBatch]:
    """Events of the commits after the first and up to the second, in time order, cut to size.

    Events without a plausible time come first, in a slice of their own.
    """
    cuts: list[tuple[datetime | None, datetime | None]] = [(None, None)]
    slices_of_time = home.lake.time_slices(SLICE_EVENTS, list(columns), after_commit=commits[0])
    cuts.extend((one.since, one.until) for one in slices_of_time)
    for number, (since, until) in enumerate(cuts):
        tables = {}
        for event_class, names in columns.items():
            frame = _within(home, event_class, names, commits, since, until)
            if frame.height:
                tables[event_class] = frame.sort("time", "metadata.uid", nulls_last=False)
        if tables:
            yield EventBatch(f"slice-{commits[1]}-{number}", tables)


def _within(
    home: Home,
    event_class: EventClass,
    columns: list[str],
    commits: tuple[int, int],
    since: datetime | None,
    until: datetime | None,
) -> pl.DataFrame:
    """Events of the commits with since <= time < until; without either, those of no real time."""
    undated = since is None and until is None
    lake = home.lake.scan(
        event_class,
        [*columns, "commit"],
        since=since,
        until=until,
        after_commit=commits[0],
        undated=undated,
    )
    return lake.filter(pl.col("commit") <= commits[1]).drop("commit").collect(engine="streaming")


def judge_lake(
    home: Home,
    detectors: Sequence[Detector],
    states: Mapping[str, State],
    commits: tuple[int, int],
    progress: Progress,
) -> Judged:
    """Judge the events of the commits after the first and up to the second."""
    columns = wanted_columns(detectors)
    after = dict(states)
    said = [no_findings()]
    seconds: dict[str, float] = {}
    faults: list[DetectorFault] = []
    lost: list[str] = []
    events = 0
    progress.begin("judge", None, "events")
    of_hits = [one for one in detectors if isinstance(one, CorrelationDetector)]
    of_lake = [one for one in detectors if not one.spec.reads_hits]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="judge") as pool:
        watched = pool.submit(host_days, home, commits)
        for batch in slices(home, columns, commits):
            judging = [
                pool.submit(_timed, detector, batch, after.get(detector.spec.name, {}))
                for detector in of_lake
            ]
            for detector, one in zip(of_lake, judging, strict=True):
                name = detector.spec.name
                (findings, after[name], fault), spent = one.result()
                if fault is not None:
                    faults.append(fault)
                seconds[name] = seconds.get(name, 0.0) + spent
                if findings.height:
                    said.append(findings)
            events += batch.height
            progress.advance("judge", batch.height)
        cells = watched.result()
    for correlating in of_hits:
        name, began = correlating.spec.name, time.perf_counter()
        correlated = correlate(home, correlating, after.get(name, {}), commits)
        after[name] = correlated.state
        said.append(correlated.findings)
        faults.extend(correlated.faults)
        lost.extend(correlated.lost)
        seconds[name] = time.perf_counter() - began
    for counting in detectors:
        if isinstance(counting, Counting):
            name, began = counting.spec.name, time.perf_counter()
            findings, after[name] = counted(home, counting, after.get(name, {}), commits)
            said.append(findings)
            seconds[name] = time.perf_counter() - began
    progress.end("judge")
    # A detector may say a finding again with more, in a later slice: its last word counts.
    last = pl.concat(said).unique("uid", keep="last", maintain_order=True)
    return Judged(last, after, cells, events, seconds, faults, lost)


def _timed(
    detector: Detector, batch: EventBatch, state: State
) -> tuple[tuple[pl.DataFrame, State, DetectorFault | None], float]:
    """What `judged` says, and the seconds that it took."""
    began = time.perf_counter()
    return judged(detector, batch, state), time.perf_counter() - began


_FLOW_CLASSES = (
    EventClass.NETWORK_ACTIVITY,
    EventClass.DNS_ACTIVITY,
    EventClass.HTTP_ACTIVITY,
)


def host_days(home: Home, commits: tuple[int, int]) -> pl.DataFrame:
    """Host-days with any event in the commits: (host, day).

    A host is `host:name`; `ip:address` for internal addresses that only a network sensor tells of;
    `principal:name` for who calls a cloud; "" where records name none of them.
    """
    present = home.lake.event_classes()
    named = [
        _subjects(home, event_class, "device.hostname", EntityKind.HOST, commits)
        for event_class in present
    ]
    flows = [
        _subjects(home, event_class, "src_endpoint.ip", EntityKind.IP, commits)
        for event_class in _FLOW_CLASSES
        if event_class in present
    ]
    if EventClass.API_ACTIVITY in present:
        calls = _subjects(
            home, EventClass.API_ACTIVITY, "actor.user.uid", EntityKind.PRINCIPAL, commits
        )
        roles = calls.with_columns(without_session(pl.col("host")))
        named.append(roles.filter(pl.col("host").str.starts_with("principal:arn:")))
    schema = {"host": pl.String, "day": pl.Date}
    return pl.concat([pl.DataFrame(schema=schema), *named, *flows]).unique()


def _subjects(
    home: Home, event_class: EventClass, column: str, kind: EntityKind, commits: tuple[int, int]
) -> pl.DataFrame:
    """Subject-days of one class: distinct first, so that few values are ever spelled."""
    raw = (
        home.lake.scan(event_class, ["time", column, "commit"], after_commit=commits[0])
        .filter(pl.col("commit") <= commits[1])
        .select(pl.col(column).cast(pl.String).alias("host"), pl.col("time").dt.date().alias("day"))
        .unique()
        .collect(engine="streaming")
        .drop_nulls("day")
    )
    if kind is EntityKind.IP:
        distinct = raw["host"].drop_nulls().unique()
        inside = distinct.filter(
            pl.Series([is_internal(one) for one in distinct], dtype=pl.Boolean)
        )
        raw = raw.filter(pl.col("host").is_in(inside.implode()))
    return raw.with_columns(entity_column(kind, raw["host"]).fill_null("").alias("host"))
