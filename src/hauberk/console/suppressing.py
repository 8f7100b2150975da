"""Suppressions that analysts make: read from a form, tried on history, entered as acts."""

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from hauberk.detect.sigma import Rule, Suppression
from hauberk.errors import HauberkError
from hauberk.pipeline import Trial, draft, tried

from . import acts
from .accounts import Refused
from .database import Database
from .rulebook import Book

MAX_TESTS = 8
DAYS = (1, 7, 30, 90)
"""How long a suppression may hold, to choose from."""


def tests_of(text: str) -> dict[str, object]:
    """A detection of lines `Field=value` or `Field|modifier=value`, which hold together."""
    tests: dict[str, object] = {}
    for line in text.splitlines():
        field, equals, value = line.strip().partition("=")
        if not line.strip():
            continue
        if not equals or not field.strip() or not value.strip():
            raise Refused(f"“{line[:80]}” is no Field=value.")
        tests[field.strip()] = value.strip()
    if not tests:
        raise Refused("Say which firings: a rule is not suppressed as a whole.")
    if len(tests) > MAX_TESTS:
        raise Refused(f"A suppression has at most {MAX_TESTS} tests.")
    return {"selection": tests, "condition": "selection"}


class Suppressing:
    """Tries suppressions one at a time, and puts them in force."""

    def __init__(self, database: Database, home: Path, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._home = home
        self._clock = clock
        self._turn = threading.Lock()

    def draft(self, rule: Rule, tests: str, days: int, reason: str, by: str) -> Suppression:
        """A suppression as a form says it, from the beginning of time on. Raises Refused."""
        if days not in DAYS:
            raise Refused("Choose how long it holds.")
        until = self._clock() + timedelta(days=days)
        try:
            return draft(rule, tests_of(tests), owner=by, reason=reason, since=None, until=until)
        except HauberkError as error:
            raise Refused(str(error)) from error

    def trial(self, book: Book, suppression: Suppression) -> Trial:
        """What it would have hidden of all that the home keeps. Raises Refused."""
        if not self._turn.acquire(timeout=5):
            raise Refused("Another suppression is being tried. Try again when that has ended.")
        try:
            return tried(self._home, book.rules, suppression)
        except HauberkError as error:
            raise Refused(str(error)) from error
        finally:
            self._turn.release()

    def enforce(self, suppression: Suppression, trial: Trial, by: str) -> None:
        """Put it in force as soon as the home has the act."""
        with self._database.write() as connection:
            acts.enter(
                connection, self._clock(), "suppressed", by,
                rule=suppression.rule, title=trial.rule.title, reason=suppression.reason,
                until=suppression.until.isoformat(), hidden=str(trial.hidden),
                suppression=json.dumps(suppression.as_entry()),
            )  # fmt: skip

    def lift(self, book: Book, uid: str, reason: str, by: str) -> None:
        """End one. Raises Refused."""
        if not any(one.uid == uid for one, _ in book.suppressions):
            raise Refused("This suppression is lifted already.")
        if not reason.strip():
            raise Refused("Say why it ends.")
        with self._database.write() as connection:
            acts.enter(
                connection, self._clock(), "suppression-lifted", by,
                suppression=uid, reason=reason[:4000],
            )  # fmt: skip
