"""The events behind findings, as they are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from hauberk.events import EventClass, FindingKind
from hauberk.store import Home
from hauberk.triage import Incident

TOLD = pl.col("kind") != FindingKind.SUPPRESSED
"""Findings that incidents are made of."""

MAX_EVENTS = 20_000
"""Events at most that are shown behind the incidents of a scan."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """Events that were read before it was known which are asked for; `asked` are their uids."""

    asked: frozenset[str] = frozenset()
    found: Mapping[EventClass, pl.DataFrame] = field(default_factory=dict)


def evidence_ahead(home: Home, judged: pl.DataFrame, batches: Mapping[str, int]) -> Ahead:
    """The events of the batches behind any finding, stored or just judged.

    They are read while incidents are made of the findings. Nothing where they are more than are
    ever shown.
    """
    findings = pl.concat([home.records.findings(), judged]).filter(TOLD)
    uids = findings["evidence"].explode().drop_nulls().unique()
    asked = [uid for uid in uids if uid.partition(":")[0] in batches]
    if len(asked) > MAX_EVENTS:
        return Ahead()
    return Ahead(frozenset(asked), home.lake.get(asked))


def evidence_of(
    home: Home,
    incidents: Sequence[Incident],
    findings: pl.DataFrame,
    ahead: Ahead | None = None,
    *,
    limit: int = MAX_EVENTS,
) -> dict[str, dict[str, object]]:
    """The events behind the incidents, those of the best first, at most `limit`."""
    order = {uid: place for place, one in enumerate(incidents) for uid in one.findings}
    ranked = findings.with_columns(
        pl.col("uid").replace_strict(order, default=len(order)).alias("place")
    ).sort("place")
    wanted = ranked["evidence"].explode().drop_nulls().unique(maintain_order=True).head(limit)
    if ahead is not None and ahead.asked.issuperset(wanted):
        mine = pl.col("metadata.uid").is_in(wanted.implode())
        found: Mapping[EventClass, pl.DataFrame] = {
            event_class: frame.filter(mine) for event_class, frame in ahead.found.items()
        }
    else:
        found = home.lake.get(wanted.to_list())
    events: dict[str, dict[str, object]] = {}
    for event_class, frame in found.items():
        for row in frame.iter_rows(named=True):
            kept = {name: value for name, value in row.items() if value is not None}
            events[str(row["metadata.uid"])] = {"class_uid": int(event_class), **kept}
    return events
