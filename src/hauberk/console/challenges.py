"""What an answer from a browser has to fit: kept for minutes, for one browser, taken once."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select

from .accounts import Refused, digest
from .database import to_micros
from .tables import challenges

LASTS = timedelta(minutes=5)
MAX_OF_ADDRESS = 100
MAX_ROWS = 20_000
"""Rows that strangers may make; beyond it those that end soonest are forgotten."""


def keep(
    connection: Connection, token: str, purpose: str, holder: str, address: str, now: datetime,
    body: str = "",
) -> None:  # fmt: skip
    """Keep a challenge whose `token` the browser has. Raises Refused for an address with many."""
    connection.execute(delete(challenges).where(challenges.c.expires <= to_micros(now)))
    count = select(func.count()).select_from(challenges)
    if connection.execute(count.where(challenges.c.address == address)).scalar_one() >= (
        MAX_OF_ADDRESS
    ):
        raise Refused("Too many sign-ins have begun from here. Wait five minutes.")
    if connection.execute(count).scalar_one() >= MAX_ROWS:
        first = select(challenges.c.token).order_by(challenges.c.expires).limit(MAX_ROWS // 10)
        connection.execute(delete(challenges).where(challenges.c.token.in_(first)))
    connection.execute(
        insert(challenges).values(
            token=digest(token), purpose=purpose, holder=digest(holder), body=body,
            address=address, expires=to_micros(now + LASTS),
        )
    )  # fmt: skip


def take(
    connection: Connection, token: str, purpose: str, holder: str, now: datetime
) -> str | None:
    """The body of a challenge, which nobody gets again; None where there is none of this browser.

    In the caller's transaction, which must not be rolled back for a wrong answer.
    """
    row = connection.execute(
        delete(challenges).where(challenges.c.token == digest(token)).returning(challenges)
    ).first()
    if row is None or row.purpose != purpose or row.holder != digest(holder):
        return None
    return str(row.body) if row.expires > to_micros(now) else None
