"""How fast and how well a home's people and detectors work, from the system's own time stamps.

Everything here is read from the ledger: when commits ranked an incident first, when people acted.
Nothing is asked of clocks of others but the time of an incident's first event.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hauberk.store import Home, StoredIncident
from hauberk.triage import CLASSES, Measured, wilson

from .words import count, moment

IDLE = timedelta(minutes=15)
"""Longest pause between two acts of an analyst that counts as work on what the second is about."""

FEW = 10
"""Below so many a number says little, and is marked."""

ASKED_EVIDENCE = 1000
"""Incidents of which it is looked up when their first record came."""

_ACKNOWLEDGED = frozenset({"assigned", "state", "comment", "verdict"})


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of `n` cases: the median, and what nine of ten stay within; None where n is 0."""

    n: int
    median: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Times":
        """The measures of some durations."""
        if not seconds:
            return cls(0)
        median, high = np.quantile(np.array(seconds), [0.5, 0.9])
        return cls(len(seconds), round(float(median), 3), round(float(high), 3))


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured of incidents that were told between `since` and `until`.

    `to_detect` is from the first event to the telling; `to_tell` from when its first record was
    stored; `to_acknowledge` and `to_respond` from the telling to the first act and the first
    verdict. `minutes` are analyst minutes an incident, at least: pauses longer than IDLE count
    nothing. `precision` is the share of verdicts that said true.
    """

    since: datetime | None
    until: datetime | None
    alerts: int
    incidents: int
    told: int
    decided: int
    to_detect: Times
    to_tell: Times
    to_acknowledge: Times
    to_respond: Times
    minutes: Times
    minutes_in_all: float
    precision: Measured
    verdicts: Mapping[str, int]
    budget: float | None
    budget_days: int
    budget_used: float | None

    def as_json(self) -> dict[str, object]:
        """The measures for machines."""
        return asdict(self)


@dataclass(slots=True)
class _Act:
    kind: str
    by: str
    at: datetime
    incident: str
    verdict: str = ""


@dataclass(slots=True)
class _Log:
    """What the ledger says, by kind."""

    told: dict[str, datetime] = field(default_factory=dict)
    ranked: dict[str, datetime] = field(default_factory=dict)
    came: dict[str, datetime] = field(default_factory=dict)  # by batch
    alerts: list[tuple[datetime, int]] = field(default_factory=list)
    acts: list[_Act] = field(default_factory=list)
    budget: float | None = None


def measure(
    home_path: Path, since: datetime | None = None, until: datetime | None = None
) -> Measures:
    """Measure a home. Raises UsageError where there is none."""
    return measures_within(home_path, [(since, until)])[0]


def measures_within(
    home_path: Path, spans: Sequence[tuple[datetime | None, datetime | None]]
) -> list[Measures]:
    """The measures of several spans of time, from one reading. Raises UsageError."""
    with Home.open(home_path, read_only=True) as home:
        log = _read(home)
        stored = {one.uid: one for one in home.records.each_incident()}
        heirs = _heirs(stored.values())
        told: dict[str, datetime] = {}
        for uid, time in (log.told or log.ranked).items():
            heir = heirs.get(uid, uid)
            told[heir] = min(time, told.get(heir, time))
        log.acts.sort(key=lambda one: one.at)
        for one in log.acts:
            one.incident = heirs.get(one.incident, one.incident)
        asked = [
            stored[uid]
            for uid, time in sorted(told.items())
            if uid in stored and any(_in(span, time) for span in spans)
        ]
        came = _came(home, log, asked)
    return [_within(log, stored, told, came, span) for span in spans]


_Span = tuple[datetime | None, datetime | None]


def _in(span: _Span, time: datetime) -> bool:
    since, until = span
    return (since is None or time >= since) and (until is None or time < until)


def _within(
    log: _Log,
    stored: Mapping[str, StoredIncident],
    first_told: Mapping[str, datetime],
    all_came: Mapping[str, datetime],
    span: _Span,
) -> Measures:
    told = {uid: time for uid, time in sorted(first_told.items()) if _in(span, time)}
    came = {uid: time for uid, time in all_came.items() if uid in told}
    by_incident: dict[str, list[_Act]] = defaultdict(list)
    for one in log.acts:
        if one.incident and one.kind in _ACKNOWLEDGED:
            by_incident[one.incident].append(one)
    minutes = _minutes(log.acts)
    worked = [minutes[uid] for uid in told if uid in minutes]
    verdicts = _verdicts(by_incident, told)
    judged = Counter(verdicts.values())
    days = Counter(stored[uid].start.date() for uid in told if uid in stored)
    used = None
    if log.budget and days:
        used = sum(days.values()) / (log.budget * len(days))
    return Measures(
        since=span[0],
        until=span[1],
        alerts=sum(number for time, number in log.alerts if _in(span, time)),
        incidents=sum(_in(span, time) for time in log.ranked.values()),
        told=len(told),
        decided=len(verdicts),
        to_detect=_between(told, {uid: stored[uid].start for uid in told if uid in stored}),
        to_tell=_between(told, came),
        to_acknowledge=_after(told, by_incident, _ACKNOWLEDGED),
        to_respond=_after(told, by_incident, {"verdict"}),
        minutes=Times.of(worked),
        minutes_in_all=round(sum(worked), 1),
        precision=wilson(judged[CLASSES[0]], sum(judged.values())),
        verdicts={kind: judged[kind] for kind in CLASSES},
        budget=log.budget,
        budget_days=len(days),
        budget_used=None if used is None else round(used, 3),
    )


def _read(home: Home) -> _Log:
    log = _Log()
    waiting: list[str] = []
    for entry in home.ledger.entries():
        kind = str(entry.get("type"))
        if kind == "batch":
            waiting.append(str(entry["batch_id"]))
        elif kind == "commit":
            time = datetime.fromisoformat(str(entry["time"]))
            log.came.update((batch, time) for batch in waiting)
            waiting.clear()
            _commit(log, entry, time)
        elif kind.startswith("console."):
            act = _act(kind, entry)
            if act is not None:
                log.acts.append(act)
    return log


def _commit(log: _Log, entry: Mapping[str, object], time: datetime) -> None:
    findings, facts, incidents = entry["findings"], entry["facts"], entry["incidents"]
    if isinstance(findings, int) and findings:
        log.alerts.append((time, findings))
    if isinstance(incidents, dict):
        for uid in incidents.get("rows", ()):
            log.ranked.setdefault(uid, time)
    if isinstance(facts, dict):
        for uid in facts.get("told", ()):
            log.told.setdefault(str(uid), time)
        budget = facts.get("budget")
        log.budget = float(budget) if isinstance(budget, int | float) else log.budget


def _act(kind: str, entry: Mapping[str, object]) -> _Act | None:
    try:
        at = datetime.fromisoformat(str(entry.get("at")))
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    said = [str(entry.get(name) or "") for name in ("by", "incident", "verdict")]
    return _Act(kind.partition(".")[2], said[0], at, said[1], said[2])


def _heirs(stored: Iterable[StoredIncident]) -> dict[str, str]:
    """Former uids of incidents to those that they go on in."""
    found: dict[str, str] = {}
    for one in stored:
        former = one.body.get("supersedes")
        if isinstance(former, list):
            found.update((str(uid), one.uid) for uid in former)
    return found


def _came(home: Home, log: _Log, incidents: Sequence[StoredIncident]) -> dict[str, datetime]:
    """When the first record behind each incident was stored."""
    chosen = [(one, _findings_of(one)) for one in incidents[:ASKED_EVIDENCE]]
    owners = pl.DataFrame(
        {
            "incident": [one.uid for one, uids in chosen for _ in uids],
            "uid": [uid for _, uids in chosen for uid in uids],
        },
        schema={"incident": pl.String, "uid": pl.String},
    )
    if owners.is_empty():
        return {}
    since, until = min(one.start for one, _ in chosen), max(one.end for one, _ in chosen)
    # One look for all: each looks into every file of findings whose times it may be in.
    rows = home.records.findings_within(owners["uid"], ["evidence"], since, until)
    behind = (
        rows.select("uid", pl.col("evidence").alias("event"))
        .explode("event")
        .select("uid", pl.col("event").str.split(":").list.first().alias("batch"))
        .unique()
        .join(owners, on="uid")
        .select("incident", "batch")
        .unique()
    )
    found: dict[str, datetime] = {}
    for incident, batch in behind.drop_nulls().iter_rows():
        time = log.came.get(batch)
        if time is not None:
            found[incident] = min(time, found.get(incident, time))
    return found


def _findings_of(incident: StoredIncident) -> list[str]:
    uids = incident.body.get("findings")
    return [str(one) for one in uids] if isinstance(uids, list) else []


def _between(told: Mapping[str, datetime], before: Mapping[str, datetime]) -> Times:
    waits = [(told[uid] - time).total_seconds() for uid, time in before.items()]
    return Times.of([one for one in waits if one >= 0])


def _after(
    told: Mapping[str, datetime], acts: Mapping[str, Sequence[_Act]], kinds: Iterable[str]
) -> Times:
    """From the telling to the first act of some kinds; acts before it are of another story."""
    wanted, waits = set(kinds), []
    for uid, time in told.items():
        later = [one.at for one in acts.get(uid, ()) if one.kind in wanted and one.at >= time]
        if later:
            waits.append((min(later) - time).total_seconds())
    return Times.of(waits)


def _minutes(acts: Sequence[_Act]) -> dict[str, float]:
    """Minutes by incident: pauses before acts on it, since the same person's act before."""
    found: dict[str, float] = defaultdict(float)
    by_person: dict[str, list[_Act]] = defaultdict(list)
    for one in acts:
        if one.by:
            by_person[one.by].append(one)
        if one.incident:
            found[one.incident] += 0.0
    for mine in by_person.values():
        for before, one in itertools.pairwise(mine):
            if one.incident and one.at - before.at <= IDLE:
                found[one.incident] += (one.at - before.at).total_seconds() / 60
    return found


