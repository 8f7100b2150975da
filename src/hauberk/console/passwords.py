"""Passwords: argon2id (RFC 9106), one way, few at a time."""

import threading
import unicodedata
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 12
MAX_LENGTH = 256
_AT_ONCE = 2
"""Hashes computed at a time: each takes 64 MiB, and strangers may ask for them."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Parameters of argon2id; the first recommendation of RFC 9106 that needs 64 MiB."""

    passes: int = 3
    kibibytes: int = 64 << 10
    lanes: int = 4


class Passwords:
    """Makes and checks hashes."""

    def __init__(self, cost: Cost = Cost()) -> None:  # frozen
        self._hasher = PasswordHasher(cost.passes, cost.kibibytes, cost.lanes)
        self._turn = threading.BoundedSemaphore(_AT_ONCE)
        self._nobody = self.hashed("a password that nobody has")

    def hashed(self, password: str) -> str:
        """A password's hash, with its salt and parameters."""
        with self._turn:
            return self._hasher.hash(_normal(password))

    def holds(self, stored: str | None, password: str) -> bool:
        """Whether this is the password; takes as long where there is none (None, or empty)."""
        if len(password) > MAX_LENGTH:
            return False
        try:
            with self._turn:
                right = self._hasher.verify(stored or self._nobody, _normal(password))
        except (VerificationError, InvalidHashError):
            return False
        return right and bool(stored)


def fault_of(password: str, again: str, name: str) -> str | None:
    """What is wrong with a new password, as a sentence; None where nothing is."""
    plain = _normal(password)
    if password != again:
        return "The two passwords differ."
    if len(plain) < MIN_LENGTH:
        return f"A password has at least {MIN_LENGTH} characters."
    if len(plain) > MAX_LENGTH:
        return f"A password has at most {MAX_LENGTH} characters."
    if len(set(plain)) < 5 or (name and name.casefold() in plain.casefold()):
        return "This password is too easy to guess."
    return None


def _normal(password: str) -> str:
    """The same characters whichever keyboard they came from."""
    return unicodedata.normalize("NFKC", password)
