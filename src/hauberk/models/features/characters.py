"""How surprising the characters of a name are, by a smoothed 4-gram model of ordinary names.

Interpolated back-off (each order is smoothed towards the next lower one with the same weight),
kept as one table of log2 probabilities: 40 x 40 x 40 x 40 for three characters of context.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .hashing import Bytes

SYMBOLS = 40
_ORDER = 4
_SMOOTHING = 5.0

_CODES = np.full(256, SYMBOLS - 1, dtype=np.int64)
_CODES[0] = 0
for _place, _symbol in enumerate(b"abcdefghijklmnopqrstuvwxyz0123456789-_", start=1):
    _CODES[_symbol] = _place


@dataclass(frozen=True, slots=True)
class CharacterModel:
    """`table[c3, c2, c1, c0]`: log2 probability of c0 after c3, c2, c1 (0 is begin and end)."""

    table: NDArray[np.float16]

    @classmethod
    def learn(cls, padded: Bytes) -> "CharacterModel":
        """Learn from rows of a zero-padded byte matrix of names that are ordinary."""
        contexts, real = _grams(padded)
        flat = contexts[real]
        counts = np.bincount(flat, minlength=SYMBOLS**_ORDER).astype(np.float64)
        counts = counts.reshape((SYMBOLS,) * _ORDER)
        lower = np.full(SYMBOLS, 1.0 / SYMBOLS)
        for order in range(1, _ORDER + 1):
            seen = counts.sum(axis=tuple(range(_ORDER - order)))
            lower = (seen + _SMOOTHING * lower) / (seen.sum(-1, keepdims=True) + _SMOOTHING)
        return cls(np.log2(lower).astype(np.float16))

    def bits(self, padded: Bytes) -> NDArray[np.float64]:
        """Log2 probability of each character (and the end) of each row; 0 beyond the end."""
        contexts, real = _grams(padded)
        return np.where(real, self.table.reshape(-1)[contexts], np.float16(0)).astype(np.float64)


def _grams(padded: Bytes) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The flat index of each 4-gram that ends at each place, and whether that place is real."""
    height = len(padded)
    codes = np.zeros((height, _ORDER - 1 + padded.shape[1] + 1), dtype=np.int64)
    codes[:, _ORDER - 1 : -1] = _CODES[padded]
    flat = codes[:, : -_ORDER + 1]
    for offset in range(1, _ORDER):
        flat = flat * SYMBOLS + codes[:, offset : codes.shape[1] - _ORDER + 1 + offset]
    last = codes[:, _ORDER - 1 :]
    before = codes[:, _ORDER - 2 : -1]
    real = (last > 0) | (before > 0)
    real[:, 0] = True
    return flat, real
