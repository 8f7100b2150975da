"""Suppressions: firings of a rule that somebody, for a reason and for a time, wants out of the way.

A suppressed firing is still told, as a finding of the kind SUPPRESSED that no incident is made of:
what is hidden can be counted, looked at and brought back.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

from hauberk.errors import UsageError

from .program import Rule, RuleSet
from .reading import UnreadableDocumentError, documents, read_bounded
from .taxonomy import Selector
from .trace import trace

_LOGSOURCE = {"category": "any"}


@dataclass(frozen=True)
class Suppression:
    """Firings of `rule` in [since, until) that `detection` holds of, and who answers for it.

    `detection` is a section as in a Sigma rule, with its condition; empty, it holds of every
    firing. `hours`, where given, are the hours of the day in UTC (from, to) within which alone it
    holds; they may pass midnight. Times are those of events, so that a replay comes out the same
    whenever it is run.
    """

    uid: str
    rule: str
    detection: Mapping[str, object]
    since: datetime
    until: datetime
    owner: str
    reason: str
    hours: tuple[int, int] | None = None

    def as_entry(self) -> dict[str, object]:
        """The suppression as JSON."""
        return {
            **asdict(self),
            "detection": dict(self.detection),
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "hours": list(self.hours) if self.hours else None,
        }

    @classmethod
    def from_entry(cls, entry: Mapping[str, object]) -> "Suppression":
        """The suppression of `as_entry`. Raises ValueError, KeyError, TypeError on other JSON."""
        detection, hours = entry["detection"], entry["hours"]
        if not isinstance(detection, Mapping):
            raise TypeError("detection is no mapping")
        return cls(
            uid=str(entry["uid"]),
            rule=str(entry["rule"]),
            detection=detection,
            since=datetime.fromisoformat(str(entry["since"])),
            until=datetime.fromisoformat(str(entry["until"])),
            owner=str(entry["owner"]),
            reason=str(entry["reason"]),
            hours=(int(hours[0]), int(hours[1])) if isinstance(hours, list | tuple) else None,
        )

    def covers(self, time: datetime | None) -> bool:
        """Whether it holds at that time of an event; an event without a time is never covered."""
        if time is None or not self.since <= time < self.until:
            return False
        if self.hours is None:
            return True
        first, last = self.hours
        if first <= last:
            return first <= time.hour < last
        return time.hour >= first or time.hour < last

    def holds(self, time: datetime | None, row: Mapping[str, object], selector: Selector) -> bool:
        """Whether a firing at `time` on `row` is suppressed."""
        if not self.covers(time):
            return False
        if not self.detection:
            return True
        rules, rule = self._compiled
        return trace(rules, rule, row, selector).held

    def check(self) -> None:
        """Raises UsageError where the detection is none."""
        if self.detection:
            _ = self._compiled

    @cached_property
    def _compiled(self) -> tuple[RuleSet, Rule]:
        # pySigma is slow to import, and most homes suppress nothing.
        from .translate import RefusedRuleError, Translator  # noqa: PLC0415

        translator = Translator()
        document = {"title": self.uid, "logsource": _LOGSOURCE, "detection": dict(self.detection)}
        try:
            rule = translator.translate(document, self.uid, 1)
        except RefusedRuleError as fault:
            raise UsageError(
                f"the suppression cannot be compiled: {fault}",
                where=self.uid,
                hint="Fields and values are written as in a Sigma rule: `Image|endswith=\\a.exe`",
            ) from fault
        return RuleSet((rule,), tuple(translator.atoms)), rule


class Suppressions:
    """All suppressions of a home, asked by rule."""

    def __init__(self, suppressions: Sequence[Suppression] = ()) -> None:
        self._by_rule: dict[str, list[Suppression]] = {}
        for one in suppressions:
            self._by_rule.setdefault(one.rule, []).append(one)
        said = json.dumps([one.as_entry() for one in suppressions], sort_keys=True)
        self.digest = hashlib.sha256(said.encode()).hexdigest() if suppressions else ""

    def __iter__(self) -> Iterator[Suppression]:
        return (one for each in self._by_rule.values() for one in each)

    def __len__(self) -> int:
        return sum(map(len, self._by_rule.values()))

    def concerns(self, rule: str) -> bool:
        """Whether any suppression is of that rule."""
        return rule in self._by_rule

    def hiding(
        self, rule: str, time: datetime | None, row: Mapping[str, object], selector: Selector
    ) -> Suppression | None:
        """The first suppression that holds of a firing; None where none does."""
        found = self._by_rule.get(rule, ())
        return next((one for one in found if one.holds(time, row, selector)), None)


def filter_detection(path: Path) -> dict[str, object]:
    """The detection that holds of what a Sigma filter takes away. Raises UsageError.

    A filter says what to keep (`not selection`); a suppression what to hide.
    """
    try:
        document = next(documents(read_bounded(path)), None)
    except (OSError, UnreadableDocumentError) as fault:
        raise UsageError(f"cannot be read: {fault}", where=str(path)) from fault
    content = document.content if document else None
    section = content.get("filter") if isinstance(content, dict) else None
    if not isinstance(section, dict) or not isinstance(section.get("condition"), str):
        raise UsageError("this is no Sigma filter", where=str(path), hint="See docs/sigma.md")
    detection = {str(name): value for name, value in section.items() if name != "rules"}
    return {**detection, "condition": f"not ({section['condition']})"}
