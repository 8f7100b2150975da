"""Features of domain names: how the name that somebody registered looks.

Only the registered label counts (`example` of `www.example.co.uk`): subdomains cost nothing and
say little about who made the name, and the top-level domain is a family's fingerprint that its
next version changes. Names are lower-cased, cut at 63 bytes, and may hold anything.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .characters import SYMBOLS, CharacterModel
from .hashing import Bytes, hashed_grams, pack, text_pieces, unit_length
from .matrix import Array, Learned, Matrix
from .words import Readings, Vocabulary, read_as_words

LONGEST = 63
BITS_OF_ONE = 5.17  # log2 of 36: what a random letter or digit costs
_WINDOW = 6
NO_WORDS = Vocabulary(np.zeros(0, np.uint64), np.zeros(0, np.float32))
_CHUNK = 8192

_SECOND_LEVEL = """
ac asso co com ed edu fin firm gob gouv gov go gr id in info int ltd me mil muni ne net nic nom ns
or org plc pp press pvt sch school store web
"""
SECOND_LEVEL = frozenset(_SECOND_LEVEL.split())
"""Labels under a two-letter country that registries sell names below."""

NAMES = (
    "length",
    "vowel_share",
    "digit_share",
    "hyphens",
    "distinct_share",
    "entropy",
    "consonant_run",
    "vowel_run",
    "digit_run",
    "alternation",
    "hex_share",
    "switches",
    "punycode",
    "surprise",
    "surprise_mean",
    "surprise_peak",
    "surprise_window",
    "surprise_spread",
    "word_cost",
    "word_cost_mean",
    "words",
    "word_cover",
    "word_saving",
    "surprise_second",
    "surprise_third",
    "surprise_median",
    "surprise_quarter",
    "rare_5",
    "rare_7",
    "rare_9",
    "piece_cost",
    "piece_cost_mean",
    "pieces",
    "piece_cover",
    "piece_saving",
)
"""The numbers of version 2; version 1 had those up to `word_saving`, and is read as well."""

PIECE_SIZES = (3, 10)
LEAST_NAMES = 6
"""Characters of a piece, and how many ordinary names must share one: none of a single name."""


def registered(names: Sequence[str]) -> pl.DataFrame:
    """`label` and `suffix` of each name; a name without a dot has no suffix.

    The suffix is the last label, or the last two where the country sells below a second one.
    """
    parts = (
        pl.Series("name", list(names), dtype=pl.String)
        .str.strip_chars(" \t\r\n.")
        .str.to_lowercase()
        .str.split(".")
    )
    frame = pl.DataFrame({"parts": parts}).with_columns(
        last=pl.col("parts").list.get(-1, null_on_oob=True),
        second=pl.col("parts").list.get(-2, null_on_oob=True),
        third=pl.col("parts").list.get(-3, null_on_oob=True),
    )
    below = (
        (pl.col("last").str.len_bytes() == 2)
        & pl.col("second").is_in(sorted(SECOND_LEVEL))
        & pl.col("third").is_not_null()
    )
    return frame.select(
        label=pl.when(below)
        .then("third")
        .when(pl.col("second").is_not_null())
        .then("second")
        .otherwise("last")
        .fill_null(""),
        suffix=pl.when(below)
        .then(pl.concat_str("second", "last", separator="."))
        .when(pl.col("second").is_not_null())
        .then("last")
        .fill_null(""),
    )


def padded_labels(labels: Sequence[str]) -> Bytes:
    """Labels as rows of a zero-padded byte matrix, `LONGEST` wide."""
    return np.array(
        [label.encode("utf-8", "replace")[:LONGEST] for label in labels], dtype=f"S{LONGEST}"
    ).view(np.uint8).reshape(len(labels), LONGEST)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DomainFeatures:
    """Structure, character surprise and two readings of registered labels; optional grams.

    One reading is as words that people write (`vocabulary`), one as pieces that ordinary names
    share (`pieces_of`): brands, foreign words and abbreviations that no vocabulary has.
    """

    characters: CharacterModel
    vocabulary: Vocabulary
    gram_bits: int = 0
    pieces_of: Vocabulary = NO_WORDS
    names: tuple[str, ...] = NAMES

    def pieces(self, record: str) -> Mapping[int, tuple[str, ...]]:
        """The grams of a name by bucket."""
        label = registered([record])["label"][0]
        return text_pieces(f"^{label}$", (1, 2, 3, 4), self.gram_bits) if self.gram_bits else {}

    def extract(self, records: Sequence[str]) -> Matrix:
        """One row a name. Never raises on odd names."""
        labels = registered(records)["label"].to_list()
        dense = [self._dense(labels[at : at + _CHUNK]) for at in range(0, len(labels), _CHUNK)]
        empty = np.zeros((0, len(self.names)), dtype=np.float32)
        rows = None
        if self.gram_bits:
            texts = pack([f"^{label}$" for label in labels], LONGEST + 2)
            rows = unit_length(hashed_grams(texts, (1, 2, 3, 4), self.gram_bits))
        return Matrix(np.concatenate(dense) if dense else empty, rows)

    def learned(self) -> Learned:
        """The schema and the tables, for an artifact."""
        arrays: dict[str, Array] = {
            "characters": self.characters.table,
            "vocabulary.hashes": self.vocabulary.hashes,
            "vocabulary.costs": self.vocabulary.costs,
            "pieces.hashes": self.pieces_of.hashes,
            "pieces.costs": self.pieces_of.costs,
        }
        return Learned(
            {"kind": "domain", "version": 2, "names": list(self.names),
             "gram_bits": self.gram_bits},
            arrays,
        )  # fmt: skip

    @classmethod
    def load(cls, schema: Mapping[str, Any], arrays: Mapping[str, Array]) -> "DomainFeatures":
        """From an artifact. Raises KeyError or ValueError where the arrays are not the schema's."""
        table = arrays["characters"]
        if table.shape != (SYMBOLS,) * 4:
            raise ValueError(f"characters: expected {SYMBOLS}^4, found {table.shape}")
        pieces = _vocabulary(arrays, "pieces") if int(schema["version"]) > 1 else NO_WORDS
        names = tuple(str(name) for name in schema["names"])
        if not set(names) <= set(NAMES):
            raise ValueError(f"names: unknown are {sorted(set(names) - set(NAMES))[:3]}")
        return cls(
            CharacterModel(table.astype(np.float16)), _vocabulary(arrays, "vocabulary"),
            int(schema["gram_bits"]), pieces, names,
        )  # fmt: skip

    def _dense(self, labels: Sequence[str]) -> NDArray[np.float32]:
        padded = padded_labels(labels)
        lengths = (padded > 0).sum(axis=1)
        count = np.maximum(lengths, 1)
        bits = self.characters.bits(padded)
        columns = [*_structure(padded, lengths), *_surprise(bits, lengths)]
        words = read_as_words(padded, lengths, self.vocabulary)
        columns += _costs(words, words.words, lengths)
        if "piece_cost" in self.names:
            pieces = read_as_words(padded, lengths, self.pieces_of)
            columns += _ordered(bits, lengths)
            columns += _costs(pieces, pieces.words / count, lengths)
        at = {name: place for place, name in enumerate(NAMES)}
        chosen = [columns[at[name]] for name in self.names]
        return np.stack(chosen, axis=1).astype(np.float32)


