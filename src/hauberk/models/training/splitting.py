"""Splits that cannot leak: what is held out is a whole group, and that is checked on the rows.

Four ways: by `family` (of the attack), by `corpus` (a data source), by `entity` (who sent, who
registered, which toolchain built) and by `time`. `random` exists for records that have no groups
and is refused for all others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hauberk.errors import UsageError

from .samples import Rows, Samples, divided

WAYS = ("family", "corpus", "entity", "time", "random")


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows to train on and to test on; `name` says what was held out."""

    name: str
    train: Rows
    test: Rows


def check_way(way: str, samples: Samples, where: str) -> None:
    """Refuse a random split of records that have groups. Raises UsageError."""
    if way not in WAYS:
        raise UsageError(f"expected one of {', '.join(WAYS)}, found {way}", where=where)
    if way == "random" and len(np.unique(samples.groups)) < len(samples):
        raise UsageError(
            "a random split would put records of one group on both sides, and the figures would "
            "say how well groups are remembered",
            where=where,
            hint=f"Split by {', '.join(WAYS[:-1])}",
        )


def part(samples: Samples, way: str, shares: Sequence[float], seed: int) -> Samples:
    """Give every row its part: later rows are tested by time, whole groups otherwise.

    Rows whose source is the group (a family, a corpus) are divided by their own key: such a
    source is held out as a whole in a fold of its own.
    """
    if way != "time":
        alone = samples.groups == samples.sources
        return divided(
            samples, np.where(alone, samples.keys, samples.groups).tolist(), shares, seed
        )
    if np.isnan(samples.times).any():
        raise UsageError("a split by time needs a time on every record", where="split.by")
    edges = np.quantile(samples.times, np.cumsum(shares)[:-1])
    return _by_time(samples, edges.tolist())


def _by_time(samples: Samples, edges: list[float]) -> Samples:
    from .samples import PARTS  # noqa: PLC0415

    placed = np.searchsorted(np.array(edges), samples.times, side="right")
    parts = np.array(PARTS)[placed]
    return Samples(
        samples.records, samples.labels, samples.sources, samples.groups, samples.keys,
        samples.times, parts,
    )  # fmt: skip


def hold_out(samples: Samples, name: str, sources: Sequence[str], least: int = 50) -> Fold:
    """Leave sources out of training and test on all of them.

    A class that the held-out sources lack is tested on the `test` part of the others. Raises
    UsageError where nothing is left to train on, and where a group lies on both sides.
    """
    train = samples.where(parts=("train",), without=sources)
    held = samples.where(sources=sources)
    # A thread or a host that is in both is tested on, never trained on.
    shared = np.isin(samples.groups[train], samples.groups[held])
    train = train[~shared]
    lacking = [label for label in (0, 1) if (samples.labels[held] == label).sum() < least]
    others = [samples.where(label=label, parts=("test",), without=sources) for label in lacking]
    fold = Fold(name, train, np.sort(np.concatenate([held, *others])))
    if len(np.unique(samples.labels[train])) < 2:
        raise UsageError(f"without {', '.join(sources)} only one class is left to train on")
    check_disjoint(samples, fold)
    return fold


def check_disjoint(samples: Samples, fold: Fold) -> None:
    """Refuse a fold that has a key on both sides, or a group that is smaller than a source."""
    names = {"record": samples.keys, "group": samples.groups}
    for what, values in names.items():
        own = values != samples.sources
        shared = np.intersect1d(values[fold.train][own[fold.train]],
                                values[fold.test][own[fold.test]])  # fmt: skip
        if len(shared):
            raise UsageError(
                f"the fold {fold.name} would test on {len(shared)} {what}s that it was trained on",
                where="split",
            )
