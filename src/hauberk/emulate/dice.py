"""Chance: every actor has dice of its own, so that one more actor changes nobody else's day."""

import math
from bisect import bisect
from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from itertools import accumulate
from random import Random
from typing import TypeVar

T = TypeVar("T")

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@cache
def _zipf(length: int, steepness: float) -> list[float]:
    return list(accumulate(1 / rank**steepness for rank in range(1, length + 1)))


class Dice(Random):
    """Random numbers that a name leads to: the same name, the same numbers."""

    @classmethod
    def of(cls, *name: object) -> "Dice":
        """Dice for a name, such as a seed, a role and a host."""
        digest = blake2b("/".join(map(str, name)).encode(), digest_size=16).digest()
        return cls(int.from_bytes(digest))

    def zipf(self, items: Sequence[T], steepness: float = 1.1) -> T:
        """One of `items`, the first far more often than the last."""
        weights = _zipf(len(items), steepness)
        return items[bisect(weights, self.random() * weights[-1])]

    def around(self, middle: float, spread: float = 0.5) -> float:
        """A positive number whose median is `middle`; `spread` is that of its logarithm."""
        return middle * math.exp(self.gauss(0, spread))

    def often(self, mean: float) -> float:
        """Seconds until something that happens every `mean` seconds happens again."""
        return self.expovariate(1 / mean)

    def jittered(self, period: float, share: float = 0.1) -> float:
        """A period, more or less."""
        return period * (1 + self.uniform(-share, share))

    def chance(self, share: float) -> bool:
        """True in `share` of all cases."""
        return self.random() < share

    def hex(self, digits: int) -> str:
        """That many hexadecimal digits."""
        return f"{self.getrandbits(4 * digits):0{digits}x}"

    def letters(self, count: int) -> str:
        """That many small letters."""
        return "".join(self.choices(_LETTERS, k=count))

    def token(self, count: int) -> str:
        """That many letters and digits."""
        return "".join(self.choices(_ALPHABET, k=count))

    def guid(self) -> str:
        """A GUID without braces, in capitals."""
        text = self.hex(32).upper()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
