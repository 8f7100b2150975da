"""What has to stay of a home however old it is, and the rest removed when its time has come.

Of the states that detectors leave with every round, the newest stays, and each from which a finding
that stays was judged: `replay` begins there. What rules leave with batches (hits, for correlations
that judge late files anew) stays as long as any class of events does.
"""

import bisect
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from hauberk.store import (
    Home,
    Kept,
    Policy,
    Retained,
    StoredIncident,
    cutoff,
    load_settings,
    read_policy,
)

RETAIN_SECONDS = 3600.0
"""How often a watch looks for what is old."""

READERS = timedelta(minutes=15)
"""Files that were taken out stay so long: a page or a query may still hold their names."""


def policy_of(home: Path) -> Policy:
    """What `[retention]` of the home's settings says. Raises UsageError."""
    return read_policy(load_settings(home).table("retention"))


def retain(home: Home, policy: Policy, *, dry_run: bool = False) -> Retained:
    """Remove what is older than it is kept, or say what would go. Raises HauberkError."""
    return home.retain(policy, kept_of(home, policy), dry_run=dry_run)


def sweep(home: Home, policy: Policy) -> None:
    """What a watch does now and then: remove, and delete what no reader can still hold."""
    retain(home, policy)
    home.vacuum(home.clock() - READERS)


def kept_of(home: Home, policy: Policy) -> Kept:
    """What stays however old it is."""
    now = home.clock()
    first = cutoff(policy.incidents, now)
    staying: list[str] = []
    leaving: list[str] = []
    for one in home.records.each_incident():
        if first is not None and one.end < first:
            leaving.append(one.uid)
        else:
            staying.extend(_findings(one))
    findings = pl.Series("uid", staying, dtype=pl.String).unique()
    said = home.records.scan_findings()
    events = pl.Series("evidence", [], dtype=pl.String)
    if policy.default is not None or policy.classes:
        of_incidents = said.filter(pl.col("uid").is_in(findings.implode()))
        found = of_incidents.select(pl.col("evidence").explode()).unique().collect()
        events = found["evidence"].drop_nulls()
    if first is not None:
        said = said.filter((pl.col("time") >= first) | pl.col("uid").is_in(findings.implode()))
    return Kept(events, findings, _states(home, policy, said, now), leaving)


def _findings(incident: StoredIncident) -> list[str]:
    uids = incident.body.get("findings")
    return [str(uid) for uid in uids] if isinstance(uids, list) else []


def _states(home: Home, policy: Policy, said: pl.LazyFrame, now: datetime) -> set[tuple[str, int]]:
    commits = home.records.commits()
    with_batches = {one.number: one.time for one in commits if one.batches}
    oldest = policy.oldest(now) or datetime.min.replace(tzinfo=UTC)
    numbers: dict[str, list[int]] = {}
    kept: set[tuple[str, int]] = set()
    for detector, number in home.records.states():
        numbers.setdefault(detector, []).append(number)
        if number in with_batches and with_batches[number] >= oldest:
            kept.add((detector, number))
    kept.update((detector, max(known)) for detector, known in numbers.items())
    pairs = said.select("detector", "commit").unique().collect()
    for detector, commit in pairs.iter_rows():
        known = numbers.get(detector, [])
        at = bisect.bisect_left(known, commit)
        if at:
            kept.add((detector, known[at - 1]))
    return kept
