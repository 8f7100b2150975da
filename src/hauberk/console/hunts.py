"""Hunts of analysts: asked a few at a time, entered as acts, kept under a name for the next one."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from hauberk.errors import UsageError
from hauberk.reports import Answer, Bounds, Question, ask

from . import acts
from .accounts import Refused
from .database import Database, from_micros, to_micros
from .reading import Reading
from .tables import hunts

AT_ONCE = 2
"""Hunts that run together; further ones are asked to wait."""

BOUNDS = Bounds(seconds=30, memory_mib=768, threads=1, max_rows=2000, max_bytes=4 << 20)
MAX_SAVED = 1000
MAX_TITLE = 120


@dataclass(frozen=True, slots=True)
class SavedHunt:
    """A question under a name, for everybody who may hunt."""

    uid: str
    title: str
    sql: str
    by: str
    at: datetime


class Hunts:
    """Asks the lake for analysts, and keeps what they save."""

    def __init__(self, database: Database, reading: Reading, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._reading = reading
        self._clock = clock
        self._turn = threading.BoundedSemaphore(AT_ONCE)

    def ask(self, question: Question, by: str) -> Answer:
        """Ask. The question is entered as an act before it is answered. Raises Refused."""
        if not question.sql.strip():
            raise Refused("Ask something: SELECT ... FROM ...")
        if not self._turn.acquire(timeout=5):
            raise Refused(f"{AT_ONCE} hunts are under way. Try again when one has ended.")
        try:
            with self._database.write() as connection:
                bounds = {
                    name: at.isoformat()
                    for name, at in (("since", question.since), ("until", question.until))
                    if at is not None
                }
                acts.enter(connection, self._clock(), "hunt", by, sql=question.sql[:4000], **bounds)
            with self._reading.open() as home:
                return ask(home, question, BOUNDS)
        except UsageError as error:
            raise Refused(str(error)) from error
        finally:
            self._turn.release()

    def saved(self) -> list[SavedHunt]:
        """What is saved, by title."""
        with self._database.read() as connection:
            rows = connection.execute(select(hunts).order_by(hunts.c.title, hunts.c.uid))
            return [
                SavedHunt(row.uid, row.title, row.sql, row.by, from_micros(row.at)) for row in rows
            ]

    def find(self, uid: str) -> SavedHunt | None:
        """One that is saved."""
        return next((one for one in self.saved() if one.uid == uid), None)

    def save(self, title: str, sql: str, by: str) -> str:
        """Keep a question; its uid. Raises Refused."""
        title = title.strip()[:MAX_TITLE]
        if not title or not sql.strip():
            raise Refused("A saved hunt needs a name and a question.")
        uid, now = secrets.token_hex(8), self._clock()
        with self._database.write() as connection:
            if len(connection.execute(select(hunts.c.uid)).all()) >= MAX_SAVED:
                raise Refused(f"{MAX_SAVED:,} hunts are saved. Forget some.")
            connection.execute(
                insert(hunts).values(uid=uid, title=title, sql=sql, by=by, at=to_micros(now))
            )
            acts.enter(connection, now, "hunt_saved", by, hunt=uid, title=title, sql=sql[:4000])
        return uid

    def forget(self, uid: str, by: str) -> None:
        """Delete one. Raises Refused where it is gone."""
        with self._database.write() as connection:
            if not _delete(connection, uid):
                raise Refused("This hunt is gone already.")
            acts.enter(connection, self._clock(), "hunt_forgotten", by, hunt=uid)


def _delete(connection: Connection, uid: str) -> bool:
    return bool(connection.execute(delete(hunts).where(hunts.c.uid == uid)).rowcount)
