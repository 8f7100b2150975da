"""Incidents that are like one another: by techniques, analytics and entities, the rare ones most.

What two incidents share counts by how seldom it is among all incidents here: a technique that every
third incident shows says little, an address that two of them name says much. The score is the
weight of what both have over the weight of what either has (a weighted Jaccard index); what only
one incident has is no reason against it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

LEAST_SCORE = 0.12
"""Below this two incidents are not alike."""

MOST = 6
"""Similar incidents that are shown."""

SMOOTH_BITS = 4.0
"""Weight that neither has: two that share one thing and have no other are not the same."""

MAX_SHARED = 4
"""Things of each kind that an explanation names."""

_WORTH = {"t": 1.0, "a": 1.0, "e": 0.7}


@dataclass(frozen=True, slots=True)
class Alike:
    """An incident that is like another, and what both have: the rarest first of each kind."""

    uid: str
    score: float
    techniques: Sequence[str]
    analytics: Sequence[str]
    entities: Sequence[str]


class Likeness:
    """Who is like whom among incidents; `frame` has uid, techniques, analytics, entities."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._uids = frame["uid"]
        marked = [
            pl.format(f"{mark}{{}}", pl.element()).alias(name)
            for mark, name in (("t", "techniques"), ("a", "analytics"), ("e", "entities"))
        ]
        lists = [
            pl.col(name).list.eval(mark)
            for name, mark in zip(("techniques", "analytics", "entities"), marked, strict=True)
        ]
        pairs = (
            frame.select(
                pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"),
                pl.concat_list(lists).list.unique().alias("thing"),
            )
            .explode("thing")
            .drop_nulls()
            .with_columns(pl.len().over("thing").alias("held"))
            .filter(pl.col("held") > 1)
        )
        things = pairs.select("thing", "held").unique("thing", maintain_order=True)
        self._names = things["thing"]
        codes = pairs.join(
            things.with_row_index("code").select("thing", "code"), on="thing", maintain_order="left"
        )
        worth = things["thing"].str.slice(0, 1).replace_strict(_WORTH, return_dtype=pl.Float64)
        rarity = np.log2((frame.height + 1) / things["held"].to_numpy())
        self._weights = worth.to_numpy() * rarity
        self._by_row = _Lists(codes["row"].to_numpy(), codes["code"].to_numpy(), frame.height)
        self._by_code = _Lists(codes["code"].to_numpy(), codes["row"].to_numpy(), things.height)
        self._totals = np.bincount(
            codes["row"].to_numpy(), self._weights[codes["code"].to_numpy()], frame.height
        )

    def to(self, uid: str, most: int = MOST) -> list[Alike]:
        """The incidents most like the one with this uid, best first; none where nobody knows it."""
        place = self._uids.index_of(uid) if len(self._uids) else None
        if place is None:
            return []
        mine = self._by_row.of(place)
        rows = [self._by_code.of(int(code)) for code in mine]
        if not rows:
            return []
        weights = np.repeat(self._weights[mine], [len(one) for one in rows])
        shared = np.bincount(np.concatenate(rows), weights, len(self._uids))
        either = self._totals + self._totals[place] - shared + SMOOTH_BITS
        scores = shared / either
        scores[place] = 0.0
        best = np.lexsort((np.arange(len(scores)), -scores))[:most]
        return [
            self._alike(int(row), mine, scores[row]) for row in best if scores[row] >= LEAST_SCORE
        ]

    def _alike(self, row: int, mine: npt.NDArray[np.int64], score: float) -> Alike:
        both = np.intersect1d(mine, self._by_row.of(row))
        both = both[np.argsort(-self._weights[both], kind="stable")]
        names = [str(one) for one in self._names.gather(both.tolist())]

        def of(mark: str) -> list[str]:
            return [one[1:] for one in names if one[0] == mark][:MAX_SHARED]

        return Alike(str(self._uids[row]), float(score), of("t"), of("a"), of("e"))


class _Lists:
    """Lists of numbers by a number, in two arrays."""

    def __init__(
        self, keys: npt.NDArray[np.int64], values: npt.NDArray[np.int64], size: int
    ) -> None:
        order = np.argsort(keys, kind="stable")
        self._values = values[order].astype(np.int64)
        self._ends = np.cumsum(np.bincount(keys, minlength=size))

    def of(self, key: int) -> npt.NDArray[np.int64]:
        begin = self._ends[key - 1] if key else 0
        return self._values[begin : self._ends[key]]
