"""Statements that people sign in their browsers: prepared, told in words, checked, handed on.

The console holds no person's private key. It makes the exact statement; the person's browser signs
it; what comes back is held against the home's registry here, and again by whoever writes the home.
"""

import base64
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select

from hauberk.errors import HauberkError
from hauberk.governance import Person, encoded, entry, key_id, read_public
from hauberk.models import ROLLED_BACK, Registry, Task, admit_statement, read_registry, way_back
from hauberk.store import Entry

from . import acts
from .accounts import Refused
from .database import Database
from .models_reading import ModelRoom
from .tables import facts

ACT = "statement"
"""Kind of the acts that carry a statement (`hauberk.pipeline.STATEMENT` without its prefix)."""

MAX_SIGNED = 8000
_OFFER = "signing_key:"


@dataclass(frozen=True, slots=True)
class Signer:
    """Who somebody of the console is in the registry; `lacks` says why they cannot sign."""

    person: Person | None
    keys: Sequence[str]
    lacks: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A public key that somebody made in their browser and wants to sign with."""

    name: str
    public: bytes
    at: datetime

    @property
    def key(self) -> str:
        """The key's id."""
        return key_id(self.public)

    @property
    def encoded(self) -> str:
        """The key as base64."""
        return encoded(self.public)


def signer_of(registry: Registry, name: str) -> Signer:
    """Who of the registry an account is: the person of equal name."""
    person = registry.authority.people.get(name)
    if person is None:
        roles = " or ".join(registry.authority.policy.people_changed_by)
        said = f"The registry knows no person {name}. Whoever is {roles} there can add you."
        return Signer(None, (), said)
    if person.left is not None:
        return Signer(person, (), f"By the registry, {name} has left.")
    keys = [one.uid for one in person.keys if one.void_since is None]
    if not keys:
        return Signer(person, (), f"The registry has no key of {name} that counts.")
    return Signer(person, keys, "")


class StatementDesk:
    """Takes what browsers signed, and keys that they offer."""

    def __init__(self, database: Database, room: ModelRoom, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._room = room
        self._clock = clock

    def submit(self, signed: str, kinds: Collection[str], field: str, value: str, by: str) -> None:
        """Check a signed statement of these types and enter it as an act of `by`.

        Its `field` must be `value`: a page takes only what is about its subject. Raises Refused.
        """
        body = _read(signed)
        if body["type"] not in kinds or body["statement"].get(field) != value:
            raise Refused("That is another statement than this page asked for.")
        persons = {one.get("person") for one in body["signatures"] if isinstance(one, dict)}
        if persons != {by}:
            raise Refused(f"It has to bear the signature of {by}, and of nobody else.")
        self._enter(body, by)

    def roll_back(self, task: Task, reason: str, by: str, *, to_rules: bool) -> str:
        """Roll a task's models back, which takes no signature; what judges then. Raises Refused."""
        if not reason.strip():
            raise Refused("Say why.")
        said = f"{reason.strip()[:1000]} ({by}, in the console)"
        with self._room.open() as home:
            registry = read_registry(home)
            try:
                target, statement = way_back(
                    home, registry, task, self._clock(), reason=said, to_rules=to_rules
                )
            except HauberkError as error:
                raise Refused(_sentence(error)) from error
        self._enter(entry(ROLLED_BACK, statement), by)
        return target.name if target else "rules alone"

    def _enter(self, body: Mapping[str, Any], by: str) -> None:
        """Enter what the home is to take; what it will refuse too, so that it is told of there."""
        now, said, refused = self._clock(), body["statement"], None
        with self._room.open() as home:
            registry, size = read_registry(home), home.ledger.size
            made = Entry(size, str(body["type"]), now, {**body, "by": by})
            try:
                admit_statement(home, registry, made)
            except HauberkError as error:
                refused = Refused(_sentence(error))
            version = registry.versions.get(str(said.get("artifact")))
        about = version.name if version else str(said.get("name") or said.get("task"))
        what, signed = str(body["type"]), json.dumps(body)
        with self._database.write() as connection:
            acts.enter(connection, now, ACT, by, about=about, what=what, signed=signed)
        if refused is not None:
            raise refused

    def waiting(self) -> int:
        """How many statements the home does not have yet."""
        with self._database.read() as connection:
            return sum(one.kind == ACT for one in acts.waiting(connection, 1000))

    def offer(self, name: str, text: str) -> None:
        """Remember a public key that somebody's browser made. Raises Refused."""
        try:
            public = read_public(text)
        except HauberkError as error:
            raise Refused(_sentence(error)) from error
        now, key = self._clock(), _OFFER + name
        value = json.dumps({"key": encoded(public), "at": now.isoformat()})
        with self._database.write() as connection:
            connection.execute(delete(facts).where(facts.c.key == key))
            connection.execute(insert(facts).values(key=key, value=value))
            acts.enter(connection, now, "signing-key-offered", name, key=key_id(public))

    def offers(self, registry: Registry) -> list[Offer]:
        """Keys that were offered and that the registry does not know yet."""
        query = select(facts).where(facts.c.key.startswith(_OFFER, autoescape=True))
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(facts.c.key)).all()
        found = []
        for row in rows:
            said = json.loads(row.value)
            name = str(row.key).removeprefix(_OFFER)
            public = base64.b64decode(said["key"])
            offer = Offer(name, public, datetime.fromisoformat(said["at"]))
            person = registry.authority.people.get(name)
            if person is None or all(one.uid != offer.key for one in person.keys):
                found.append(offer)
        return found


def days_of(registry: Registry) -> list[int]:
    """How long an approval may last, to choose from."""
    most = registry.authority.policy.approval_days
    return sorted({one for one in (7, 30, 90, most) if one <= most}, reverse=True)


def _read(signed: str) -> dict[str, Any]:
    if not signed.strip() or len(signed) >= MAX_SIGNED:
        raise Refused("There is no signed statement in this form.")
    try:
        body = json.loads(signed)
    except (ValueError, RecursionError) as error:
        raise Refused("This is no signed statement: it is no JSON.") from error
    good = (
        isinstance(body, dict)
        and body.keys() == {"type", "statement", "signatures"}
        and isinstance(body["type"], str)
        and isinstance(body["statement"], dict)
        and isinstance(body["signatures"], list)
    )
    if not good:
        raise Refused("This is no signed statement: it has other parts.")
    found: dict[str, Any] = body
    return found


def _sentence(error: HauberkError) -> str:
    return f"{error.what[:1].upper()}{error.what[1:]}."
