"""Campaigns against passwords told as findings, and what each kind of them looks like."""

import math
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from hauberk.detect.interface import DetectorSpec
from hauberk.events import MAX_EVIDENCE, EntityKind, entity, finding_uid, is_address

_LISTED = 5


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of campaign."""

    rule_uid: str
    title: str
    techniques: tuple[str, ...]
    severity_id: int


GUESSING = Shape("auth.guessing", "Many failed log-ons of one account", ("T1110.001",), 3)
SPRAYING = Shape(
    "auth.spraying", "Failed log-ons of many accounts from one source", ("T1110.003",), 3
)
MANY_SOURCES = Shape(
    "auth.guessing-from-many-sources",
    "Failed log-ons of one account from many sources",
    ("T1110.001",),
    3,
)
SLOW = Shape(
    "auth.slow-spraying",
    "Few failed log-ons each of many accounts, from sources that never succeed",
    ("T1110.003",),
    3,
)
GUESSED = Shape(
    "auth.success-after-guessing",
    "Log-on succeeded after many failures",
    ("T1110.001", "T1078"),
    4,
)
SPRAYED = Shape(
    "auth.success-after-spraying",
    "Log-on succeeded from a source that failed for many accounts",
    ("T1110.003", "T1078"),
    4,
)


def finding(
    shape: Shape,
    spec: DetectorSpec,
    *,
    message: str,
    failures: pl.DataFrame,
    success: dict[str, object] | None,
    count: int,
    p: float,
    name: str,
    value: str,
    techniques: tuple[str, ...] = (),
) -> dict[str, object]:
    """A finding (one row of FINDING_SCHEMA).

    `failures`: the attempts that it rests on, in time order (the last ones, where there were very
    many); `success`: the one that followed; `count`: failures in all; `name`: what makes the
    campaign and its size this one.
    """
    rests_on = MAX_EVIDENCE - (success is not None)
    shown = failures.tail(rests_on)
    evidence = shown["uid"].to_list()
    times: list[datetime] = shown["time"].to_list()
    if success is not None:
        evidence.append(success["uid"])
        times.append(success["time"])  # type: ignore[arg-type]  # a row of `attempts`
    return {
        "uid": finding_uid(spec.name, shape.rule_uid, name),
        "time": min(times, default=None),
        "end_time": max(times, default=None),
        "detector": spec.name,
        "detector_version": spec.version,
        "kind": spec.kind.value,
        "rule_uid": shape.rule_uid,
        "title": shape.title,
        "message": message,
        "severity_id": shape.severity_id,
        "techniques": list(techniques or shape.techniques),
        "entities": _entities(shown, success),
        "evidence": evidence,
        "count": count + (success is not None),
        "surprise": p,
        "reasons": [
            {"text": message, "value": value, "bits": round(-math.log2(max(p, 1e-12)), 3)},
        ],
    }


def few(values: pl.Series) -> str:
    """Some of the values as text, and how many more there are."""
    names = [str(value) for value in values.unique(maintain_order=True)]
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more:,} more" if more > 0 else "")


def _entities(failures: pl.DataFrame, success: dict[str, object] | None) -> list[str]:
    """Source, target and account: those of the success first, then the most frequent."""
    found: dict[str, None] = {}
    if success is not None:
        for column in ("host", "account", "source"):
            found.update(dict.fromkeys(_spelled(column, str(success[column]))))
    for column in ("source", "host", "account"):
        top = failures[column].value_counts(sort=False).sort("count", column, descending=True)
        for value in top[column].head(_LISTED):
            found.update(dict.fromkeys(_spelled(column, value)))
    return list(found)


def _spelled(column: str, value: str) -> list[str]:
    if column == "account":
        kind = EntityKind.USER
    elif is_address(value):
        kind = EntityKind.IP
    else:
        kind, value = EntityKind.HOST, value.removeprefix("on ")
    name = entity(kind, value) if value != "?" else None
    return [name] if name else []
