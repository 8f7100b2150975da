"""What a correlation measures: one number a row, of the window from `first` to that row.

Rows are sorted by group, time and place of the rule; `first` never falls. Everything is exact in
whole numbers of millionths, so that a sum does not depend on where it was begun.
"""

from bisect import bisect_left, insort
from collections import deque

import numpy as np
import polars as pl

from hauberk.detect.sigma.expression import AND, NOT, Node, as_node

from .condition import choices
from .rule import Correlation, Kind
from .windows import Flags, Floats, Ints, last_seen

MAX_VALUES = 10_000
"""Newest values of a window that a percentile is taken of."""

LARGEST = 1e15
"""A value is cut to this, either way: sums stay exact."""

_MILLION = 1_000_000


def measured(one: Correlation, rows: pl.DataFrame, first: Ints, after: Ints) -> Floats:
    """The measure at each row; NaN where there is none (no number among the values).

    `rows` has `place` (position of the rule), `value` (text) and `counts` (whether the row counts
    as an occurrence of its rule). `after` is the first row whose window no longer holds this row.
    An extended condition measures 1 where it holds and 0 where it does not.
    """
    index = np.arange(rows.height)
    if one.kind is Kind.TEMPORAL:
        present = _present(one, rows, first)
        if one.expression is not None:
            return _holds(one.expression, present).astype(np.float64)
        return np.asarray(np.sum(present, axis=0), np.float64)
    if one.kind is Kind.TEMPORAL_ORDERED:
        return _ordered(one, rows, first)
    if one.kind is Kind.VALUE_COUNT:
        return _distinct(rows, first, after)
    counts = rows["counts"].to_numpy()
    if one.kind is Kind.EVENT_COUNT:
        return _between(np.cumsum(counts), first, index).astype(np.float64)
    numbers = _numbers(rows["value"]).where_counted(np.asarray(counts, np.bool_))
    if one.kind is Kind.VALUE_SUM:
        return numbers.sums(first, index)
    if one.kind is Kind.VALUE_AVG:
        return numbers.means(first, index)
    return numbers.quantiles(first, one.percentile / 100)


def passes(one: Correlation, measure: Floats) -> Flags:
    """Where the condition holds."""
    held = ~np.isnan(measure)
    tests = one.tests if one.expression is None else (("gte", 1.0),)
    for operator, number in tests:
        match operator:
            case "gt":
                held &= measure > number
            case "gte":
                held &= measure >= number
            case "lt":
                held &= measure < number
            case "lte":
                held &= measure <= number
            case "eq":
                held &= measure == number
            case _:
                held &= measure != number
    return held


def _between(sums: Ints, first: Ints, last: Ints) -> Ints:
    """Sums of rows first..last from running sums."""
    before = np.where(first > 0, sums[np.maximum(first - 1, 0)], 0)
    return np.asarray(sums[last] - before)


def _places(one: Correlation, rows: pl.DataFrame) -> list[Flags]:
    """For each position of `rules`, the rows of that rule; a rule may stand in several places."""
    place = rows["place"].to_numpy()
    return [place == one.rules.index(rule) for rule in one.rules]


def _present(one: Correlation, rows: pl.DataFrame, first: Ints) -> list[Flags]:
    return [last_seen(mine) >= first for mine in _places(one, rows)]


def _holds(node: Node, present: list[Flags]) -> Flags:
    if isinstance(node, bool):
        return np.full(len(present[0]), node)
    if isinstance(node, int):
        return present[node]
    inner = [_holds(as_node(child), present) for child in node[1:]]
    if node[0] == NOT:
        return ~inner[0]
    together = np.logical_and if node[0] == AND else np.logical_or
    return np.asarray(together.reduce(inner))


def _ordered(one: Correlation, rows: pl.DataFrame, first: Ints) -> Floats:
    """Length of the longest chain of rules in their order; whether a choice of them is chained."""
    places = _places(one, rows)
    if one.expression is None:
        return _longest(places, first)
    present = [last_seen(mine) >= first for mine in places]
    held = np.zeros(rows.height, bool)
    for wanted, unwanted in choices(one.expression):
        chained = np.ones(rows.height, bool)
        if wanted:
            chained = _chain([places[one_place] for one_place in wanted])[-1] >= first
        for other in unwanted:
            chained &= ~present[other]
        held |= chained
    return held.astype(np.float64)


