"""What analysts say is one story: merge incidents, split findings off, detach one, take it back.

These are acts: whoever writes the home takes them from the inbox, and the next ranking follows them
(`hauberk.triage.grouping`). Until then the incidents stand as they were.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from hauberk.triage import GroupingKind, Groupings

from . import acts
from .accounts import Refused
from .acts import Act
from .cases import MAX_TEXT, Case, State, read_case, store_case, unchanged
from .database import Database

MAX_CHOSEN = 200
"""Findings that are split off at once."""

KINDS = frozenset(kind.value for kind in GroupingKind)
"""Kinds of acts by which findings are grouped."""


@dataclass(frozen=True, slots=True)
class Regrouped:
    """An act that groups findings, and how far it has come."""

    act: Act
    standing: str
    lifted: bool  # or none that can be lifted


class Stories:
    """Merges and splits of a console. Whoever does one says which act they saw last."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def merge(
        self, incident: str, other: str, reason: str, by: str, seen: int, now: datetime,
        title: str = "",
    ) -> None:  # fmt: skip
        """Say that another incident is the same story; it goes on in this one. Raises Refused.

        What was closed is open again: its verdict was on less than this. `title` is the other's.
        """
        if not other or other == incident:
            raise Refused("Choose another incident.")
        with self._database.write() as connection:
            case = unchanged(connection, incident, seen)
            closed = case.state is State.CLOSED
            said = {"reopened": case.verdict} if closed else {}
            number = acts.enter(
                connection, now, GroupingKind.MERGED, by, incident, other=other,
                title=title[:300], reason=_reason(reason), **said,
            )  # fmt: skip
            state = State.IN_PROGRESS if closed else case.state
            verdict = "" if closed else case.verdict
            store_case(connection, replace(case, state=state, verdict=verdict, last_act=number))
            theirs = read_case(connection, other)
            store_case(connection, replace(theirs, last_act=number))

    def take_out(
        self, incident: str, findings: Sequence[str], whole: int, reason: str, by: str, seen: int,
        now: datetime, *, together: bool = True,
    ) -> None:  # fmt: skip
        """Say that findings are none of this story; `together` they are one. Raises Refused.

        `whole` is how many findings it has.
        """
        chosen = list(dict.fromkeys(findings))
        if not chosen:
            raise Refused("Choose the findings first.")
        if len(chosen) > MAX_CHOSEN:
            raise Refused(f"Choose {MAX_CHOSEN} findings at most.")
        if len(chosen) >= whole:
            raise Refused("Something has to be left of the incident.")
        kind = GroupingKind.SPLIT if together else GroupingKind.DETACHED
        with self._database.write() as connection:
            case = unchanged(connection, incident, seen)
            number = acts.enter(
                connection, now, kind, by, incident, findings=" ".join(chosen),
                reason=_reason(reason),
            )  # fmt: skip
            store_case(connection, replace(case, last_act=number))

    def undo(
        self, incident: str, formerly: Sequence[str], act: str, reason: str, by: str, seen: int,
        now: datetime,
    ) -> None:  # fmt: skip
        """Lift a merge or a split that was done here, or on what goes on here. Raises Refused."""
        with self._database.write() as connection:
            case = unchanged(connection, incident, seen)
            done = _grouped(connection, [incident, *formerly])
            if act not in {one.uid for one in done if one.kind != GroupingKind.UNDONE}:
                raise Refused("There is nothing of that kind to undo here.")
            if act in {one.said.get("undoes") for one in done}:
                raise Refused("That was undone already.")
            number = acts.enter(
                connection, now, GroupingKind.UNDONE, by, incident, undoes=act,
                reason=_reason(reason),
            )  # fmt: skip
            store_case(connection, replace(case, last_act=number))

    def merged_into(self, case: Case) -> str:
        """The incident that this one is to go on in, where the last act about it merged it."""
        with self._database.read() as connection:
            last = acts.numbered(connection, case.last_act)
        merged = last is not None and last.kind == GroupingKind.MERGED
        return (
            last.incident if last is not None and merged and last.incident != case.incident else ""
        )

    def of(self, incident: str, formerly: Sequence[str], known: Groupings) -> dict[str, Regrouped]:
        """By act, how far each grouping of an incident has come in a ranking that knew some."""
        with self._database.read() as connection:
            done = _grouped(connection, [incident, *formerly])
        lifted = {one.said.get("undoes") for one in done}
        parts = dict(known.given.select("act", "named").iter_rows())
        return {
            one.uid: Regrouped(
                one, _standing(one, parts), one.kind == GroupingKind.UNDONE or one.uid in lifted
            )
            for one in done
        }


def _standing(act: Act, parts: dict[str, list[str]]) -> str:
    if act.uid not in parts:
        return "the next ranking follows it"
    if act.kind != GroupingKind.UNDONE and not parts[act.uid]:
        return "not followed: there was nothing that it could be about"
    return "ranked so"


def _grouped(connection: Connection, incidents: Sequence[str]) -> list[Act]:
    return [one for one in acts.of_incidents(connection, incidents) if one.kind in KINDS]


def _reason(text: str) -> str:
    if not text.strip():
        raise Refused("Say why: the next one who sees this will ask for it.")
    return text[:MAX_TEXT]
