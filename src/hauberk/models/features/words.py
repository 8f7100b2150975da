"""A vocabulary as plain arrays, and the cheapest way to read a name as words of it.

The cost of a word is minus its log2 frequency; a character outside of any word costs more than
any character of a known word. Names made of random letters cannot be read cheaply; names made of
many words can be, but are long and have more words than people give to their names.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .hashing import Bytes, Hashes, mixed

SHORTEST, LONGEST = 2, 14
UNKNOWN_COST, HYPHEN_COST = 6.0, 3.0
_STEP = np.uint64(0x100000001B3)
_SEED = np.uint64(0xCBF29CE484222325)
_SIEVE_BITS = 18
_CHUNK = 4096
_HYPHEN = ord("-")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words by hash, ascending, with their cost in bits. The words themselves are not kept."""

    hashes: Hashes
    costs: NDArray[np.float32]

    @classmethod
    def of_counts(cls, counts: Mapping[str, int], least: int) -> "Vocabulary":
        """From how often words occur; rarer ones than `least` are left out."""
        kept = {
            word: count
            for word, count in counts.items()
            if count >= least and SHORTEST <= len(word) <= LONGEST and word.isascii()
        }
        total = max(sum(kept.values()), 1)
        hashes = np.array([_hash_of(word) for word in kept], dtype=np.uint64)
        costs = -np.log2(np.array(list(kept.values()), dtype=np.float64) / total)
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], costs[order].astype(np.float32))


@dataclass(frozen=True, slots=True)
class Readings:
    """How names read as words: bits in all, words, and bytes that lie in words."""

    bits: NDArray[np.float64]
    words: NDArray[np.float64]
    covered: NDArray[np.float64]


def read_as_words(padded: Bytes, lengths: NDArray[np.int64], vocabulary: Vocabulary) -> Readings:
    """The cheapest reading of each row of a zero-padded byte matrix (dynamic programming)."""
    sieve = np.zeros(1 << _SIEVE_BITS, dtype=bool)
    sieve[vocabulary.hashes >> np.uint64(64 - _SIEVE_BITS)] = True
    parts = [
        _read(padded[at : at + _CHUNK], lengths[at : at + _CHUNK], vocabulary, sieve)
        for at in range(0, len(padded), _CHUNK)
    ]
    if not parts:
        return Readings(np.zeros(0), np.zeros(0), np.zeros(0))
    columns = zip(*parts, strict=True)
    bits, words, covered = (np.concatenate(column) for column in columns)
    return Readings(bits, words, covered)


def count_words(texts: Iterable[Iterable[str]]) -> dict[str, int]:
    """In how many texts each word occurs."""
    counts: dict[str, int] = {}
    for words in texts:
        for word in set(words):
            counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items()))


def _hash_of(word: str) -> int:
    running = np.array([_SEED], dtype=np.uint64)
    for byte in word.encode():
        running = running * _STEP + np.uint64(byte)
    return int(mixed(running)[0])


def _word_costs(
    padded: Bytes, vocabulary: Vocabulary, sieve: NDArray[np.bool_]
) -> list[NDArray[np.float64]]:
    """By length (from SHORTEST): the cost of the word that begins at each place, or infinity."""
    height, width = padded.shape
    running = np.full((height, width), _SEED, dtype=np.uint64)
    found: list[NDArray[np.float64]] = []
    for length in range(1, min(LONGEST, width) + 1):
        span = width - length + 1
        running = running[:, :span] * _STEP + padded[:, length - 1 :]
        if length < SHORTEST:
            continue
        hashes = mixed(running)
        costs = np.full((height, span), np.inf)
        likely = np.nonzero(sieve[hashes >> np.uint64(64 - _SIEVE_BITS)])
        wanted = hashes[likely]
        at = np.minimum(np.searchsorted(vocabulary.hashes, wanted), len(vocabulary.hashes) - 1)
        known = vocabulary.hashes[at] == wanted
        costs[likely[0][known], likely[1][known]] = vocabulary.costs[at[known]]
        found.append(costs)
    return found


def _read(
    padded: Bytes, lengths: NDArray[np.int64], vocabulary: Vocabulary, sieve: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], ...]:
    height, width = padded.shape
    costs = _word_costs(padded, vocabulary, sieve) if len(vocabulary.hashes) else []
    best = np.zeros((width + 1, height))
    words = np.zeros((width + 1, height))
    covered = np.zeros((width + 1, height))
    for end in range(1, width + 1):
        single = np.where(padded[:, end - 1] == _HYPHEN, HYPHEN_COST, UNKNOWN_COST)
        best[end], words[end], covered[end] = (
            best[end - 1] + single,
            words[end - 1],
            covered[end - 1],
        )
        for length, cost in enumerate(costs, start=SHORTEST):
            if length > end:
                break
            begin = end - length
            offered = best[begin] + cost[:, begin]
            better = offered < best[end]
            best[end] = np.where(better, offered, best[end])
            words[end] = np.where(better, words[begin] + 1, words[end])
            covered[end] = np.where(better, covered[begin] + length, covered[end])
    row = np.arange(height)
    last = np.minimum(lengths, width)
    return best[last, row], words[last, row], covered[last, row]
