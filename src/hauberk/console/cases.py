"""What analysts decide about incidents: state, who works on it, verdict, comments."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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

NEEDS_REASON = "A verdict needs a reason: the next one who sees this will ask for it."

GROWN_BITS = 3.0
"""Bits of evidence more than when it was judged, from which it is to be looked at again."""

GROWN_FINDINGS = 5
"""Findings more, where they are also twice as many as then."""


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
    judged_findings: int = 0
    judged_odds: float = 0.0

    def has_grown(self, findings: int, odds: float) -> bool:
        """Whether it has become much more than what was judged; `odds` are log2 odds."""
        if self.state is not State.CLOSED or not self.judged_findings:
            return False
        more = findings - self.judged_findings
        return (
            more >= max(GROWN_FINDINGS, self.judged_findings)
            or odds - self.judged_odds >= GROWN_BITS
        )


CASE_SCHEMA = pl.Schema(
    {
        "uid": pl.String(),
        "state": pl.String(),
        "assignee": pl.String(),
        "verdict": pl.String(),
        "judged_findings": pl.Int64(),
        "judged_odds": pl.Float64(),
    }
)


class Cases:
    """The cases of a console. Whoever changes one says which act they saw last."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> pl.DataFrame:
        """CASE_SCHEMA, a row for each incident that somebody has touched."""
        columns = (
            cases.c.incident, cases.c.state, cases.c.assignee, cases.c.verdict,
            cases.c.judged_findings, cases.c.judged_odds,
        )  # fmt: skip
        with self._database.read() as connection:
            rows = [tuple(row) for row in connection.execute(select(*columns))]
        return pl.DataFrame(rows, schema=CASE_SCHEMA, orient="row")

    def case(self, incident: str, formerly: Sequence[str] = ()) -> tuple[Case, list[Act]]:
        """A case, and all that was done about it, or about what goes on in it."""
        with self._database.read() as connection:
            done = acts.of_incidents(connection, [incident, *formerly])
            return read_case(connection, incident), done

    def reasons(self, incidents: Sequence[str]) -> dict[str, str]:
        """The reason of the last verdict on each of these incidents."""
        with self._database.read() as connection:
            done = acts.of_incidents(connection, incidents)
        return {one.incident: one.said.get("reason", "") for one in done if one.kind == "verdict"}

    def judge(
        self, incident: str, verdict: Verdict, reason: str, by: str, seen: int, now: datetime,
        scope: Scope | None = None, *, findings: int = 0, odds: float = 0.0,
    ) -> None:  # fmt: skip
        """Give a verdict, which closes the case. Raises Refused.

        With `scope`, a verdict of benign but expected proposes a suppression, and makes none.
        `findings` and `odds` (log2) are what the incident has now.
        """
        if not reason.strip():
            raise Refused(NEEDS_REASON)
        if scope is not None and verdict is not Verdict.BENIGN:
            raise Refused("Only what is benign but expected can be proposed to be suppressed.")
        said = {} if scope is None else {"scope": scope.as_text()}
        with self._database.write() as connection:
            case = unchanged(connection, incident, seen)
            number = acts.enter(
                connection, now, "verdict", by, incident,
                verdict=verdict.value, verdict_id=str(verdict.ocsf), reason=reason[:MAX_TEXT],
                **said,
            )  # fmt: skip
            who = case.assignee or by
            judged = Case(incident, State.CLOSED, who, verdict.value, number, findings, odds)
            store_case(connection, judged)

    def answer(
        self, incident: str, verdict: Verdict, by: str, now: datetime, reason: str = ""
    ) -> None:
        """Answer a question of gold (`hauberk.pipeline.gold_question`): it changes no case."""
        with self._database.write() as connection:
            acts.enter(
                connection, now, "answer", by, incident,
                verdict=verdict.value, verdict_id=str(verdict.ocsf), reason=reason[:MAX_TEXT],
            )  # fmt: skip

    def set_state(self, incident: str, state: State, by: str, seen: int, now: datetime) -> None:
        """Move a case on, or open it again. Raises Refused: only a verdict closes."""
        with self._database.write() as connection:
            case = unchanged(connection, incident, seen)
            if state is State.CLOSED and not case.verdict:
                raise Refused("An incident is closed by a verdict.")
            number = acts.enter(
                connection, now, "state", by, incident, before=case.state.value, after=state.value
            )
            store_case(connection, replace(case, state=state, last_act=number))

    def assign(self, incident: str, assignee: str, by: str, seen: int, now: datetime) -> None:
        """Say who works on it; nobody where `assignee` is empty. Raises Refused."""
        with self._database.write() as connection:
            case = unchanged(connection, incident, seen)
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
            store_case(connection, replace(case, state=state, assignee=assignee, last_act=number))

    def comment(self, incident: str, text: str, by: str, now: datetime) -> None:
        """Say something. Raises Refused where nothing is said."""
        if not text.strip():
            raise Refused("There is nothing in this comment.")
        with self._database.write() as connection:
            acts.enter(connection, now, "comment", by, incident, text=text[:MAX_TEXT])


def read_case(connection: Connection, incident: str) -> Case:
    """Where an incident stands."""
    row = connection.execute(select(cases).where(cases.c.incident == incident)).first()
    if row is None:
        return Case(incident)
    return Case(
        incident, State(row.state), row.assignee, row.verdict, row.last_act,
        row.judged_findings, row.judged_odds,
    )  # fmt: skip


def unchanged(connection: Connection, incident: str, seen: int) -> Case:
    """The case as whoever changes it saw it. Raises Refused where another was faster."""
    case = read_case(connection, incident)
    if case.last_act != seen:
        raise Refused("Somebody else changed this incident meanwhile. Look at it again.")
    return case


def store_case(connection: Connection, case: Case) -> None:
    """Keep where it stands, in the caller's transaction."""
    values = {
        "state": case.state.value,
        "assignee": case.assignee,
        "verdict": case.verdict,
        "last_act": case.last_act,
        "judged_findings": case.judged_findings,
        "judged_odds": case.judged_odds,
    }
    connection.execute(
        insert(cases)
        .values(incident=case.incident, **values)
        .on_conflict_do_update(index_elements=["incident"], set_=values)
    )