def _verdicts(acts: Mapping[str, Sequence[_Act]], told: Mapping[str, datetime]) -> dict[str, str]:
    """The last verdict on each incident that was told and decided."""
    return {
        uid: one.verdict
        for uid in told
        for one in acts.get(uid, ())
        if one.kind == "verdict" and one.verdict in CLASSES
    }


def print_measures(found: Measures, console: Console) -> None:
    """The measures as people read them, with how much each rests on."""
    span = " – ".join(
        moment(one) if one else name
        for one, name in ((found.since, "the beginning"), (found.until, "now"))
    )
    console.print(Text(span, style="dim"))
    console.print(
        f"{count(found.alerts, 'finding')} in, {count(found.incidents, 'incident')} ranked,"
        f" {found.told:,} told, {found.decided:,} decided"
    )
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("", "median", "9 of 10 within", "n", ""):
        table.add_column(name, justify="right" if name else "left")
    rows = (
        ("MTTD: first event to telling", found.to_detect),
        ("first record stored to telling", found.to_tell),
        ("telling to first act", found.to_acknowledge),
        ("MTTR: telling to verdict", found.to_respond),
    )
    for name, times in rows:
        table.add_row(name, _span(times.median), _span(times.high), f"{times.n:,}", _few(times.n))
    worked = found.minutes
    table.add_row(
        "analyst minutes, at least",
        *(f"{one:.1f}" if one is not None else "-" for one in (worked.median, worked.high)),
        f"{worked.n:,}",
        _few(worked.n),
    )
    console.print(table)
    precision = found.precision
    if precision.n:
        console.print(
            f"precision by verdicts {precision.value:.0%} ({precision.low:.0%} to"
            f" {precision.high:.0%}), {_said(found.verdicts)} {_few(precision.n)}"
        )
    else:
        console.print("precision by verdicts: nobody has judged one yet")
    if found.budget_used is not None:
        console.print(
            f"budget {found.budget:g} a day: {found.budget_used:.0%} used on"
            f" {count(found.budget_days, 'day')} with incidents"
        )


def _said(verdicts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {kind}" for kind, number in verdicts.items())


def _few(n: int) -> str:
    return "too few to go by" if n < FEW else ""


def _span(seconds: float | None) -> str:
    """`38 s`, `12 min`, `3.5 h`, `9 d`."""
    if seconds is None:
        return "-"
    for size, unit, digits in ((86_400, "d", 1), (3600, "h", 1), (60, "min", 1)):
        if seconds >= 2 * size:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds:.1f} s"
