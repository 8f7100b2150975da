"""What the pages of detections know: rules, what this estate taught of each, suppressions, models.

Compiling rules and reading every finding takes seconds in a large home, so it is done in a thread
of its own, at most once in a while; pages show what was known last.
"""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hauberk.detect import DetectorSpec
from hauberk.detect.known_detectors import detectors
from hauberk.detect.sigma import Rule, RuleSet, Suppression
from hauberk.errors import HauberkError
from hauberk.events import Tactic, Technique, techniques
from hauberk.pipeline import RuleRecord, known_rules, list_suppressions, rule_records
from hauberk.reports import coverage
from hauberk.store import Home

LOOK_SECONDS = 30.0
PAGE = 60
"""Rules a page."""

LEVELS = ("critical", "high", "medium", "low", "informational")


@dataclass(frozen=True, slots=True)
class Book:
    """All of it as it was when it was looked at; `fault` says why it is no newer."""

    commit: int = -1
    rules: RuleSet = field(default_factory=lambda: RuleSet((), ()))
    records: Mapping[str, RuleRecord] = field(default_factory=dict)
    suppressions: Sequence[tuple[Suppression, int]] = ()
    detectors: Sequence[tuple[DetectorSpec, int]] = ()  # each with its findings
    fault: str = ""

    def rule(self, uid: str) -> Rule | None:
        """The rule of exactly this uid."""
        return next((one for one in self.rules.rules if one.uid == uid), None)

    @property
    def titles(self) -> dict[str, str]:
        """Titles by uid."""
        return {one.uid: one.title for one in self.rules.rules}


class Rulebook:
    """Looks at a home's rules now and then."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._book = Book()
        self._looked = 0.0
        self._turn = threading.Lock()

    def book(self, commit: int) -> Book:
        """What is known; brought up to `commit` behind the page, before it the first time."""
        if self._book.commit < 0:
            with self._turn:
                if self._book.commit < 0:
                    self._look(commit)
        elif self._book.commit != commit and time.monotonic() - self._looked > LOOK_SECONDS:
            threading.Thread(target=self._behind, args=(commit,), daemon=True).start()
        return self._book

    def forget(self) -> None:
        """Look again before the next page: somebody has changed something."""
        self._book = Book()

    def _behind(self, commit: int) -> None:
        if self._turn.acquire(blocking=False):
            try:
                self._look(commit)
            finally:
                self._turn.release()

    def _look(self, commit: int) -> None:
        self._looked = time.monotonic()
        try:
            self._book = Book(
                commit,
                known_rules(self._home),
                rule_records(self._home),
                list_suppressions(self._home),
                self._detectors(),
            )
        except HauberkError as error:
            self._book = replace(self._book, commit=commit, fault=str(error))

    def _detectors(self) -> list[tuple[DetectorSpec, int]]:
        with Home.open(self._home, read_only=True) as home:
            said = home.records.findings()["detector"].value_counts()
        number = dict(said.iter_rows())
        return [(one.spec, number.get(one.spec.name, 0)) for one in detectors()]


@dataclass(frozen=True, slots=True)
class RuleFilter:
    """Which rules a list shows."""

    text: str = ""
    level: str = ""
    technique: str = ""
    here: str = ""  # fired, silent, sunk, risen, suppressed
    page: int = 1


def chosen(book: Book, wanted: RuleFilter) -> list[Rule]:
    """Rules that are wanted: those that fire here first, by what they are worth, then by title."""
    words = wanted.text.casefold().split()[:8]
    suppressed = {one.rule for one, _ in book.suppressions}

    def keeps(rule: Rule) -> bool:
        record = book.records.get(rule.uid)
        here = {
            "fired": record is not None,
            "silent": record is None,
            "sunk": record is not None and record.sunk,
            "risen": record is not None and record.risen,
            "suppressed": rule.uid in suppressed,
        }
        said = f"{rule.title} {rule.uid} {rule.source}".casefold()
        return (
            here.get(wanted.here, True)
            and wanted.level in ("", rule.level)
            and all(word in said for word in words)
            and (not wanted.technique or any(_within(t, wanted.technique) for t in rule.techniques))
        )

    def order(rule: Rule) -> tuple[float, int, str]:
        record = book.records.get(rule.uid)
        level = LEVELS.index(rule.level) if rule.level in LEVELS else len(LEVELS)
        return (-record.bits if record else 1.0, level, rule.title)

    return sorted((one for one in book.rules.rules if keeps(one)), key=order)


def _within(technique: str, asked: str) -> bool:
    asked = asked.upper()
    return technique == asked or technique.startswith(f"{asked}.")


@dataclass(frozen=True, slots=True)
class Cell:
    """A technique in the matrix: rules that name it, findings of this estate under it."""

    technique: Technique
    rules: int
    findings: int


def matrix(book: Book) -> list[tuple[Tactic, list[Cell]]]:
    """Techniques by tactic, in order; those of sub-techniques count for their parents."""
    named: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for technique, number in coverage(rule.techniques for rule in book.rules.rules).items():
        named[technique.partition(".")[0]] += number
    for rule in book.rules.rules:
        record = book.records.get(rule.uid)
        for technique in {one.partition(".")[0] for one in rule.techniques} if record else ():
            found[technique] += record.firings if record else 0
    parents = [one for one in techniques().values() if one.parent == one.id]
    return [
        (
            tactic,
            [Cell(one, named[one.id], found[one.id]) for one in parents if tactic in one.tactics],
        )
        for tactic in Tactic
    ]
