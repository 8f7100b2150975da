"""A model's word as a finding: its calibrated p-value, and the parts of its score as reasons."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import polars as pl

from hauberk.events import (
    MAX_EVIDENCE,
    FindingKind,
    finding_uid,
    findings_frame,
    no_findings,
)
from hauberk.models import LoadedModel, Reason, held

from .panel import Panel, Seat, Verdicts

Row = Mapping[str, object]

EXPLAINED = 1000
"""Findings of one batch and model that come with reasons."""

LONGEST = 200
"""Characters of a stranger's text that a sentence or a reason quotes."""


_NOTHING = no_findings()


@dataclass(frozen=True, slots=True)
class Word:
    """What a model says once: about whom, on which events, how surely, and why."""

    title: str
    message: str
    techniques: Sequence[str]
    entities: Iterable[str | None]
    evidence: Sequence[str]
    since: datetime
    until: datetime
    count: int
    p: float
    name: str  # makes the finding this one
    reasons: Sequence[dict[str, object]]
    severity_id: int = 3


def reason(part: Reason, about: str = "") -> dict[str, object]:
    """A part of a score; its weight in bits, since scores are natural log odds."""
    text = f"{about}{part.what}"[:LONGEST]
    return {
        "text": text,
        "value": f"{part.share:+.2f}",
        "bits": round(part.share / math.log(2), 3),
    }


def finding(detector: str, seat: Seat, word: Word) -> dict[str, object]:
    """One row of FINDING_SCHEMA."""
    p = min(1.0, max(word.p, 1e-12))
    last = {
        "text": f"{seat.loaded.model.name} {seat.loaded.model.version} says so of "
        f"1 in {1 / p:,.0f} ordinary ones",
        "value": f"p = {p:.2g}",
        "bits": 0.0,
    }
    return {
        "uid": finding_uid(detector, seat.rule_uid, seat.loaded.digest, word.name),
        "time": word.since,
        "end_time": word.until,
        "detector": detector,
        "detector_version": seat.version,
        "kind": FindingKind.MODEL.value,
        "rule_uid": seat.rule_uid,
        "title": word.title,
        "message": word.message,
        "severity_id": word.severity_id,
        "techniques": list(word.techniques),
        "entities": list(dict.fromkeys(one for one in word.entities if one)),
        "evidence": list(dict.fromkeys(word.evidence))[:MAX_EVIDENCE],
        "count": word.count,
        "surprise": p,
        "reasons": [*word.reasons, last],
    }


def findings_of(
    detector: str,
    verdicts: Verdicts,
    rows: pl.DataFrame,
    word: Callable[[Verdicts, int, Row, bool], Word],
) -> list[dict[str, object]]:
    """A finding for each flagged row, by `word(verdicts, at, row, explained)`.

    Why is said of the EXPLAINED strongest of a batch: it takes longer than to judge, and a flood of
    records that a model flags must not hold up the scan.
    """
    flagged = verdicts.flagged.nonzero()[0]
    strongest = set(flagged[np.argsort(-verdicts.scores[flagged], kind="stable")][:EXPLAINED])
    return [
        finding(
            detector,
            verdicts.seat,
            word(verdicts, at, rows.row(int(verdicts.rows[at]), named=True), at in strongest),
        )
        for at in flagged.tolist()
    ]


def said(rows: list[dict[str, object]]) -> pl.DataFrame:
    """Findings as a frame."""
    return findings_frame(rows) if rows else _NOTHING


def of_seat(findings: pl.DataFrame, seat: Seat) -> pl.DataFrame:
    """The findings that one seat said."""
    return findings.filter(pl.col("detector_version") == seat.version)


def at_once(panel: Panel, findings: pl.DataFrame) -> pl.DataFrame:
    """Findings as they may be told before the day's count is known.

    Shadows and models that only observe are withheld for good; a model with a daily limit is
    withheld until it was counted, so that nothing passes the gate in the meantime.
    """
    if not findings.height:
        return findings
    made = [findings.clear()]
    for seat in panel.seats:
        own = of_seat(findings, seat)
        made.append(held(seat.loaded, own, _full(seat.loaded, own)))
    return pl.concat(made)


def _full(loaded: LoadedModel, findings: pl.DataFrame) -> dict[date, int]:
    most = loaded.conditions.max_findings_per_day
    if most is None or not findings.height:
        return {}
    return dict.fromkeys(findings["time"].dt.date().unique().to_list(), most)


def is_limited(seat: Seat) -> bool:
    """Whether what it may say depends on what it said before on the same day."""
    limited = seat.loaded.conditions.max_findings_per_day is not None
    return limited and not seat.loaded.observes_only
