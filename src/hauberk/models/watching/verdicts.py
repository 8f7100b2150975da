"""What people said of findings, read from the ledger: whether models were right, and who said so.

Verdicts are acts of the console that the home's ledger keeps (`console.verdict`: incident or
finding, `by`, `at`, `verdict_id` of OCSF). A home without them has none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from hauberk.governance import as_time
from hauberk.store import Entry, Home

VERDICT = "console.verdict"
LABEL_DAYS = 7
"""Latest days of which it is asked who gives the verdicts."""

_RIGHT, _WRONG = frozenset({"2", "8"}), frozenset({"1", "5"})
"""OCSF verdict ids: true positive, security risk; false positive, benign. Others say neither."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """By artifact whether it was right (oldest first), and who gave the latest verdicts."""

    of_models: Mapping[str, tuple[bool, ...]] = field(default_factory=dict)
    persons: tuple[str, ...] = ()


def read_verdicts(home: Home, entries: Iterable[Entry], now: datetime) -> Verdicts:
    """The verdicts among proven entries of a home's ledger.

    Of an incident or finding the last word counts for a model; each counts for who gave it.
    """
    last: dict[str, bool | None] = {}
    persons = []
    for entry in entries:
        body = entry.body
        if entry.type != VERDICT:
            continue
        subject = str(body.get("finding") or body.get("incident") or "")
        said = str(body.get("verdict_id", ""))
        last.pop(subject, None)
        last[subject] = True if said in _RIGHT else False if said in _WRONG else None
        if _at(body.get("at"), entry.time) > now - timedelta(days=LABEL_DAYS):
            persons.append(str(body.get("by", ""))[:100])
    decided = {subject: right for subject, right in last.items() if right is not None}
    return Verdicts(_of_models(home, decided) if decided else {}, tuple(persons))


def _at(said: object, otherwise: datetime) -> datetime:
    try:
        return as_time(said)
    except (ValueError, TypeError):
        return otherwise


def _of_models(home: Home, decided: Mapping[str, bool]) -> dict[str, tuple[bool, ...]]:
    """Findings of models that the decided incidents and findings are about."""
    right: dict[str, bool] = {}
    incidents = {one.uid: one.body for one in home.records.incidents()}
    for subject, answer in decided.items():
        found = incidents.get(subject, {}).get("findings", [subject])
        for uid in found if isinstance(found, list | tuple) else []:
            right.pop(str(uid), None)
            right[str(uid)] = answer
    if not right:
        return {}
    judged = pl.DataFrame({"uid": list(right), "right": list(right.values())})
    of_models = (
        judged.join(home.records.findings(), on="uid", maintain_order="left")
        .filter(pl.col("rule_uid").str.starts_with("model."))
        .with_columns(pl.col("detector_version").str.split("+").list.last().alias("digest"))
    )
    return {
        str(digest): tuple(part["right"].to_list())
        for (digest,), part in of_models.group_by("digest", maintain_order=True)
    }
