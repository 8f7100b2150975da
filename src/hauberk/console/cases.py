"""What analysts decide about incidents: state, who works on it, verdict, comments."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import polars as pl
from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert  # SQLite takes its form too

from . import acts
from .accounts import Refused, find_account
from .acts import Act
from .database import Database
from .permissions import Permission
from .tables import cases

MAX_TEXT = 4000
"""Characters of a comment or a reason."""


class State(StrEnum):
    """Where the work on an incident stands (OCSF Incident Finding status)."""

    NEW = "new"
    IN_PROGRESS = "in progress"
    ON_HOLD = "on hold"
    CLOSED = "closed"


class Verdict(StrEnum):
    """What an analyst decided (OCSF verdict)."""

    TRUE = "true"
    BENIGN = "benign but expected"
    FALSE = "false"

    @property
    def ocsf(self) -> int:
        """OCSF `verdict_id`: true positive, benign, false positive."""
        return {Verdict.TRUE: 2, Verdict.BENIGN: 5, Verdict.FALSE: 1}[self]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a suppression that is proposed would hide: firings of a rule whose fields are so.

    Raises Refused where it names no rule or no field.
    """

    rule: str
    where: Mapping[str, str]

    def __post_init__(self) -> None:
        if not self.rule or not self.where:
            raise Refused("Say which rule, and which of its firings: by a field and its value.")
        if len(self.as_text()) > MAX_TEXT:
            raise Refused("This says too much: name fewer fields.")

    def as_text(self) -> str:
        """The scope as a ledger entry holds it."""
        return json.dumps({"rule": self.rule, "where": dict(self.where)}, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Case:
    """Where an incident stands; `last_act` numbers the last act that changed it."""

    incident: str
    state: State = State.NEW
    assignee: str = ""
    verdict: str = ""
    last_act: int = 0


CASE_SCHEMA = pl.Schema(
    {"uid": pl.String(), "state": pl.String(), "assignee": pl.String(), "verdict": pl.String()}
)


class Cases:
    """The cases of a console. Whoever changes one says which act they saw last."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> pl.DataFrame:
        """CASE_SCHEMA, a row for each incident that somebody has touched."""
        columns = (cases.c.incident, cases.c.state, cases.c.assignee, cases.c.verdict)
        with self._database.read() as connection:
            rows = [tuple(row) for row in connection.execute(select(*columns))]
        return pl.DataFrame(rows, schema=CASE_SCHEMA, orient="row")

    def case(self, incident: str) -> tuple[Case, list[Act]]:
        """A case, and all that was done about it."""
        with self._database.read() as connection:
            return _case(connection, incident), acts.of_incident(connection, incident)

    def judge(
        self, incident: str, verdict: Verdict, reason: str, by: str, seen: int, now: datetime,
        scope: Scope | None = None,
    ) -> None:  # fmt: skip
        """Give a verdict, which closes the case. Raises Refused.

        With `scope`, a verdict of benign but expected proposes a suppression, and makes none.
        """
        if not reason.strip():
            raise Refused("A verdict needs a reason: the next one who sees this will ask for it.")
        if scope is not None and verdict is not Verdict.BENIGN:
            raise Refused("Only what is benign but expected can be proposed to be suppressed.")
        said = {} if scope is None else {"scope": scope.as_text()}
        with self._database.write() as connection:
            case = _unchanged(connection, incident, seen)
            number = acts.enter(
                connection, now, "verdict", by, incident,
                verdict=verdict.value, verdict_id=str(verdict.ocsf), reason=reason[:MAX_TEXT],
                **said,
            )  # fmt: skip
            who = case.assignee or by
            _store(connection, Case(incident, State.CLOSED, who, verdict.value, number))

    def answer(self, incident: str, verdict: Verdict, by: str, now: datetime) -> None:
        """Answer a question of gold (`hauberk.pipeline.gold_question`): it changes no case."""
        with self._database.write() as connection:
            acts.enter(
                connection, now, "answer", by, incident,
                verdict=verdict.value, verdict_id=str(verdict.ocsf),
            )  # fmt: skip

    def set_state(self, incident: str, state: State, by: str, seen: int, now: datetime) -> None:
        """Move a case on, or open it again. Raises Refused: only a verdict closes."""
        with self._database.write() as connection:
            case = _unchanged(connection, incident, seen)
            if state is State.CLOSED and not case.verdict:
                raise Refused("An incident is closed by a verdict.")
            number = acts.enter(
                connection, now, "state", by, incident, before=case.state.value, after=state.value
            )
            _store(connection, Case(incident, state, case.assignee, case.verdict, number))

    def assign(self, incident: str, assignee: str, by: str, seen: int, now: datetime) -> None:
        """Say who works on it; nobody where `assignee` is empty. Raises Refused."""
        with self._database.write() as connection:
            case = _unchanged(connection, incident, seen)
            if assignee:
                account = find_account(connection, assignee)
                if account is None or Permission.WORK_INCIDENTS not in account.permissions:
                    raise Refused(f"{assignee[:40]} is nobody who works on incidents.")
            number = acts.enter(
                connection, now, "assigned", by, incident, before=case.assignee, after=assignee
            )
            state = case.state
            if assignee and state is State.NEW:
                state = State.IN_PROGRESS
            _store(connection, Case(incident, state, assignee, case.verdict, number))

    def comment(self, incident: str, text: str, by: str, now: datetime) -> None:
        """Say something. Raises Refused where nothing is said."""
        if not text.strip():
            raise Refused("There is nothing in this comment.")
        with self._database.write() as connection:
            acts.enter(connection, now, "comment", by, incident, text=text[:MAX_TEXT])


def _case(connection: Connection, incident: str) -> Case:
    row = connection.execute(select(cases).where(cases.c.incident == incident)).first()
    if row is None:
        return Case(incident)
    return Case(incident, State(row.state), row.assignee, row.verdict, row.last_act)


def _unchanged(connection: Connection, incident: str, seen: int) -> Case:
    """The case as whoever changes it saw it. Raises Refused where another was faster."""
    case = _case(connection, incident)
    if case.last_act != seen:
        raise Refused("Somebody else changed this incident meanwhile. Look at it again.")
    return case


def _store(connection: Connection, case: Case) -> None:
    values = {
        "state": case.state.value,
        "assignee": case.assignee,
        "verdict": case.verdict,
        "last_act": case.last_act,
    }
    connection.execute(
        insert(cases)
        .values(incident=case.incident, **values)
        .on_conflict_do_update(index_elements=["incident"], set_=values)
    )
