"""Windows over rows that are sorted by group and time: where each begins and ends."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Windows:
    """For each row, its window: the first row in it, and the first row after it.

    `first` looks back (all rows of the group no more than the span earlier), `after` looks forward
    (the first row of the group, or of the next, that is more than the span later).
    """

    first: Ints
    after: Ints


def sliding(groups: Ints, times: Ints, span: int) -> Windows:
    """Windows of `span` that end, and that begin, at each row. Both ends belong to a window.

    `groups` ascend, `times` (microseconds) ascend within a group.
    """
    distinct = np.unique(times)
    ranks = np.searchsorted(distinct, times)
    stride = len(distinct) + 1
    keys = groups * stride + ranks
    earliest = groups * stride + np.searchsorted(distinct, times - span, "left")
    latest = groups * stride + np.searchsorted(distinct, times + span, "right")
    return Windows(
        np.searchsorted(keys, earliest, "left").astype(np.int64),
        np.searchsorted(keys, latest, "left").astype(np.int64),
    )


def starts(groups: Ints) -> Ints:
    """The first row of each group."""
    if not len(groups):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1]))).astype(np.int64)


def anchors(groups: Ints, after: Ints) -> Ints:
    """Rows that open a window of their own: a group's first, then each first row after such a one.

    One round a window of the group that has most, all groups at once.
    """
    current = starts(groups)
    found = [current]
    while len(current):
        following = after[current]
        inside = following < len(groups)
        current, following = current[inside], following[inside]
        current = following[groups[following] == groups[current]]
        found.append(current)
    return np.sort(np.concatenate(found))


def last_seen(rows: Flags) -> Ints:
    """For each row, the newest row up to it that is marked; -1 before the first."""
    return np.maximum.accumulate(np.where(rows, np.arange(len(rows)), -1)).astype(np.int64)