def _chain(places: list[Flags]) -> list[Ints]:
    """For each link, the latest row at which a chain up to that link began, as of each row."""
    begun = last_seen(places[0])
    links = [begun]
    for mine in places[1:]:
        earlier = np.concatenate(([-1], begun[:-1]))
        begun = np.maximum.accumulate(np.where(mine, earlier, -1))
        links.append(begun)
    return links


def _longest(places: list[Flags], first: Ints) -> Floats:
    length = np.zeros(len(first))
    begun = [last_seen(mine) for mine in places]
    for links in range(1, len(places) + 1):
        newest = np.maximum.reduce([*begun, np.full(len(first), -1)])
        length[newest >= first] = links
        longer = []
        for place in range(1, len(begun)):
            before = np.maximum.reduce(begun[:place])
            earlier = np.concatenate(([-1], before[:-1]))
            mine = places[len(places) - len(begun) + place]
            longer.append(np.maximum.accumulate(np.where(mine, earlier, -1)))
        begun = longer
        if not begun:
            break
    return length


def _distinct(rows: pl.DataFrame, first: Ints, after: Ints) -> Floats:
    """Distinct values of a window: each is live from a row until it is seen again or left."""
    counted = np.flatnonzero(rows["value"].is_not_null().to_numpy() & rows["counts"].to_numpy())
    values = rows["value"].rank("dense").fill_null(0).to_numpy().astype(np.int64)[counted]
    group = rows["group_number"].to_numpy()[counted]
    order = np.lexsort((counted, values, group))
    ordered = counted[order]
    again = np.full(len(counted), rows.height, np.int64)
    same = (group[order][1:] == group[order][:-1]) & (values[order][1:] == values[order][:-1])
    again[:-1][same] = ordered[1:][same]
    changes = np.zeros(rows.height + 1, np.int64)
    np.add.at(changes, ordered, 1)
    np.subtract.at(changes, np.minimum(again, after[ordered]), 1)
    del first
    return np.cumsum(changes)[:-1].astype(np.float64)


class _Numbers:
    """Values of rows as whole millionths, and which rows have one."""

    def __init__(self, millionths: list[int], known: Flags) -> None:
        self._millionths = millionths
        self._known = known

    def where_counted(self, counts: Flags) -> "_Numbers":
        return _Numbers(self._millionths, self._known & counts)

    def _running(self) -> tuple[Ints, Ints]:
        # Whole numbers of any size: a sum neither overflows nor depends on where it began.
        whole = np.array(self._millionths, dtype=object)
        whole[~self._known] = 0
        return np.cumsum(whole), np.cumsum(self._known)

    def sums(self, first: Ints, last: Ints) -> Floats:
        sums, known = self._running()
        total = _between(sums, first, last)
        return self._over(total, _between(known, first, last), mean=False)

    def means(self, first: Ints, last: Ints) -> Floats:
        sums, known = self._running()
        return self._over(_between(sums, first, last), _between(known, first, last), mean=True)

    @staticmethod
    def _over(total: Ints, known: Ints, *, mean: bool) -> Floats:
        made = [
            int(sum_) / (_MILLION * (int(count) if mean else 1)) if count else np.nan
            for sum_, count in zip(total, known, strict=True)
        ]
        return np.array(made, np.float64)

    def quantiles(self, first: Ints, share: float) -> Floats:
        """Between neighbours in proportion. A loop: each row changes one sorted list by one."""
        made = np.full(len(first), np.nan)
        held: deque[tuple[int, int]] = deque()
        ordered: list[int] = []
        for row, begin in enumerate(first.tolist()):
            while held and (held[0][0] < begin or len(held) >= MAX_VALUES):
                del ordered[bisect_left(ordered, held.popleft()[1])]
            if self._known[row]:
                held.append((row, self._millionths[row]))
                insort(ordered, self._millionths[row])
            if ordered:
                place = share * (len(ordered) - 1)
                low = int(place)
                high = min(low + 1, len(ordered) - 1)
                between = (ordered[high] - ordered[low]) * (place - low)
                made[row] = (ordered[low] + between) / _MILLION
        return made


def _numbers(values: pl.Series) -> _Numbers:
    numbers = values.str.strip_chars().cast(pl.Float64, strict=False)
    numbers = numbers.set(~numbers.is_finite().fill_null(value=False), None)
    cut = (numbers.clip(-LARGEST, LARGEST) * _MILLION).round().fill_null(0.0)
    return _Numbers([int(one) for one in cut.to_list()], numbers.is_not_null().to_numpy())