def common_pieces(labels: Sequence[str]) -> dict[str, int]:
    """Runs of 3 to 10 characters that at least LEAST_NAMES labels have, with how many do."""
    counts: Counter[str] = Counter()
    for label in labels:
        name = label[:LONGEST]
        counts.update(
            {
                name[at : at + size]
                for size in range(PIECE_SIZES[0], PIECE_SIZES[1] + 1)
                for at in range(len(name) - size + 1)
            }
        )
    return {piece: counts[piece] for piece in sorted(counts) if counts[piece] >= LEAST_NAMES}


def _costs(
    readings: Readings, words: NDArray[np.float64], lengths: NDArray[np.int64]
) -> list[NDArray[np.float64]]:
    count = np.maximum(lengths, 1)
    return [
        readings.bits,
        readings.bits / count,
        words,
        readings.covered / count,
        lengths * BITS_OF_ONE - readings.bits,
    ]


def _ordered(bits: NDArray[np.float64], lengths: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """The second and third most surprising characters, quantiles, and shares of rare ones."""
    places = np.arange(bits.shape[1])
    real = places <= np.minimum(lengths, bits.shape[1] - 1)[:, None]
    rising = np.sort(np.where(real, bits, np.inf), axis=1)
    row, count = np.arange(len(bits)), real.sum(axis=1)
    return [
        *(np.where(count > at, rising[:, at], 0.0) for at in (1, 2)),
        rising[row, count // 2],
        rising[row, count // 4],
        *(((bits < -limit) & real).sum(axis=1) / count for limit in (5, 7, 9)),
    ]


def _vocabulary(arrays: Mapping[str, Array], name: str) -> Vocabulary:
    return Vocabulary(
        arrays[f"{name}.hashes"].astype(np.uint64), arrays[f"{name}.costs"].astype(np.float32)
    )


def _longest_run(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    running = np.zeros(len(mask), dtype=np.int64)
    longest = running.copy()
    for column in mask.T:
        running = (running + 1) * column
        longest = np.maximum(longest, running)
    return longest


def _structure(padded: Bytes, lengths: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    count = np.maximum(lengths, 1).astype(np.float64)
    there = padded > 0
    vowel = np.isin(padded, np.frombuffer(b"aeiou", np.uint8))
    digit = (padded >= ord("0")) & (padded <= ord("9"))
    letter = (padded >= ord("a")) & (padded <= ord("z"))
    glide = vowel | (padded == ord("y"))
    hexadecimal = digit | ((padded >= ord("a")) & (padded <= ord("f")))
    both = there[:, 1:]
    ordered = np.sort(padded, axis=1)
    fresh = (ordered[:, 1:] != ordered[:, :-1]) & (ordered[:, 1:] > 0)
    distinct = fresh.sum(axis=1) + (ordered[:, 0] > 0)
    return [
        lengths.astype(np.float64),
        vowel.sum(1) / count,
        digit.sum(1) / count,
        (padded == ord("-")).sum(1).astype(np.float64),
        distinct / count,
        _entropy(ordered, count),
        _longest_run(letter & ~glide).astype(np.float64),
        _longest_run(vowel).astype(np.float64),
        _longest_run(digit).astype(np.float64),
        ((vowel[:, 1:] != vowel[:, :-1]) & both).sum(1) / count,
        hexadecimal.sum(1) / count,
        ((digit[:, 1:] != digit[:, :-1]) & both).sum(1).astype(np.float64),
        (padded[:, :4] == np.frombuffer(b"xn--", np.uint8)).all(axis=1).astype(np.float64),
    ]


def _entropy(ordered: Bytes, count: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bits per character, from the lengths of equal runs in sorted rows."""
    rows, width = ordered.shape
    ends = np.ones((rows, width), dtype=bool)
    ends[:, :-1] = ordered[:, 1:] != ordered[:, :-1]
    row, place = np.nonzero(ends)
    begins = np.concatenate([[-1], place[:-1]])
    begins = np.where(np.concatenate([[True], row[1:] != row[:-1]]), -1, begins)
    shares = (place - begins) / count[row]
    parts = np.where(ordered[row, place] > 0, -shares * np.log2(shares), 0.0)
    return np.bincount(row, weights=parts, minlength=rows).astype(np.float64)


def _surprise(bits: NDArray[np.float64], lengths: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    count = lengths + 1.0
    total = bits.sum(axis=1)
    sums = np.concatenate([np.zeros((len(bits), 1)), np.cumsum(bits, axis=1)], axis=1)
    windows = sums[:, _WINDOW:] - sums[:, :-_WINDOW]
    mean = total / count
    spread = np.sqrt(np.maximum((bits**2).sum(axis=1) / count - mean**2, 0.0))
    return [total, mean, bits.min(axis=1), windows.min(axis=1), spread]
