"""Keys of persons: Ed25519, a private half in a 0600 file of its own, never in a home.

A passphrase is optional; with one the file is encrypted PKCS#8.
"""

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_public_key,
)

from hauberk.errors import UsageError

from .statements import Signature, message


def key_id(public: bytes) -> str:
    """What names a public key: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class PersonalKey:
    """A person's private key at hand; signs statements as that person."""

    person: str
    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """The public half, 32 bytes."""
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, kind: str, statement: dict[str, Any]) -> Signature:
        """Sign a statement."""
        value = self.private.sign(message(kind, statement))
        return Signature(self.person, key_id(self.public), value)


def write_private(path: Path, pem: bytes) -> None:
    """Write a key file for its owner alone. Raises UsageError where there is one already."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(pem)
            out.flush()
            os.fsync(out.fileno())
    except FileExistsError as error:
        raise UsageError(
            "there is a file already", where=str(path), hint="A key is never overwritten"
        ) from error
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(path)) from error


def make_key(person: str, path: Path, passphrase: str | None = None) -> PersonalKey:
    """Make a key for a person in a new file (0600). Raises UsageError."""
    key = PersonalKey(person, Ed25519PrivateKey.generate())
    lock = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    write_private(path, key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
    return key


def load_key(person: str, path: Path, passphrase: str | None = None) -> PersonalKey:
    """Read a person's private key. Raises UsageError, also where others may read the file."""
    data = read_private(path)
    try:
        key = load_pem_private_key(data, passphrase.encode() if passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(
            f"this is no private key that can be opened: {error}",
            where=str(path),
            hint="Give its passphrase in HAUBERK_PASSPHRASE if it has one",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError("this is no Ed25519 key", where=str(path))
    return PersonalKey(person, key)


def read_private(path: Path) -> bytes:
    """A private key's file. Raises UsageError where it is absent or others may read it."""
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the private key cannot be read: {error.strerror}",
            where=str(path),
            hint="Name its file with --key",
        ) from error
    if os.name == "posix" and mode & 0o077:
        raise UsageError(
            "others than its owner may read this private key",
            where=str(path),
            hint=f"chmod 600 {path}",
        )
    return data


def read_public(text: str) -> bytes:
    """A public key of 32 bytes from base64, PEM or an OpenSSH line. Raises UsageError."""
    stripped = text.strip()
    try:
        if stripped.startswith("-----BEGIN"):
            key = load_pem_public_key(stripped.encode())
        elif stripped.startswith("ssh-"):
            key = load_ssh_public_key(stripped.encode())
        else:
            key = Ed25519PublicKey.from_public_bytes(base64.b64decode(stripped, validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise UsageError(
            "this is no public key", hint="Expected Ed25519 as PEM, OpenSSH line or base64"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError("this is no Ed25519 public key")
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
