"""Hashed n-grams of many texts at once, as compressed rows.

Every gram gets a bucket by a fixed arithmetic (no process-wide seed), so that a weight found in
training is found again at inference, on any machine. All work is on arrays over the bytes of all
texts together; no loop runs over texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Longs = NDArray[np.int64]
Hashes = NDArray[np.uint64]

_MULTIPLY = np.uint64(0x9E3779B97F4A7C15)
_STEP = np.uint64(0x100000001B3)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_SHIFT = np.uint64(29)


@dataclass(frozen=True, slots=True)
class Rows:
    """A sparse matrix by rows: row i has `columns[starts[i]:starts[i + 1]]` with `values`.

    `starts` has one entry more than there are rows. Columns of a row are distinct and ascending.
    """

    starts: Longs
    columns: NDArray[np.int32]
    values: Floats
    width: int

    @property
    def height(self) -> int:
        """How many rows there are."""
        return len(self.starts) - 1

    def row_of(self) -> Longs:
        """The row number of every entry."""
        return np.repeat(np.arange(self.height, dtype=np.int64), np.diff(self.starts))

    def times(self, weights: Floats) -> NDArray[np.float64]:
        """The product with a vector of `width` weights: one number a row.

        Sums run over each row alone, so that a row's result does not depend on its neighbours.
        """
        products = self.values.astype(np.float64) * weights[self.columns]
        found = np.bincount(self.row_of(), weights=products, minlength=self.height)
        return found.astype(np.float64)

    def take(self, rows: Longs) -> "Rows":
        """These rows, in this order."""
        lengths = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        within = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
        entries = np.repeat(self.starts[rows], lengths) + within
        return Rows(starts, self.columns[entries], self.values[entries], self.width)


@dataclass(frozen=True, slots=True)
class Texts:
    """The bytes of many texts end to end; text i is `data[starts[i]:starts[i + 1]]`."""

    data: Bytes
    starts: Longs

    @property
    def count(self) -> int:
        """How many texts there are."""
        return len(self.starts) - 1

    @property
    def lengths(self) -> Longs:
        """Bytes of each text."""
        return np.diff(self.starts)


def pack(texts: Sequence[str], limit: int) -> Texts:
    """Put texts end to end as UTF-8, each cut to `limit` bytes (a cut rune is left as it is)."""
    encoded = [text[:limit].encode("utf-8", "replace")[:limit] for text in texts]
    starts = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(one) for one in encoded], out=starts[1:])
    return Texts(np.frombuffer(b"".join(encoded), dtype=np.uint8), starts)


def mixed(hashes: Hashes) -> Hashes:
    """Spread the bits of running hashes, so that low and high bits can both choose a bucket."""
    spread = (hashes ^ (hashes >> _SHIFT)) * _MIX
    return spread ^ (spread >> np.uint64(32))


def gram_hashes(texts: Texts, size: int) -> tuple[Hashes, Longs]:
    """The hash of every run of `size` bytes within a text, and where it begins in `data`."""
    total = len(texts.data) - size + 1
    if total <= 0:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    running = np.full(total, size, dtype=np.uint64) * _MULTIPLY
    for offset in range(size):
        running = running * _STEP + texts.data[offset : offset + total]
    begins = np.arange(total, dtype=np.int64)
    ends = np.repeat(texts.starts[1:], texts.lengths)[:total]
    inside = begins + size <= ends
    return mixed(running[inside]), begins[inside]


def rows_of(texts: Texts, begins: Longs) -> Longs:
    """The number of the text that each byte position lies in."""
    return np.searchsorted(texts.starts, begins, side="right").astype(np.int64) - 1


def counted(rows: Longs, columns: Longs, height: int, width: int) -> Rows:
    """Count how often each column occurs in each row."""
    keys, counts = np.unique(rows * np.int64(width) + columns, return_counts=True)
    found = keys // width
    starts = np.searchsorted(found, np.arange(height + 1)).astype(np.int64)
    return Rows(starts, (keys % width).astype(np.int32), counts.astype(np.float32), width)


def hashed_grams(texts: Texts, sizes: Sequence[int], bits: int) -> Rows:
    """Counts of byte n-grams of these sizes in 2**bits buckets."""
    width = 1 << bits
    shift = np.uint64(64 - bits)
    columns: list[Longs] = []
    rows: list[Longs] = []
    for size in sizes:
        hashes, begins = gram_hashes(texts, size)
        columns.append((hashes >> shift).astype(np.int64))
        rows.append(rows_of(texts, begins))
    return counted(np.concatenate(rows), np.concatenate(columns), texts.count, width)


def unit_length(rows: Rows, damp: bool = True) -> Rows:
    """Rows scaled to length 1; with `damp`, counts are first taken as 1 + ln(count)."""
    values = 1.0 + np.log(rows.values) if damp else rows.values
    norms = np.sqrt(np.bincount(rows.row_of(), weights=values**2, minlength=rows.height))
    scaled = values / np.maximum(norms, 1e-12)[rows.row_of()]
    return Rows(rows.starts, rows.columns, scaled.astype(np.float32), rows.width)


def text_pieces(text: str, sizes: Sequence[int], bits: int) -> dict[int, tuple[str, ...]]:
    """The distinct grams of one text by bucket, to name what a weight belongs to."""
    packed = pack([text], 1 << 16)
    found: dict[int, tuple[str, ...]] = {}
    for size in sizes:
        hashes, begins = gram_hashes(packed, size)
        for bucket, begin in zip(hashes >> np.uint64(64 - bits), begins, strict=True):
            piece = packed.data[begin : begin + size].tobytes().decode("utf-8", "replace")
            known = found.get(int(bucket), ())
            if piece not in known:
                found[int(bucket)] = (*known, piece)
    return found
