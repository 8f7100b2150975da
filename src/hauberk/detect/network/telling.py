"""Findings about the network: one sentence a person can read, and the numbers behind it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hauberk.detect.interface import DetectorSpec
from hauberk.events import MAX_EVIDENCE, finding_uid

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Said:
    """What is said once.

    About whom (entities, the subject first), from when to when (us), and on how many events it
    rests. `name` makes the finding this one. `reasons`: (text, value, bits).
    """

    rule_uid: str
    title: str
    message: str
    techniques: Sequence[str]
    entities: Iterable[str | None]
    evidence: Sequence[str]
    since: int
    until: int
    count: int
    p: float
    name: str
    reasons: Sequence[tuple[str, str, float]]
    severity_id: int = 3


def finding(said: Said, spec: DetectorSpec) -> dict[str, object]:
    """One row of FINDING_SCHEMA."""
    reasons = [
        *said.reasons,
        (f"as strong as this is 1 in {1 / said.p:,.0f} here", f"p = {said.p:.2g}", 0.0),
    ]
    return {
        "uid": finding_uid(spec.name, said.rule_uid, said.name),
        "time": _time(said.since),
        "end_time": _time(said.until),
        "detector": spec.name,
        "detector_version": spec.version,
        "kind": spec.kind.value,
        "rule_uid": said.rule_uid,
        "title": said.title,
        "message": said.message,
        "severity_id": said.severity_id,
        "techniques": list(said.techniques),
        "entities": list(dict.fromkeys(name for name in said.entities if name)),
        "evidence": list(dict.fromkeys(said.evidence))[-MAX_EVIDENCE:],
        "count": said.count,
        "surprise": said.p,
        "reasons": [
            {"text": text, "value": value, "bits": round(weight, 3)}
            for text, value, weight in reasons
        ],
    }


def bits(p: float) -> float:
    """-log2 of a probability."""
    return -math.log2(min(1.0, max(p, 1e-12))) + 0.0


def lasted(seconds: float) -> str:
    """A duration in the largest unit that keeps it above two."""
    for unit, size in (("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.1f} s" if seconds < 10 else f"{seconds:,.0f} s"


def sized(count: float) -> str:
    """Bytes in the largest unit that keeps them above one."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:,.0f} bytes"


def _time(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)
