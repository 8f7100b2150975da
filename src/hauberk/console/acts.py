"""What people do, in order: each act one JSON object, chained to the one before by its digest.

Acts wait here until the home's ledger has them (`handover`). While they wait, the chain shows
whether one was altered or taken away in between.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import rfc8785
from sqlalchemy import Connection, func, insert, select, update

from .database import from_micros, to_micros
from .tables import acts

PREFIX = "console."
"""How the types of the console's ledger entries begin."""

_FRAME = frozenset({"type", "act", "by", "at", "previous", "incident"})


@dataclass(frozen=True, slots=True)
class Act:
    """One act as it is stored; `entered` is when the ledger had it."""

    number: int
    uid: str
    incident: str
    body: Mapping[str, Any]  # what each type of act says is known to who wrote it
    digest: str
    entered: datetime | None

    @property
    def kind(self) -> str:
        """The type without its prefix."""
        return str(self.body["type"]).removeprefix(PREFIX)

    @property
    def said(self) -> dict[str, str]:
        """What it says beyond who, when and about which incident."""
        return {name: str(value) for name, value in self.body.items() if name not in _FRAME}

    @property
    def at(self) -> datetime:
        """When it was done."""
        return datetime.fromisoformat(str(self.body["at"]))


def enter(
    connection: Connection, now: datetime, kind: str, by: str, incident: str = "", **said: str
) -> int:
    """Add an act in the caller's transaction; its number."""
    query = select(acts.c.number, acts.c.digest).order_by(acts.c.number.desc()).limit(1)
    last = connection.execute(query).first()
    uid = secrets.token_hex(12)
    body = {"type": PREFIX + kind, "act": uid, "by": by, "at": now.isoformat(), **said}
    if incident:
        body["incident"] = incident
    body["previous"] = "" if last is None else last.digest
    data = rfc8785.dumps(body)
    number = 1 if last is None else last.number + 1
    connection.execute(
        insert(acts).values(
            number=number,
            uid=uid,
            incident=incident,
            body=data.decode(),
            digest=hashlib.sha256(data).hexdigest(),
            entered=None,
        )
    )
    return number


def of_incidents(connection: Connection, incidents: Sequence[str]) -> list[Act]:
    """Acts on any of these incidents, in order."""
    query = select(acts).where(acts.c.incident.in_(list(incidents))).order_by(acts.c.number)
    return [_act(row) for row in connection.execute(query)]


def numbered(connection: Connection, number: int) -> Act | None:
    """An act by its number."""
    row = connection.execute(select(acts).where(acts.c.number == number)).first()
    return None if row is None else _act(row)


def latest(connection: Connection, limit: int) -> list[Act]:
    """The newest acts, newest first."""
    query = select(acts).order_by(acts.c.number.desc()).limit(limit)
    return [_act(row) for row in connection.execute(query)]


def waiting(connection: Connection, limit: int) -> list[Act]:
    """The oldest acts that the ledger does not have, in order."""
    query = select(acts).where(acts.c.entered.is_(None)).order_by(acts.c.number).limit(limit)
    return [_act(row) for row in connection.execute(query)]


def number_waiting(connection: Connection) -> int:
    """How many acts the ledger does not have."""
    query = select(func.count()).select_from(acts).where(acts.c.entered.is_(None))
    return int(connection.execute(query).scalar_one())


def mark_entered(connection: Connection, uids: Sequence[str], now: datetime) -> None:
    """Note that the ledger has these acts."""
    for uid in uids:
        connection.execute(update(acts).where(acts.c.uid == uid).values(entered=to_micros(now)))


def broken_link(connection: Connection) -> int | None:
    """Number of the first act that waits and is not as it was entered; None where all are.

    What the ledger has is proved there.
    """
    first = connection.execute(select(func.min(acts.c.number)).where(acts.c.entered.is_(None)))
    expected = first.scalar()
    if expected is None:
        return None
    before = connection.execute(select(acts.c.digest).where(acts.c.number == expected - 1)).scalar()
    if before is None and expected > 1:
        return int(expected) - 1
    previous = before or ""
    query = select(acts).where(acts.c.number >= expected).order_by(acts.c.number)
    for row in connection.execute(query):
        body = json.loads(row.body)
        if (
            row.number != expected
            or hashlib.sha256(row.body.encode()).hexdigest() != row.digest
            or body.get("previous") != previous
        ):
            return int(expected)
        previous, expected = row.digest, expected + 1
    return None


def _act(row: Any) -> Act:  # a row has no static type in SQLAlchemy
    return Act(
        number=row.number,
        uid=row.uid,
        incident=row.incident,
        body=json.loads(row.body),
        digest=row.digest,
        entered=None if row.entered is None else from_micros(row.entered),
    )
