"""Statements: what a person says and signs, as it stands in the ledger.

A statement is a JSON object; what is signed is a line that names its type, and its RFC 8785
canonical form, so that a signature under one type of statement is none under another. A statement
names the home that it was made for, and the time.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hauberk.errors import RefusedError

_DOMAIN = b"hauberk statement 1\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """A person's signature over one statement: who, with which key (its id), and the bytes."""

    person: str
    key: str
    value: bytes

    def as_json(self) -> dict[str, str]:
        """As it stands in a ledger entry."""
        value = base64.b64encode(self.value).decode()
        return {"person": self.person, "key": self.key, "signature": value}


def message(kind: str, statement: Mapping[str, Any]) -> bytes:
    """The bytes that are signed. Raises RefusedError for what is not JSON."""
    try:
        return _DOMAIN + kind.encode() + b"\n" + rfc8785.dumps(dict(statement))
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise RefusedError(f"this statement cannot be signed: {error}") from error


def holds(public: bytes, kind: str, statement: Mapping[str, Any], signature: bytes) -> bool:
    """Whether this is the key's signature over this statement."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message(kind, statement))
    except (InvalidSignature, ValueError, RefusedError):
        return False
    return True


def entry(
    kind: str, statement: Mapping[str, Any], signatures: Sequence[Signature] = ()
) -> dict[str, object]:
    """A ledger entry that holds a statement."""
    return {
        "type": kind,
        "statement": dict(statement),
        "signatures": [one.as_json() for one in signatures],
    }


def read_signatures(body: Mapping[str, Any]) -> list[Signature]:
    """The signatures of an entry. Raises ValueError where they are written otherwise."""
    found = []
    for one in body.get("signatures", []):
        if not isinstance(one, dict) or not all(isinstance(v, str) for v in one.values()):
            raise ValueError("a signature is not written as one")
        try:
            value = base64.b64decode(one["signature"], validate=True)
            found.append(Signature(one["person"], one["key"], value))
        except (KeyError, binascii.Error) as error:
            raise ValueError("a signature is not written as one") from error
    return found


def as_text(time: datetime) -> str:
    """A time as statements hold it: UTC, to the microsecond."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def as_time(text: object) -> datetime:
    """A time of a statement. Raises ValueError."""
    if not isinstance(text, str):
        raise ValueError("expected a time")
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} names no zone")
    return time.astimezone(UTC)


def is_digest(value: object) -> bool:
    """Whether this is a SHA-256 in lower-case hex."""
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")
