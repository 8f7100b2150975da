"""Rare pairs told as findings: one sentence a person can read, and the numbers behind it."""

import math

import polars as pl

from hauberk.detect.interface import DetectorSpec
from hauberk.events import entity, finding_uid, findings_frame

from .relation import Relation

_SHOWN = 120


def told(rows: pl.DataFrame, relation: Relation, spec: DetectorSpec) -> pl.DataFrame:
    """Findings (FINDING_SCHEMA), one a row of counted and ranked tiles."""
    return findings_frame([_finding(row, relation, spec) for row in rows.iter_rows(named=True)])


def _finding(row: dict[str, object], relation: Relation, spec: DetectorSpec) -> dict[str, object]:
    spelled = (
        entity(kind, str(value))
        for kind, column in relation.entities
        if (value := row[column]) is not None
    )
    technique = row["technique"]
    evidence = str(row["metadata.uid"])
    return {
        "uid": finding_uid(spec.name, relation.rule_uid, evidence),
        "time": row["time"],
        "end_time": row["time"],
        "detector": spec.name,
        "detector_version": spec.version,
        "kind": spec.kind.value,
        "rule_uid": relation.rule_uid,
        "title": relation.title,
        "message": _sentence(row, relation),
        "severity_id": relation.severity_id,
        "techniques": [str(technique)] if technique else list(relation.techniques),
        "entities": list(dict.fromkeys(name for name in spelled if name)),
        "evidence": [evidence],
        "count": 1,
        "surprise": row["p"],
        "reasons": _reasons(row, relation),
    }


def _sentence(row: dict[str, object], relation: Relation) -> str:
    context, thing = _short(row["context"]), _short(row["object"])
    total = f"{row['context_tiles']:,} {relation.unit}"
    if row["seen"] == 0:
        elsewhere = ", nor had anything else" if row["users"] == 0 else ""
        return f"{context} had never {relation.verb} {thing} before (0 of {total}){elsewhere}"
    times = "once" if row["seen"] == 1 else f"{row['seen']} times"
    return f"{context} had {relation.verb} {thing} only {times} before (of {total})"


def _reasons(row: dict[str, object], relation: Relation) -> list[dict[str, object]]:
    here, there = _number(row["new_here"]), _number(row["new_there"])
    reasons: list[dict[str, object]] = [
        {
            "text": f"of {row['context_tiles']:,} {relation.unit} by {_short(row['context'])}, "
            f"{row['once']:,} were of things seen once; this one was seen {row['seen']:,} times",
            "value": f"{row['context']} > {row['object']}",
            "bits": _bits(here),
        }
    ]
    if row["seen"] == 0 and there < 1:
        reasons.append(
            {
                "text": f"{_short(row['object'])} was known to {row['users']:,} others; of "
                f"{row['pairs']:,} first encounters, {row['objects']:,} were with something "
                "unknown to all",
                "value": str(row["object"]),
                "bits": _bits(there),
            }
        )
    reasons.append(
        {
            "text": f"something this strange is 1 in {1 / _number(row['p']):,.0f} here",
            "value": f"p = {_number(row['p']):.2g}",
            "bits": 0.0,
        }
    )
    return reasons


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 1.0


def _bits(probability: float) -> float:
    return round(-math.log2(probability), 3) + 0.0


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
