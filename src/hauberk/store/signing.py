"""Signed checkpoints: the C2SP signed-note and tlog-checkpoint formats, Ed25519.

A checkpoint is three lines (origin, tree size, root hash in base64), an empty line, and a line
for the signature. The public key is written beside the private one in the note verifier format
`<name>+<key id>+<base64>`, and nothing else is needed to check a checkpoint.

Source: https://c2sp.org/signed-note and https://c2sp.org/tlog-checkpoint.
"""

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from hauberk.errors import HomeDamagedError

_ED25519 = b"\x01"


def _key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The ledger at one size: what a signature is given for."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The signed text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Verifier:
    """A named public key that checks notes."""

    name: str
    public: bytes

    @property
    def text(self) -> str:
        """The key in note verifier format."""
        encoded = base64.b64encode(_ED25519 + self.public).decode()
        return f"{self.name}+{_key_id(self.name, self.public).hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """Read the note verifier format; ValueError where it is something else."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise ValueError("the public key is not in base64") from error
        if len(key) != 33 or key[:1] != _ED25519 or _key_id(name, key[1:]).hex() != key_id:
            raise ValueError("this is no Ed25519 note verifier key")
        return cls(name, key[1:])

    def open(self, note: str) -> Checkpoint:
        """The checkpoint in a signed note; ValueError where signature or form are wrong."""
        text, separator, signatures = note.partition("\n\n")
        if not separator:
            raise ValueError("the note has no signature")
        text += "\n"
        wanted = f"— {self.name} "
        for line in signatures.splitlines():
            if line.startswith(wanted):
                break
        else:
            raise ValueError(f"the note is not signed by {self.name}")
        try:
            signature = base64.b64decode(line.removeprefix(wanted), validate=True)
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature[4:], text.encode())
            origin, size, root = text.splitlines()
            checkpoint = Checkpoint(origin, int(size), base64.b64decode(root, validate=True))
        except (InvalidSignature, binascii.Error, ValueError) as error:
            raise ValueError("the signature is not of this text and key") from error
        # Base64 and integers have more than one spelling; only the canonical one is a checkpoint.
        if signature[:4] != _key_id(self.name, self.public) or checkpoint.text != text:
            raise ValueError("the note is not written as a checkpoint is")
        return checkpoint


@dataclass(frozen=True, slots=True)
class Signer:
    """A named private key that signs checkpoints."""

    name: str
    key: Ed25519PrivateKey

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        public = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return Verifier(self.name, public)

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note of a checkpoint."""
        signature = self.key.sign(checkpoint.text.encode())
        key_id = _key_id(self.name, self.verifier.public)
        return f"{checkpoint.text}\n— {self.name} {base64.b64encode(key_id + signature).decode()}\n"


KEY_FILE = "ledger.pem"
PUBLIC_KEY_FILE = "ledger.pub"


def make_keys(folder: Path, name: str) -> Signer:
    """Make a signing key in `folder` (0600) and its public key beside it."""
    signer = Signer(name, Ed25519PrivateKey.generate())
    pem = signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for file, data in (
        (folder / PUBLIC_KEY_FILE, signer.verifier.text.encode() + b"\n"),
        (folder / KEY_FILE, pem),
    ):
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
    return signer


def load_signer(folder: Path, name: str) -> Signer:
    """Read the signing key; HomeDamagedError where it is missing or no key."""
    file = folder / KEY_FILE
    try:
        key = load_pem_private_key(file.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise HomeDamagedError(
            "the key that signs the ledger cannot be read",
            where=str(file),
            hint="Restore it from a backup: entries signed by another key would not verify",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise HomeDamagedError("this is no Ed25519 key", where=str(file))
    return Signer(name, key)


def load_verifier(folder: Path) -> Verifier:
    """Read the public key; ValueError or OSError where there is none."""
    return Verifier.parse((folder / PUBLIC_KEY_FILE).read_text("utf-8"))
