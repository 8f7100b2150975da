"""Secrets that must be read again: sealed with a key that is in a file, not in the database."""

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from hauberk.errors import HomeDamagedError

from .private_files import read_private, write_private

KEY_FILE = "secrets.key"


class Seal:
    """Seals and opens small secrets (AES-128-CBC with HMAC-SHA-256, as Fernet defines)."""

    def __init__(self, key: bytes) -> None:
        self._box = Fernet(key)

    @classmethod
    def of(cls, folder: Path) -> "Seal":
        """The seal of a folder; its key is made where there is none.

        Raises UsageError where others may read the key.
        """
        path = folder / KEY_FILE
        if not os.path.lexists(path):
            write_private(path, Fernet.generate_key())
        return cls(read_private(path))

    def close(self, secret: bytes) -> str:
        """The secret, sealed."""
        return self._box.encrypt(secret).decode("ascii")

    def open(self, sealed: str) -> bytes:
        """The secret again. Raises HomeDamagedError where another key sealed it."""
        try:
            return self._box.decrypt(sealed.encode("ascii", "replace"))
        except InvalidToken as error:
            raise HomeDamagedError(
                "a secret of the console was sealed with another key",
                where=KEY_FILE,
                hint="Restore the key from a backup, or give the person a new link",
            ) from error
