"""API tokens: made by people for their programs, with some of what they themselves may do."""

import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from . import acts, lockout
from .accounts import Refused, digest, find_account
from .database import Database, from_micros, to_micros
from .permissions import Permission
from .sessions import Visitor
from .tables import tokens

PREFIX = "hbk_"
MAX_DAYS = 365
DAYS = (7, 30, 90, MAX_DAYS)
"""How long a token may last, to choose from."""

MAX_TOKENS = 50
"""Tokens of one person."""

MAX_TITLE = 80
SCOPES = (
    Permission.READ_INCIDENTS,
    Permission.READ_EVIDENCE,
    Permission.READ_DETECTIONS,
    Permission.READ_HEALTH,
    Permission.WORK_INCIDENTS,
    Permission.JUDGE_INCIDENTS,
    Permission.HUNT,
)
"""What tokens can be for: the permissions that routes of the API name."""

READ_ONLY = frozenset(one for one in SCOPES if one.value.startswith("read "))
"""What a token is for where nobody says otherwise."""

_NOTE_EVERY = timedelta(minutes=1)
_SHAPE = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


class TooManyFailures(Exception):  # noqa: N818  # answered with 429
    """An address has sent too many tokens that are none; `seconds` to wait."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"Too many tokens that are none. Wait {seconds} seconds.")


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token as its owner and administrators see it."""

    uid: str
    account: str
    title: str
    scopes: tuple[Permission, ...]
    created: datetime
    expires: datetime
    used: datetime | None
    address: str


def read_scopes(names: Iterable[str], allowed: frozenset[Permission]) -> tuple[Permission, ...]:
    """Scopes by name. Raises Refused for none, and for what one may not do oneself."""
    given = set(names)
    known = {one.value for one in SCOPES if one in allowed}
    if not given:
        raise Refused("Choose what the token is for.")
    if not given <= known:
        raise Refused("A token can do nothing that you may not do yourself.")
    return tuple(one for one in SCOPES if one.value in given)


class Tokens:
    """The API tokens of a console."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(
        self, visitor: Visitor, title: str, scopes: Iterable[str], days: int, now: datetime
    ) -> str:
        """A new token, which is told this once. Raises Refused."""
        visitor.fresh(now)
        chosen = read_scopes(scopes, visitor.permissions)
        title = title.strip()[:MAX_TITLE]
        if not title:
            raise Refused("Give the token a name, by which you will know it.")
        if not 1 <= days <= MAX_DAYS:
            raise Refused(f"A token lasts from 1 to {MAX_DAYS} days.")
        token, uid = PREFIX + secrets.token_urlsafe(32), secrets.token_hex(8)
        expires = now + timedelta(days=days)
        with self._database.write() as connection:
            old = tokens.c.expires <= to_micros(now)
            connection.execute(delete(tokens).where(tokens.c.account == visitor.name, old))
            count = select(func.count()).select_from(tokens).where(tokens.c.account == visitor.name)
            if connection.execute(count).scalar_one() >= MAX_TOKENS:
                raise Refused(f"You have {MAX_TOKENS} tokens. Revoke some.")
            connection.execute(
                insert(tokens).values(
                    uid=uid, account=visitor.name, title=title, token=digest(token),
                    scopes=json.dumps(chosen), created=to_micros(now), expires=to_micros(expires),
                )
            )  # fmt: skip
            acts.enter(
                connection, now, "token-made", visitor.name, account=visitor.name, token=uid,
                title=title, scopes=", ".join(chosen), until=expires.isoformat(),
            )  # fmt: skip
        return token

    def all(self, now: datetime, of: str | None = None) -> list[ApiToken]:
        """Tokens that still work, by account and name; those of one account where `of` says so."""
        query = select(tokens).where(tokens.c.expires > to_micros(now))
        if of is not None:
            query = query.where(tokens.c.account == of)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(tokens.c.account, tokens.c.title))
            return [_token(row) for row in rows]

    def revoke(self, uid: str, by: str, now: datetime, of: str | None = None) -> None:
        """End a token, of this account where `of` says so. Raises Refused where there is none."""
        query = delete(tokens).where(tokens.c.uid == uid)
        if of is not None:
            query = query.where(tokens.c.account == of)
        with self._database.write() as connection:
            row = connection.execute(query.returning(tokens)).first()
            if row is None:
                raise Refused("There is no such token.")
            acts.enter(
                connection, now, "token-revoked", by,
                account=row.account, token=uid, title=row.title,
            )  # fmt: skip

    def holder(self, token: str, address: str, now: datetime) -> Visitor | None:
        """Who sent this token; None where it is none, or has ended.

        Failures are counted by address. Raises TooManyFailures; a right token is always taken.
        """
        found = self._found(token, address, now) if _SHAPE.fullmatch(token) else None
        if found is not None:
            return found
        with self._database.read() as connection:
            pause = lockout.wait(connection, "", address, now)
        if pause > timedelta(0):
            raise TooManyFailures(int(pause.total_seconds()) + 1)
        with self._database.write() as connection:
            if lockout.failed(connection, "", address, now):
                acts.enter(connection, now, "locked-out", "", address=address, means="token")
        return None

    def _found(self, token: str, address: str, now: datetime) -> Visitor | None:
        query = select(tokens).where(tokens.c.token == digest(token))
        with self._database.read() as connection:
            row = connection.execute(query).first()
            account = None if row is None else find_account(connection, row.account)
        if row is None or account is None or account.disabled is not None:
            return None
        if from_micros(row.expires) <= now:
            return None
        if row.used is None or now - from_micros(row.used) >= _NOTE_EVERY:
            with self._database.write() as connection:
                self._note(connection, row.uid, address, now)
        scopes = frozenset(_token(row).scopes)
        return Visitor(account, "", "", means=f"token:{row.uid}", scopes=scopes)

    def _note(self, connection: Connection, uid: str, address: str, now: datetime) -> None:
        values = {"used": to_micros(now), "address": address}
        connection.execute(update(tokens).where(tokens.c.uid == uid).values(values))


def _token(row: Any) -> ApiToken:  # a row has no static type in SQLAlchemy
    known = {one.value for one in SCOPES}
    return ApiToken(
        row.uid, row.account, row.title,
        tuple(Permission(one) for one in json.loads(row.scopes) if one in known),
        from_micros(row.created), from_micros(row.expires),
        None if row.used is None else from_micros(row.used), row.address or "",
    )  # fmt: skip
