"""Failed sign-ins make the next one wait, longer each time.

Counted by account and address together, by account, and by address: one guesser is slowed soon,
many guessers at one account later, and the person it belongs to is not locked out by a stranger's
few tries from elsewhere. Names are counted whether or not an account has them.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.postgresql import insert  # SQLite takes its form too

from .database import from_micros, to_micros
from .tables import failures

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=24)
MAX_SUBJECTS = 50_000
"""Rows that guessers may make; beyond it those of longest ago are forgotten."""

_FREE = {"both": 3, "account": 12, "address": 30}
"""Failures after which waiting begins."""


def _subjects(name: str, address: str) -> Iterator[tuple[str, str]]:
    """What is counted; without a name the address alone."""
    for kind, what in (("both", f"{name}\n{address}"), ("account", name), ("address", address)):
        if name or kind == "address":
            yield kind, f"{kind}:{hashlib.sha256(what.encode()).hexdigest()}"


def wait(connection: Connection, name: str, address: str, now: datetime) -> timedelta:
    """How long this name from this address has to wait before it is looked at again."""
    longest = timedelta(0)
    for kind, subject in _subjects(name, address):
        row = connection.execute(select(failures).where(failures.c.subject == subject)).first()
        if row is None or row.number < _FREE[kind]:
            continue
        last = from_micros(row.last)
        if now - last < FORGOTTEN_AFTER:
            # The exponent is bounded: a large one would overflow what a time can hold.
            doubled = FIRST_WAIT * 2 ** min(12, row.number - _FREE[kind])
            longest = max(longest, min(LONGEST_WAIT, doubled) - (now - last))
    return longest


def failed(connection: Connection, name: str, address: str, now: datetime) -> bool:
    """Count a failure; whether waiting begins or grows with it."""
    at = to_micros(now)
    oldest = to_micros(now - FORGOTTEN_AFTER)
    connection.execute(delete(failures).where(failures.c.last < oldest))
    number = connection.execute(select(func.count()).select_from(failures)).scalar_one()
    if number > MAX_SUBJECTS:
        first = select(failures.c.subject).order_by(failures.c.last).limit(MAX_SUBJECTS // 10)
        connection.execute(delete(failures).where(failures.c.subject.in_(first)))
    locked = False
    for kind, subject in _subjects(name, address):
        row = insert(failures).values(subject=subject, number=1, last=at)
        changed = {"number": failures.c.number + 1, "last": at}
        told = connection.execute(
            row.on_conflict_do_update(index_elements=["subject"], set_=changed).returning(
                failures.c.number
            )
        ).scalar_one()
        locked = locked or told >= _FREE[kind]
    return locked


def succeeded(connection: Connection, name: str, address: str) -> None:
    """Forget the failures of this name from this address."""
    for kind, subject in _subjects(name, address):
        if kind != "address":
            connection.execute(delete(failures).where(failures.c.subject == subject))
