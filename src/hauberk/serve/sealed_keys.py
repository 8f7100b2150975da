"""Keys of a backup, sealed by a passphrase: scrypt (RFC 7914) and AES-256-GCM (NIST SP 800-38D)."""

import base64
import json
import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hauberk.errors import UsageError

COST, BLOCK, PARALLEL = 2**17, 8, 1
"""128 MiB and some 0.4 s for each guess; nothing else is opened, whatever a file asks for."""

MIN_PASSPHRASE = 12
_VERSION = "hauberk-keys-1"


def check_passphrase(passphrase: str) -> None:
    """Raises UsageError where it would not guard keys."""
    if len(passphrase) < MIN_PASSPHRASE:
        raise UsageError(f"the passphrase has fewer than {MIN_PASSPHRASE} characters")


def seal(files: Mapping[str, bytes], passphrase: str, origin: str) -> bytes:
    """Files by path, sealed for the home whose ledger is named `origin`."""
    check_passphrase(passphrase)
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    plain = json.dumps({name: base64.b64encode(data).decode() for name, data in files.items()})
    sealed = AESGCM(_key(passphrase, salt)).encrypt(nonce, plain.encode(), _about(origin))
    parts = {"salt": salt, "nonce": nonce, "sealed": sealed}
    told = {name: base64.b64encode(data).decode() for name, data in parts.items()}
    return json.dumps({"version": _VERSION, **told}).encode()


def unseal(data: bytes, passphrase: str, origin: str) -> dict[str, bytes]:
    """The files again. Raises UsageError where it is another passphrase, or data was changed."""
    try:
        told = json.loads(data)
        if told["version"] != _VERSION:
            raise ValueError("another version")
        salt, nonce, sealed = (
            base64.b64decode(told[name], validate=True) for name in ("salt", "nonce", "sealed")
        )
        plain = AESGCM(_key(passphrase, salt)).decrypt(nonce, sealed, _about(origin))
        found = {name: base64.b64decode(one) for name, one in json.loads(plain).items()}
    except InvalidTag as error:
        raise UsageError(
            "the keys do not open: the passphrase is another, or the backup was changed"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError("the sealed keys cannot be read") from error
    return found


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=COST, r=BLOCK, p=PARALLEL).derive(passphrase.encode())


def _about(origin: str) -> bytes:
    return f"{_VERSION} {origin}".encode()
