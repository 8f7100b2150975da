"""Findings: what detectors say, in columns. One row is one finding (OCSF Detection Finding 2004).

A finding's `uid` is a digest of what it says and of the events it says it about, so that judging
the same events again yields the same finding and nothing is doubled.
"""

import hashlib
from enum import StrEnum

import polars as pl

from .schema import TIME

MAX_EVIDENCE = 50
"""Event ids that a finding keeps; `count` says how many there were."""


class FindingKind(StrEnum):
    """How a finding came to be. Evidence of one kind saturates, of different kinds adds."""

    RULE = "rule"
    RARITY = "rarity"
    AUTHENTICATION = "authentication"
    NETWORK = "network"
    MODEL = "model"
    INTEL = "intel"
    DECOY = "decoy"
    PRODUCT = "product"
    SUPPRESSED = "suppressed"  # kept, and no part of any incident


REASON = pl.Struct({"text": pl.String(), "value": pl.String(), "bits": pl.Float64()})
"""One reason: a sentence a person can read, the value it rests on, and its weight in bits."""

FINDING_SCHEMA = pl.Schema(
    {
        "uid": pl.String(),
        "time": TIME,  # of the first evidence
        "end_time": TIME,  # of the last evidence
        "detector": pl.String(),  # name of the detector
        "detector_version": pl.String(),
        "kind": pl.String(),  # a FindingKind
        "rule_uid": pl.String(),  # id of the rule or analytic within the detector
        "title": pl.String(),
        "message": pl.String(),  # one sentence, built from the evidence
        "severity_id": pl.Int32(),  # OCSF: 1 informational .. 5 critical; shown, never added up
        "techniques": pl.List(pl.String()),  # ATT&CK ids, most telling first
        "entities": pl.List(pl.String()),  # `kind:value`, the one it is about first
        "evidence": pl.List(pl.String()),  # metadata.uid of events, at most MAX_EVIDENCE
        "count": pl.Int64(),  # events that it rests on
        "surprise": pl.Float64(),  # p-value: how often this is said here when nothing is wrong
        "reasons": pl.List(REASON),
    }
)


def finding_uid(detector: str, rule_uid: str, *evidence: str) -> str:
    """A digest of who says what about which events (or about which entity and window)."""
    digest = hashlib.blake2b(digest_size=12)
    for part in (detector, rule_uid, *evidence):
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def no_findings() -> pl.DataFrame:
    """A findings frame without rows."""
    return pl.DataFrame(schema=FINDING_SCHEMA)


def findings_frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    """A findings frame from rows; every column of FINDING_SCHEMA must be given."""
    return pl.DataFrame(rows, schema=FINDING_SCHEMA, orient="row", strict=True)
