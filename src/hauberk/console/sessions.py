"""Sessions: kept on the server, known by a token that changes, ended by idleness and by age."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, or_, select, update

from . import acts
from .accounts import Account, digest, find_account
from .database import Database, from_micros, to_micros
from .tables import sessions

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
ROTATE = timedelta(minutes=15)
GRACE = timedelta(seconds=60)
"""How long the former token still works: requests under way when it changed carry it."""

_NOTE_EVERY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in, for one request. `token`: the browser gets it anew."""

    account: Account
    session: str
    csrf: str
    token: str | None = None

    @property
    def name(self) -> str:
        """Their name."""
        return self.account.name

    def holds(self, csrf: str) -> bool:
        """Whether this is the session's token against forged requests."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode("utf-8", "replace"))


class Sessions:
    """The sessions of a console."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, account: Account, address: str, now: datetime) -> str:
        """A session for somebody who has just signed in; its token."""
        token = secrets.token_urlsafe(32)
        at = to_micros(now)
        with self._database.write() as connection:
            connection.execute(
                delete(sessions).where(
                    or_(
                        sessions.c.created < to_micros(now - ABSOLUTE),
                        sessions.c.seen < to_micros(now - IDLE),
                    )
                )
            )
            connection.execute(
                insert(sessions).values(
                    uid=secrets.token_hex(12),
                    account=account.name,
                    token=digest(token),
                    previous=None,
                    rotated=at,
                    csrf=secrets.token_urlsafe(32),
                    created=at,
                    seen=at,
                    address=address,
                )
            )
        return token

    def visitor(self, token: str, now: datetime, *, by_hand: bool = True) -> Visitor | None:
        """Who holds this token; None where its session has ended or never was.

        A former token that comes late was copied from somewhere: the session ends. Requests that
        no person made (`by_hand` False) neither keep a session alive nor change its token.
        """
        if not token or len(token) > 128:
            return None
        hashed = digest(token)
        query = select(sessions).where(
            or_(sessions.c.token == hashed, sessions.c.previous == hashed)
        )
        with self._database.read() as connection:
            row = connection.execute(query).first()
            account = None if row is None else find_account(connection, row.account)
        if row is None or account is None:
            return None
        created, seen = from_micros(row.created), from_micros(row.seen)
        if account.disabled is not None or now - created >= ABSOLUTE or now - seen >= IDLE:
            self._remove(row.uid)
            return None
        rotated = from_micros(row.rotated)
        former = row.token != hashed
        if former and now - rotated > GRACE:
            self._copied(row.uid, row.account, now)
            return None
        fresh = None
        if by_hand and not former and now - rotated >= ROTATE:
            fresh = self._rotate(row.uid, hashed, now)
        elif by_hand and now - seen >= _NOTE_EVERY:
            with self._database.write() as connection:
                connection.execute(
                    update(sessions)
                    .where(sessions.c.uid == row.uid, sessions.c.seen < to_micros(now))
                    .values(seen=to_micros(now))
                )
        return Visitor(account, row.uid, row.csrf, fresh)

    def end(self, visitor: Visitor, now: datetime) -> None:
        """End a session."""
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.uid == visitor.session))
            acts.enter(connection, now, "signed-out", visitor.name, account=visitor.name)

    def lives(self, visitor: Visitor, now: datetime) -> bool:
        """Whether a session still stands, for pages that stay open."""
        query = select(sessions).where(sessions.c.uid == visitor.session)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return (
            row is not None
            and now - from_micros(row.created) < ABSOLUTE
            and now - from_micros(row.seen) < IDLE
        )

    def _rotate(self, uid: str, hashed: str, now: datetime) -> str | None:
        token = secrets.token_urlsafe(32)
        with self._database.write() as connection:
            changed = connection.execute(
                update(sessions)
                .where(sessions.c.uid == uid, sessions.c.token == hashed)
                .values(
                    token=digest(token),
                    previous=hashed,
                    rotated=to_micros(now),
                    seen=to_micros(now),
                )
            )
        # Of two requests at once the one that came first has changed it already.
        return token if changed.rowcount else None

    def _remove(self, uid: str) -> None:
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.uid == uid))

    def _copied(self, uid: str, account: str, now: datetime) -> None:
        with self._database.write() as connection:
            gone = connection.execute(delete(sessions).where(sessions.c.uid == uid))
            if gone.rowcount:
                acts.enter(connection, now, "session-copied", "", account=account)
