"""Matches of correlations told as findings, with reasons that a person can read."""

from collections.abc import Iterable, Mapping, Sequence
from math import log2

import polars as pl

from hauberk.detect import DetectorSpec
from hauberk.detect.sigma.detector import SEVERITIES, prior_of
from hauberk.detect.sigma.program import RuleSet
from hauberk.events import MAX_EVIDENCE, finding_uid

from .rule import UNITS, Correlation, Kind
from .stepping import Step, said

_CLIP = 120
_WORDS = {
    "gt": "more than", "gte": "at least", "lt": "fewer than", "lte": "at most",
    "eq": "exactly", "neq": "other than",
}  # fmt: skip


class Teller:
    """Tells matches of one rule set's correlations."""

    def __init__(self, spec: DetectorSpec, rules: RuleSet) -> None:
        self._spec = spec
        self._titles = {one.uid: one.title for one in rules.rules}
        self._titles.update((one.uid, one.title) for one in rules.correlations)
        self._known = {one.uid: one for one in rules.correlations}
        self._techniques = {one.uid: one.techniques for one in rules.rules}
        self._techniques.update((one.uid, one.techniques) for one in rules.correlations)

    def title(self, uid: str) -> str:
        """The title of a rule or correlation, or its uid."""
        return self._titles.get(uid, uid)

    def findings(self, one: Correlation, done: Step) -> Iterable[dict[str, object]]:
        """One finding (FINDING_SCHEMA) a match."""
        facts = said(done.rows, done.matches)
        together = pl.concat([done.matches, facts.drop("match")], how="horizontal")
        techniques = self._of(one)
        for row in together.iter_rows(named=True):
            yield self._finding(one, row, techniques)

    def _finding(
        self, one: Correlation, row: Mapping[str, object], techniques: Sequence[str]
    ) -> dict[str, object]:
        anchor = row["anchor"].isoformat()  # type: ignore[attr-defined]  # a time, of OPEN_SCHEMA
        keys = [str(key) for key in _list(row["keys"])]
        evidence = [str(uid) for uid in _list(row["evidence"])][:MAX_EVIDENCE]
        surprise = prior_of(one.level, one.status)
        reasons = self._reasons(one, row, keys, len(evidence))
        bits = -log2(surprise) / len(reasons)
        return {
            "uid": finding_uid(
                self._spec.name, one.uid, str(row["group"]), anchor, str(row["anchor_uid"])
            ),
            "time": row["begin"],
            "end_time": row["end"],
            "detector": self._spec.name,
            "detector_version": self._spec.version,
            "kind": str(self._spec.kind),
            "rule_uid": one.uid,
            "title": one.title,
            "message": self._message(one, row, keys),
            "severity_id": SEVERITIES.get(one.level, 3),
            "techniques": list(techniques),
            "entities": _list(row["entities"]),
            "evidence": evidence,
            "count": row["events"],
            "surprise": surprise,
            "reasons": [{"text": text, "value": value, "bits": bits} for text, value in reasons],
        }

    def _message(self, one: Correlation, row: Mapping[str, object], keys: Sequence[str]) -> str:
        for_whom = ", ".join(
            f"{name} {_clipped(key)}" for name, key in zip(one.group_by, keys, strict=True)
        )
        place = f" for {for_whom}" if for_whom else ""
        return f"{one.title}{place}: {self._seen(one, row)} within {span(one.timespan)}"

    def _seen(self, one: Correlation, row: Mapping[str, object]) -> str:
        number = f"{_number(row['measure']):g}"
        if one.kind.is_temporal:
            joint = ", then " if one.kind is Kind.TEMPORAL_ORDERED else ", "
            return joint.join(f"{title} ({times}×)" for title, times in self._tallies(row))
        if one.kind is Kind.EVENT_COUNT:
            return f"{number} events"
        fields = " and ".join(one.fields)
        if one.kind is Kind.VALUE_COUNT:
            return f"{number} different values of {fields}"
        return f"{measure_name(one)} of {fields} is {number}"

    def _reasons(
        self, one: Correlation, row: Mapping[str, object], keys: Sequence[str], shown: int
    ) -> list[tuple[str, str]]:
        events = _number(row["events"])
        more = f" ({shown} of their {events:g} events are listed)" if events > shown else ""
        reasons = [(asked(one) + more, f"{self._seen(one, row)}")]
        reasons += [
            (f"{name} is the same for all", _clipped(key))
            for name, key in zip(one.group_by, keys, strict=True)
        ]
        reasons += [
            (f"rule {title}", f"matched {times} times" if times != 1 else "matched once")
            for title, times in self._tallies(row)
        ]
        return reasons

    def _tallies(self, row: Mapping[str, object]) -> list[tuple[str, int]]:
        tallies = _list(row["tallies"])
        return [(self.title(str(one["child"])), int(str(one["times"]))) for one in tallies]

    def _of(self, one: Correlation) -> list[str]:
        """Techniques of a correlation, or those of all it reads where it names none."""
        found: dict[str, None] = dict.fromkeys(one.techniques)
        waiting, seen = list(reversed(one.rules)), set[str]()
        while waiting and not one.techniques:
            uid = waiting.pop()
            if uid not in seen:
                seen.add(uid)
                found.update(dict.fromkeys(self._techniques.get(uid, ())))
                waiting.extend(reversed(self._known[uid].rules if uid in self._known else ()))
        return list(found)


def asked(one: Correlation) -> str:
    """What a correlation asks of a window, as a person would say it."""
    within = f" within {span(one.timespan)}"
    if one.expression is not None:
        ordered = ", in this order" if one.kind is Kind.TEMPORAL_ORDERED else ""
        return f"a combination of {len(one.rules)} rules{ordered}{within}"
    numbers = " and ".join(f"{_WORDS[how]} {number:g}" for how, number in one.tests)
    if one.kind.is_temporal:
        ordered = " in this order" if one.kind is Kind.TEMPORAL_ORDERED else ""
        return f"{numbers} of {len(one.rules)} rules{ordered}{within}"
    if one.kind is Kind.EVENT_COUNT:
        return f"{numbers} events{within}"
    fields = " and ".join(one.fields)
    if one.kind is Kind.VALUE_COUNT:
        return f"{numbers} different values of {fields}{within}"
    return f"{measure_name(one)} of {fields}: {numbers}{within}"


def measure_name(one: Correlation) -> str:
    """What is measured of a field's values, in words."""
    if one.kind is Kind.VALUE_PERCENTILE:
        return f"percentile {one.percentile:g}"
    return {
        Kind.VALUE_SUM: "sum",
        Kind.VALUE_AVG: "average",
        Kind.VALUE_MEDIAN: "median",
    }.get(one.kind, "number")


def span(seconds: int) -> str:
    """A timespan in the largest unit that divides it."""
    for unit, name in (("w", "week"), ("d", "day"), ("h", "hour"), ("m", "minute")):
        number, rest = divmod(seconds, UNITS[unit])
        if number and not rest:
            return f"{number} {name}{'s' if number != 1 else ''}"
    return f"{seconds} second{'s' if seconds != 1 else ''}"


def _clipped(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _CLIP else line[: _CLIP - 1] + "…"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _list(value: object) -> list[dict[str, object]]:
    return list(value) if isinstance(value, list) else []
