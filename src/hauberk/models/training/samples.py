"""Labelled records with where each comes from, and the duplicates taken out."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Record = Any  # a task's own record: a name, a URL, a Mail, or a row of numbers

TRAIN_PARTS = ("learn", "train")
PARTS = ("learn", "train", "calibrate", "test")


@dataclass(frozen=True, slots=True)
class Samples:
    """One entry a record in every field.

    `labels` are 1 for what the model is to find; `sources` the data source's name; `groups` the
    unit that must never lie on both sides of a split; `keys` are equal for duplicates; `times` are
    seconds since 1970 or NaN; `parts` say what a row may be used for.
    """

    records: list[Record]
    labels: NDArray[np.int8]
    sources: NDArray[np.str_]
    groups: NDArray[np.str_]
    keys: NDArray[np.str_]
    times: NDArray[np.float64]
    parts: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.records)

    def take(self, rows: Rows) -> "Samples":
        """These rows, in this order."""
        return Samples(
            [self.records[row] for row in rows],
            self.labels[rows],
            self.sources[rows],
            self.groups[rows],
            self.keys[rows],
            self.times[rows],
            self.parts[rows],
        )

    def where(
        self,
        *,
        label: int | None = None,
        parts: Sequence[str] | None = None,
        sources: Sequence[str] | None = None,
        without: Sequence[str] = (),
    ) -> Rows:
        """The rows that meet every condition given."""
        chosen = ~np.isin(self.sources, list(without))
        if label is not None:
            chosen &= self.labels == label
        if parts is not None:
            chosen &= np.isin(self.parts, list(parts))
        if sources is not None:
            chosen &= np.isin(self.sources, list(sources))
        return np.flatnonzero(chosen)


def together(samples: Sequence[Samples]) -> Samples:
    """Samples one after the other."""
    return Samples(
        [record for one in samples for record in one.records],
        np.concatenate([one.labels for one in samples]),
        np.concatenate([one.sources for one in samples]),
        np.concatenate([one.groups for one in samples]),
        np.concatenate([one.keys for one in samples]),
        np.concatenate([one.times for one in samples]),
        np.concatenate([one.parts for one in samples]),
    )


def deduplicated(samples: Samples) -> Samples:
    """The first of every key, within and across sources, in the order of the recipe.

    A key that stands under both labels is left out altogether: nobody knows what it is.
    """
    _, first, place = np.unique(samples.keys, return_index=True, return_inverse=True)
    highest = np.zeros(len(first), np.int8)
    lowest = np.ones(len(first), np.int8)
    np.maximum.at(highest, place, samples.labels)
    np.minimum.at(lowest, place, samples.labels)
    return samples.take(np.sort(first[highest == lowest]).astype(np.int64))


def share_of(text: str, seed: int) -> float:
    """A number in [0, 1) that depends on the text and the seed alone."""
    digest = hashlib.blake2b(f"{seed}\0{text}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def divided(samples: Samples, units: Sequence[str], shares: Sequence[float], seed: int) -> Samples:
    """Give every row a part by its unit, so that a unit lies in one part; shares as of PARTS."""
    distinct, place = np.unique(np.asarray(units), return_inverse=True)
    edges = np.cumsum(shares)[:-1]
    drawn = np.array([share_of(str(unit), seed) for unit in distinct])
    chosen = np.array(PARTS)[np.searchsorted(edges, drawn, side="right")]
    return replace(samples, parts=chosen[place])
