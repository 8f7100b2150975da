"""What each finding of a cluster is worth beside the others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from hauberk.events import FindingKind

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


def weigh(part: pl.DataFrame) -> list[Weighed]:
    """Discount the findings of one cluster, given strongest first; strongest counted first.

    Those with a true column `context`, if there is one, count for nothing.
    """
    spoken: Counter[tuple[str, str]] = Counter()
    kinds: Counter[str] = Counter()
    rules: set[tuple[str, str]] = set()
    sums: dict[str, float] = {}
    telling: list[dict[str, Any]] = []
    weighed = []
    for row in part.iter_rows(named=True):
        kind, techniques = row["kind"], tuple(row["techniques"] or ())
        about = techniques[0].split(".", 1)[0] if techniques else row["rule_uid"]
        rule = (kind, row["rule_uid"])
        discount = SAME_TECHNIQUE ** spoken[kind, about] * SAME_KIND ** kinds[kind]
        # The same rule again on the same story is the same evidence again.
        context = bool(row.get("context"))
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


def _told(row: dict[str, Any], stronger: list[dict[str, Any]]) -> bool:
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
