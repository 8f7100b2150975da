"""Who may do what: persons, their roles and keys, and the policy in force, folded from the ledger.

Nothing here is stored: it is computed from signed statements in the order of the ledger. An entry
whose signatures do not hold, or whose signers had no right to it at that point, changes nothing
and is remembered as a fault.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hauberk.store import Entry

from .keys import key_id, read_public
from .policy import Policy, Quorum, default_policy, read_policy
from .statements import Signature, as_time, holds, message, read_signatures

PREFIXES = ("person.", "policy.")
ADDED, ROLES, KEY_ADDED, KEY_REVOKED, LEFT = (
    "person.added",
    "person.roles",
    "person.key_added",
    "person.key_revoked",
    "person.left",
)
ADOPTED = "policy.adopted"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A person's key. What it signed at or after `void_since` does not count."""

    uid: str
    public: bytes
    added: datetime
    void_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign, by name; `left` once they are no longer here."""

    name: str
    roles: frozenset[str]
    keys: tuple[PublicKey, ...]
    added: datetime
    left: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """An entry that changed nothing, and why."""

    position: int
    type: str
    reason: str

    def __str__(self) -> str:
        return f"ledger entry {self.position} ({self.type}): {self.reason}"


class Unfounded(Exception):  # noqa: N818  # a reason, which becomes a Fault
    """A statement that is not covered by its signatures or by the rights of who signed."""


@dataclass(slots=True)
class Authority:
    """Persons and policies as the ledger's entries say, up to some point of it."""

    home: str
    people: dict[str, Person] = field(default_factory=dict)
    policies: list[tuple[int, Policy]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _signed: dict[bytes, int] = field(default_factory=dict)  # where each statement stood first

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.policies[-1][1] if self.policies else default_policy()

    def was_in_force(self, digest: str) -> Policy | None:
        """A policy that is or was in force here, by its digest."""
        known = [default_policy(), *(policy for _, policy in self.policies)]
        return next((policy for policy in known if policy.digest == digest), None)

    def take(self, entry: Entry) -> None:
        """Take the next entry; one of another type is passed over."""
        step = _STEPS.get(entry.type)
        if step is None:
            return
        try:
            statement = self.statement(entry)
            step(self, entry, statement)
        except (Unfounded, ValueError, KeyError, TypeError, AttributeError) as error:
            # Whatever stands in an entry: one that cannot be read founds nothing.
            self.faults.append(Fault(entry.position, entry.type, str(error) or repr(error)))
        except Exception as error:  # noqa: BLE001  # a HauberkError of a part that it holds
            self.faults.append(Fault(entry.position, entry.type, str(error)))

    def statement(self, entry: Entry) -> Mapping[str, Any]:
        """The statement of an entry. Raises Unfounded where it was made for another home."""
        statement = entry.body.get("statement")
        if not isinstance(statement, dict):
            raise Unfounded("it holds no statement")
        if statement.get("home") != self.home:
            raise Unfounded(f"it was made for another home, {statement.get('home')}")
        return statement

    def signers(self, entry: Entry) -> list[Person]:
        """The persons whose signatures the entry bears. Raises Unfounded where one does not hold.

        A key counts from when it was added, and until it was revoked or its owner left. A
        statement counts once: whoever plays it again has signed nothing.
        """
        statement = entry.body["statement"]
        signatures = read_signatures(entry.body)
        found = [self._signer(one, entry.type, statement) for one in signatures]
        if found:
            digest = hashlib.sha256(message(entry.type, statement)).digest()
            first = self._signed.setdefault(digest, entry.position)
            if first != entry.position:
                raise Unfounded(f"ledger entry {first} holds this statement: it was played again")
        return found

    def _signer(self, signature: Signature, kind: str, statement: Mapping[str, Any]) -> Person:
        person = self.people.get(signature.person)
        if person is None:
            raise Unfounded(f"there is no person {signature.person}")
        if person.left is not None:
            raise Unfounded(f"{person.name} has left")
        key = next((one for one in person.keys if one.uid == signature.key), None)
        if key is None:
            raise Unfounded(f"{person.name} has no key {signature.key}")
        if key.void_since is not None:
            raise Unfounded(f"the key {key.uid} of {person.name} was revoked")
        if not holds(key.public, kind, statement, signature.value):
            raise Unfounded(f"the signature of {person.name} does not hold")
        return person

    def require(self, entry: Entry, roles: Sequence[str], what: str) -> Person:
        """A signer who has one of the roles. Raises Unfounded."""
        signers = self.signers(entry)
        for person in signers:
            if person.roles & set(roles):
                return person
        raise Unfounded(f"{what} takes a signature of {' or '.join(roles)}")

    def void(self, signature: Signature, at: datetime) -> str | None:
        """Why a signature that once held no longer counts; None where it does."""
        person = self.people.get(signature.person)
        key = (
            next((one for one in person.keys if one.uid == signature.key), None) if person else None
        )
        if key is None:
            return f"{signature.person} has no key {signature.key}"
        if key.void_since is not None and at >= key.void_since:
            return f"the key {key.uid} of {signature.person} was revoked"
        return None

    def _added(self, entry: Entry, statement: Mapping[str, Any]) -> None:
        name, at = _name(statement), entry.time
        if name in self.people:
            raise Unfounded(f"there is a person {name} already")
        roles = self._roles(statement)
        key = _key(statement, at)
        person = Person(name, roles, (key,), at)
        if not self.people:
            # The first person vouches for itself: all others follow from it.
            self.people[name] = person
            try:
                self.require(entry, self.policy.people_changed_by, "the first person")
            except Unfounded:
                del self.people[name]
                raise
            return
        self.require(entry, self.policy.people_changed_by, "adding a person")
        self.people[name] = person

    def _changed_roles(self, entry: Entry, statement: Mapping[str, Any]) -> None:
        person = self._person(statement)
        self.require(entry, self.policy.people_changed_by, "giving roles")
        self.people[person.name] = replace(person, roles=self._roles(statement))

    def _added_key(self, entry: Entry, statement: Mapping[str, Any]) -> None:
        person = self._person(statement)
        self._self_or_admin(entry, person, "adding a key")
        key = _key(statement, entry.time)
        if any(one.uid == key.uid for one in person.keys):
            raise Unfounded("this person has that key already")
        self.people[person.name] = replace(person, keys=(*person.keys, key))

    def _revoked_key(self, entry: Entry, statement: Mapping[str, Any]) -> None:
        person = self._person(statement)
        self._self_or_admin(entry, person, "revoking a key")
        uid, since = statement["key"], as_time(statement["since"])
        if since > entry.time:
            raise Unfounded("a key is revoked from now or from earlier on, not from later")
        if all(one.uid != uid for one in person.keys):
            raise Unfounded(f"{person.name} has no key {uid}")
        keys = tuple(
            replace(one, void_since=min(since, one.void_since or since)) if one.uid == uid else one
            for one in person.keys
        )
        self.people[person.name] = replace(person, keys=keys)

    def _left(self, entry: Entry, statement: Mapping[str, Any]) -> None:
        person = self._person(statement)
        self.require(entry, self.policy.people_changed_by, "removing a person")
        self.people[person.name] = replace(person, left=entry.time)

    def _adopted(self, entry: Entry, statement: Mapping[str, Any]) -> None:
        policy = read_policy(str(statement["text"]))
        if policy.digest != statement["policy"]:
            raise Unfounded("the policy's text has another digest than was signed")
        if statement["replaces"] != self.policy.digest:
            raise Unfounded("it replaces another policy than the one in force")
        missing = lacking(self.signers(entry), self.policy.change)
        if missing:
            raise Unfounded(f"a change of policy lacks {', '.join(missing)}")
        self.policies.append((entry.position, policy))

    def _person(self, statement: Mapping[str, Any]) -> Person:
        name = _name(statement)
        if name not in self.people:
            raise Unfounded(f"there is no person {name}")
        return self.people[name]

    def _roles(self, statement: Mapping[str, Any]) -> frozenset[str]:
        roles = frozenset(statement["roles"])
        strange = roles - set(self.policy.roles)
        if strange or not roles:
            raise Unfounded(f"the policy has no role {min(strange) if strange else 'named'}")
        return roles

    def _self_or_admin(self, entry: Entry, person: Person, what: str) -> None:
        signers = self.signers(entry)
        if person.name not in {one.name for one in signers}:
            self.require(entry, self.policy.people_changed_by, what)


_STEPS = {
    ADDED: Authority._added,
    ROLES: Authority._changed_roles,
    KEY_ADDED: Authority._added_key,
    KEY_REVOKED: Authority._revoked_key,
    LEFT: Authority._left,
    ADOPTED: Authority._adopted,
}


def lacking(people: Iterable[Person], wanted: Quorum) -> list[str]:
    """What is missing of a quorum: roles without a person, and persons to the number."""
    by_name = {person.name: person for person in people}
    missing = [
        f"a signature of {role}"
        for role in wanted.roles
        if not any(role in person.roles for person in by_name.values())
    ]
    if len(by_name) < wanted.quorum:
        missing.append(f"{wanted.quorum - len(by_name)} more of {wanted.quorum} persons")
    return missing


def _name(statement: Mapping[str, Any]) -> str:
    name = statement["name"]
    if not isinstance(name, str) or not 0 < len(name) <= 100 or not name.isprintable():
        raise Unfounded("a person needs a name")
    return name


def _key(statement: Mapping[str, Any], at: datetime) -> PublicKey:
    public = read_public(str(statement["public_key"]))
    return PublicKey(key_id(public), public, at)


def encoded(public: bytes) -> str:
    """A public key as statements hold it."""
    return base64.b64encode(public).decode()
