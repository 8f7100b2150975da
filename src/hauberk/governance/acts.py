"""Acts on persons and policy, as ledger entries: built and signed here, stored by who asks.

Each takes the home's name and the time, so that an act can be signed where no home is; without a
key it stays unsigned, for somebody to sign elsewhere.
"""

from collections.abc import Sequence
from datetime import datetime

from .authority import ADDED, ADOPTED, KEY_ADDED, KEY_REVOKED, LEFT, ROLES, encoded
from .keys import PersonalKey
from .policy import Policy
from .statements import as_text, entry

Body = dict[str, object]


def _act(
    kind: str, home: str, now: datetime, signers: Sequence[PersonalKey | None], **fields: object
) -> Body:
    statement = {"home": home, "at": as_text(now), **fields}
    return entry(kind, statement, [key.sign(kind, statement) for key in signers if key])


def add_person(
    home: str, now: datetime, name: str, roles: Sequence[str], public: bytes, by: PersonalKey | None
) -> Body:
    """Add a person; the first one signs for itself."""
    fields = {"name": name, "roles": sorted(set(roles)), "public_key": encoded(public)}
    return _act(ADDED, home, now, [by], **fields)


def give_roles(home: str, now: datetime, name: str, roles: Sequence[str], by: PersonalKey) -> Body:
    """Give a person these roles in place of theirs."""
    return _act(ROLES, home, now, [by], name=name, roles=sorted(set(roles)))


def add_key(home: str, now: datetime, name: str, public: bytes, by: PersonalKey | None) -> Body:
    """Add a key to a person, signed with a key of theirs or by who may change people."""
    return _act(KEY_ADDED, home, now, [by], name=name, public_key=encoded(public))


def revoke_key(
    home: str,
    now: datetime,
    name: str,
    key: str,
    since: datetime,
    reason: str,
    by: PersonalKey | None,
) -> Body:
    """Revoke a person's key: what it signed at or after `since` no longer counts."""
    fields = {"name": name, "key": key, "since": as_text(since), "reason": reason}
    return _act(KEY_REVOKED, home, now, [by], **fields)


def remove_person(home: str, now: datetime, name: str, by: PersonalKey) -> Body:
    """Say that a person has left: they sign no more. Their votes stand until they expire."""
    return _act(LEFT, home, now, [by], name=name)


def adopt_policy(
    home: str, now: datetime, policy: Policy, replaces: str, signers: Sequence[PersonalKey]
) -> Body:
    """Adopt a policy in place of the one of that digest, with as many signatures as it demands."""
    fields = {"policy": policy.digest, "text": policy.text, "replaces": replaces}
    return _act(ADOPTED, home, now, signers, **fields)
