"""Sessions: kept on the server, known by a token that changes, ended by idleness and by age."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, or_, select, update

from . import acts
from .accounts import Account, Refused, digest, end_sessions, find_account
from .database import Database, from_micros, to_micros
from .permissions import Permission
from .tables import sessions

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
FRESH = timedelta(minutes=15)
"""How old a sign-in may be for what outlives the session: passkeys and tokens."""

ROTATE = timedelta(minutes=15)
GRACE = timedelta(seconds=60)
"""How long the former token still works: requests under way when it changed carry it."""

_NOTE_EVERY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in, for one request. `token`: the browser gets it anew.

    Whoever came by an API token has no session, and `scopes`, which bound what they may do.
    """

    account: Account
    session: str
    csrf: str
    token: str | None = None
    began: datetime | None = None
    means: str = ""
    scopes: frozenset[Permission] | None = None

    @property
    def permissions(self) -> frozenset[Permission]:
        """What they may do in this request."""
        if self.scopes is None:
            return self.account.permissions
        always = {Permission.PUBLIC, Permission.OWN_ACCOUNT}
        return self.account.permissions & (self.scopes | always)

    def fresh(self, now: datetime) -> None:
        """Raises Refused where the sign-in is too old for what outlives the session."""
        if self.began is None or now - self.began > FRESH:
            minutes = FRESH // timedelta(minutes=1)
            raise Refused(f"This needs a sign-in of the last {minutes} minutes. Sign in again.")

    @property
    def name(self) -> str:
        """Their name."""
        return self.account.name

    def holds(self, csrf: str) -> bool:
        """Whether this is the session's token against forged requests."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class SessionShown:
    """A session, as its owner sees it in a list."""

    uid: str
    means: str
    address: str
    created: datetime
    seen: datetime


@dataclass(frozen=True, slots=True)
class SessionLengths:
    """How long a session lives without its person, and in all."""

    idle: timedelta = IDLE
    absolute: timedelta = ABSOLUTE


class Sessions:
    """The sessions of a console."""

    def __init__(self, database: Database, lengths: SessionLengths | None = None) -> None:
        self._database = database
        self.lengths = lengths or SessionLengths()

    def begin(self, account: Account, address: str, now: datetime, means: str = "password") -> str:
        """A session for somebody who has just signed in; its token."""
        token = secrets.token_urlsafe(32)
        at = to_micros(now)
        with self._database.write() as connection:
            connection.execute(
                delete(sessions).where(
                    or_(
                        sessions.c.created < to_micros(now - self.lengths.absolute),
                        sessions.c.seen < to_micros(now - self.lengths.idle),
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
                    means=means,
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
        if (
            account.disabled is not None
            or now - created >= self.lengths.absolute
            or (now - seen >= self.lengths.idle)
        ):
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
        return Visitor(account, row.uid, row.csrf, fresh, created, row.means or "")

    def end(self, visitor: Visitor, now: datetime) -> None:
        """End a session."""
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.uid == visitor.session))
            acts.enter(connection, now, "signed-out", visitor.name, account=visitor.name)

    def of(self, visitor: Visitor, now: datetime) -> list[SessionShown]:
        """Everything that somebody is signed in with, the newest first."""
        query = (
            select(sessions)
            .where(
                sessions.c.account == visitor.name,
                sessions.c.created > to_micros(now - self.lengths.absolute),
                sessions.c.seen > to_micros(now - self.lengths.idle),
            )
            .order_by(sessions.c.created.desc())
        )
        with self._database.read() as connection:
            return [
                SessionShown(
                    row.uid, row.means or "", row.address,
                    from_micros(row.created), from_micros(row.seen),
                )
                for row in connection.execute(query)
            ]  # fmt: skip

    def end_others(self, visitor: Visitor, now: datetime) -> int:
        """End every other session of somebody; how many there were."""
        with self._database.write() as connection:
            ended = end_sessions(connection, visitor.name, but=visitor.session)
            acts.enter(
                connection, now, "sessions-ended", visitor.name,
                account=visitor.name, number=str(ended),
            )  # fmt: skip
        return ended

    def lives(self, visitor: Visitor, now: datetime) -> bool:
        """Whether a session still stands, for pages that stay open."""
        query = select(sessions).where(sessions.c.uid == visitor.session)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return (
            row is not None
            and now - from_micros(row.created) < self.lengths.absolute
            and now - from_micros(row.seen) < self.lengths.idle
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
