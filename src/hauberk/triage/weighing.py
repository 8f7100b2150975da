"""What each finding of a cluster is worth beside the others."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

import polars as pl

from hauberk.events import FindingKind

from .surprise import evidence_bits

SAME_TECHNIQUE = 0.5
"""Worth of a finding relative to a stronger one of the same kind and technique."""

SAME_KIND = 0.75
"""Worth of a finding relative to a stronger one of the same kind."""

SAME_MOMENT = 0.5
"""Worth of a finding that tells of what a stronger one already told.

Two rules on one event are two opinions; that behaviour finds it rare as well is no second event.
"""

MOMENT = timedelta(minutes=1)
"""Two findings that start within it and share two entities tell of one thing that happened."""

KIND_CAP = 24.0
"""Most bits that findings of one kind bring to an incident."""

_ROWS_AT_ONCE = 4000
"""Findings that are rows of Python at a time, and what their last story has beyond that."""

_READ = (
    "uid", "title", "message", "kind", "rule_uid", "techniques", "entities", "time", "end_time",
    "count", "evidence", "severity_id", "context",
)  # fmt: skip

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Weighed:
    """A finding with its bits before and after discounts."""

    uid: str
    title: str
    message: str
    kind: str
    techniques: tuple[str, ...]
    entities: tuple[str, ...]
    start: datetime | None
    end: datetime | None
    count: int
    evidence: tuple[str, ...]
    severity_id: int
    bits: float
    counted: float
    context: bool = False


def events_behind(findings: Sequence[Weighed]) -> int:
    """Distinct events behind the findings; those beyond the evidence kept count each for itself."""
    kept = {uid for one in findings for uid in one.evidence}
    return len(kept) + sum(max(0, one.count - len(one.evidence)) for one in findings)


def stories(findings: pl.DataFrame) -> Iterator[tuple[int, list[Row]]]:
    """Each cluster (from 0 on) with its findings as rows, strongest first; few are rows at a time.

    Needs the columns `cluster` and `context` beside those of FINDING_SCHEMA; gives `bits` too.
    """
    ordered = findings.filter(pl.col("cluster") >= 0).select(
        "cluster", *_READ, evidence_bits(pl.col("surprise")).alias("bits")
    )
    ordered = ordered.sort(
        "cluster", "bits", "time", "uid", descending=[False, True, False, False], nulls_last=True
    )
    at = 0
    while at < ordered.height:
        # The last cluster of a slice may go on beyond it.
        last = ordered["cluster"][min(at + _ROWS_AT_ONCE, ordered.height) - 1]
        end = int(ordered["cluster"].search_sorted(last, side="right"))
        rows = ordered.slice(at, end - at).to_dicts()
        for cluster, of_cluster in groupby(rows, key=itemgetter("cluster")):
            yield cluster, list(of_cluster)
        at = end


def first_words(findings: pl.DataFrame) -> pl.DataFrame:
    """Of each cluster the strongest finding of each analytic and techniques.

    Nothing else changes what the cluster is worth: see `weigh`.
    """
    said = pl.col("techniques").list.join(",").alias("said")
    read = findings.select("cluster", *_READ, "surprise", said)
    order = read.sort("surprise", "time", "uid", nulls_last=True)
    return order.unique(
        ["cluster", "kind", "rule_uid", "said"], keep="first", maintain_order=True
    ).drop("said")


def weigh(rows: Iterable[Row]) -> list[Weighed]:
    """Discount the findings of one cluster, given strongest first; strongest counted first.

    Those with a true `context` count for nothing.
    """
    spoken: Counter[tuple[str, str]] = Counter()
    kinds: Counter[str] = Counter()
    rules: set[tuple[str, str]] = set()
    sums: dict[str, float] = {}
    telling: list[Row] = []
    weighed = []
    for row in rows:
        kind, techniques = row["kind"], tuple(row["techniques"] or ())
        about = techniques[0].split(".", 1)[0] if techniques else row["rule_uid"]
        rule = (kind, row["rule_uid"])
        discount = SAME_TECHNIQUE ** spoken[kind, about] * SAME_KIND ** kinds[kind]
        # The same rule again on the same story is the same evidence again.
        context = row["context"]
        counted = 0.0 if context or rule in rules else row["bits"] * discount
        if counted > 0 and _told(row, telling):
            counted *= SAME_MOMENT
        counted = min(counted, KIND_CAP - sums.get(kind, 0.0))
        if counted > 0:
            rules.add(rule)
            spoken[kind, about] += 1
            kinds[kind] += 1
            sums[kind] = sums.get(kind, 0.0) + counted
            telling.append(row)
        weighed.append(
            Weighed(
                row["uid"], row["title"], row["message"], kind, techniques,
                tuple(row["entities"] or ()), row["time"], row["end_time"], row["count"],
                tuple(row["evidence"] or ()),
                row["severity_id"] or 0, row["bits"], counted, context,
            )
        )  # fmt: skip
    return sorted(weighed, key=lambda one: -one.counted)


def _told(row: Row, stronger: Sequence[Row]) -> bool:
    """Whether a stronger finding rests on the same event, or on the same moment and entities."""
    events, entities = set(row["evidence"] or ()), set(row["entities"] or ())
    for other in stronger:
        if row["kind"] == other["kind"] == FindingKind.RULE:
            continue
        if not events.isdisjoint(other["evidence"] or ()):
            return True
        near = row["time"] and other["time"] and abs(row["time"] - other["time"]) <= MOMENT
        if near and len(entities.intersection(other["entities"] or ())) >= 2:
            return True
    return False
