"""Questions of gold in the queue: now and then an incident of which the truth is known.

Who is asked sees it as one that nobody has touched, and what they decide about it is an answer and
no verdict (`hauberk.pipeline.gold_question`): it says how reliable they are.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import polars as pl

from hauberk.errors import HauberkError
from hauberk.pipeline import QUESTION_RATE, gold_question, verdicts_of
from hauberk.triage import Verdicts

from . import acts
from .acts import Act
from .cases import Case, Cases, State
from .database import Database
from .permissions import Permission
from .reading import Reading
from .sessions import Visitor

_ANSWERS = frozenset({"answer", "verdict"})


class Questions:
    """Which incident somebody is asked about, and what they are shown of it.

    `rate` is how many verdicts of somebody there are for each question.
    """

    def __init__(self, database: Database, reading: Reading, cases: Cases) -> None:
        self._database = database
        self._reading = reading
        self._cases = cases
        self._turn = threading.Lock()
        self._verdicts = Verdicts()
        self._read_at = -1
        self.rate = QUESTION_RATE

    def of(self, who: Visitor) -> str:
        """The uid of the incident that somebody is asked about; empty where none is."""
        if Permission.JUDGE_INCIDENTS not in who.account.permissions:
            return ""
        verdicts = self._known()
        uid = gold_question(verdicts, who.name, self.rate) if verdicts.gold.height else None
        if uid is None or uid not in self._reading.index.incidents["uid"]:
            return ""
        with self._database.read() as connection:
            done = acts.of_incidents(connection, [uid])
        said = any(one.kind in _ANSWERS and one.body.get("by") == who.name for one in done)
        return "" if said else uid

    def index(self, asked: str) -> pl.DataFrame:
        """The incidents as who is asked sees them: what is asked is within the budget."""
        incidents = self._reading.index.incidents
        if not asked:
            return incidents
        return incidents.with_columns(pl.col("above_budget") | (pl.col("uid") == asked))

    def cases(self, asked: str) -> pl.DataFrame:
        """All cases as who is asked sees them: CASE_SCHEMA."""
        found = self._cases.all()
        return found.filter(pl.col("uid") != asked) if asked else found

    def _known(self) -> Verdicts:
        commit = self._reading.index.commit
        with self._turn:
            if commit != self._read_at:
                with suppress(HauberkError), self._reading.open() as home:  # told on the queue
                    self._verdicts = verdicts_of(home)
                    self._read_at = commit
            return self._verdicts


def as_asked(case: Case, history: Sequence[Act], me: str, *, asked: bool) -> tuple[Case, list[Act]]:
    """A case as who is asked about it, or was, sees it: nobody but they did anything about it."""
    mine = [one for one in history if one.body.get("by") == me]
    answers = [one for one in mine if one.kind == "answer"]
    if not asked and not answers:
        return case, list(history)
    if answers:
        said = answers[-1].said["verdict"]
        return replace(case, state=State.CLOSED, verdict=said, assignee=me, judged_findings=0), mine
    assignee = case.assignee if case.assignee == me else ""
    state = State.IN_PROGRESS if assignee else State.NEW
    return Case(case.incident, state, assignee, last_act=case.last_act), mine
