"""What is usual here: for every alert type, how many of a host's hours brought how many of it.

A *seat* is a host that a product watches; one row of exposure is one seat-hour, with or without
alerts. Counts per seat-hour are kept in doubling bins (1, 2-3, 4-7, ...), so that the share of
hours with at least this many alerts is an empirical tail, over-dispersion and all.

    pooled    = (tail of the type on all seats  + PRIOR_HOURS * prior) / (seat-hours + PRIOR_HOURS)
    own       = (tail of the type on this seat  + SEAT_PRIOR_HOURS * pooled)
                / (hours of this seat + SEAT_PRIOR_HOURS)
    strong    = findings of the product within one bit of this one or stronger, per seat-hour
    surprise  = max(own, 1 - exp(-strong))

`own` is the posterior mean of a beta-binomial whose prior is what the estate does. `strong` makes
up for looking at many types at once: it is how often a seat-hour brings anything as unusual.
No surprise is smaller than one in the seat-hours seen (prior ones included) plus one.
"""

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BINS = 24
"""Doubling bins of a count: bin i holds 2^i up to 2^(i+1) - 1, the last one everything above."""

STRENGTHS = 32
"""Bins of one bit of how unusual a tile was."""

PRIOR_HOURS = 24.0
"""What the product's severity says weighs as much as one seat watched for a day."""

SEAT_PRIOR_HOURS = 24.0
"""What the estate does weighs, for one seat, as much as a day of its own history."""

PRIOR_BY_SEVERITY = np.array([0.2, 0.5, 0.2, 0.1, 0.05, 0.02, 0.02])
"""Share of seat-hours that bring such an alert when nothing is wrong and nothing is known, by
OCSF severity_id (0 unknown, 1 informational .. 6 fatal)."""

SUSPICIOUS = 0.01
"""Tiles with a smaller surprise than this enter the baseline at CAUTION of their weight."""

CAUTION = 0.1

HALF_LIFE_DAYS = 30.0
"""After which what was seen weighs half."""

SILENCE_HOURS = 24
"""Hours without any alert at all that count as watched; beyond, the product may be off."""


@dataclass
class Baseline:
    """Arrays by pair (product, analytic, entity), analytic, seat (product, entity) and product.

    `clock` is the last hour that entered, or None. Only `enter` and `advance` change anything.
    """

    clock: int | None
    pair_weights: Floats  # [pair, BINS]
    pair_seen: Ints  # tiles that entered
    pair_last: Ints  # hour of the last of them
    analytic_weights: Floats  # [analytic, BINS]
    analytic_seen: Ints
    analytic_seats: Ints  # seats that had it
    analytic_last: Ints
    seat_hours: Floats  # exposure
    seat_since: Ints  # first hour, -1 before it
    product_strengths: Floats  # [product, STRENGTHS]
    seat_product: Ints  # product of each seat

    def copy(self) -> "Baseline":
        """The same, with arrays of its own."""
        return copy.deepcopy(self)

    def advance(self, hour: int) -> None:
        """Let the clock reach the end of the hour before `hour`: idle hours count, old ones fade.

        Doing so twice is the same as once.
        """
        if self.clock is None or hour <= self.clock + 1:
            return
        self.seat_hours[self.seat_since >= 0] += min(hour - 1 - self.clock, SILENCE_HOURS)
        self._reach(hour - 1)

    def _reach(self, hour: int) -> None:
        """Set the clock; at each new day what was seen before fades."""
        if self.clock is not None and hour // 24 > self.clock // 24:
            fade = 0.5 ** ((hour // 24 - self.clock // 24) / HALF_LIFE_DAYS)
            self.pair_weights *= fade
            self.analytic_weights *= fade
            self.seat_hours *= fade
            self.product_strengths *= fade
        self.clock = hour

    def judge(self, tiles: "HourTiles") -> "Judgement":
        """How unusual each tile of one hour is, against everything that entered before."""
        product_hours = np.bincount(
            self.seat_product, self.seat_hours, minlength=len(self.product_strengths)
        )
        watched = product_hours[tiles.product] + PRIOR_HOURS
        prior = PRIOR_BY_SEVERITY[np.clip(tiles.severity, 0, len(PRIOR_BY_SEVERITY) - 1)]
        bins = count_bins(tiles.count)
        everywhere = _tail(self.analytic_weights, tiles.analytic, bins)
        here = _tail(self.pair_weights, tiles.pair, bins)
        pooled = np.minimum((everywhere + PRIOR_HOURS * prior) / watched, 1.0)
        hours = self.seat_hours[tiles.seat]
        floor = 1.0 / (watched + 1.0)
        own = np.clip((here + SEAT_PRIOR_HOURS * pooled) / (hours + SEAT_PRIOR_HOURS), floor, 1.0)
        strengths = strength_bins(own)
        strong = _tail(self.product_strengths, tiles.product, np.maximum(strengths - 1, 0))
        anything = -np.expm1(-strong / watched)
        return Judgement(np.maximum(own, anything), own, strong, hours, here, strengths, bins)

    def enter(self, hour: int, tiles: "HourTiles", judgement: "Judgement") -> None:
        """Add one whole hour; suspicious tiles count for a fraction, in the tails of their types.

        How often something strong is said is counted in full: a calibration that forgets its own
        alarms would raise ever more of them.
        """
        late = self.clock is not None and hour <= self.clock
        if not late:
            self._reach(hour)
        weight = np.where(judgement.surprise < SUSPICIOUS, CAUTION, 1.0)
        np.add.at(self.pair_weights, (tiles.pair, judgement.bins), weight)
        np.add.at(self.analytic_weights, (tiles.analytic, judgement.bins), weight)
        np.add.at(self.product_strengths, (tiles.product, judgement.strengths), 1.0)
        np.add.at(self.analytic_seats, tiles.analytic, self.pair_seen[tiles.pair] == 0)
        np.add.at(self.pair_seen, tiles.pair, 1)
        np.add.at(self.analytic_seen, tiles.analytic, 1)
        np.maximum.at(self.pair_last, tiles.pair, hour)
        np.maximum.at(self.analytic_last, tiles.analytic, hour)
        fresh = np.unique(tiles.seat[self.seat_since[tiles.seat] < 0])
        self.seat_since[fresh] = hour
        self.seat_hours[fresh if late else self.seat_since >= 0] += 1.0


@dataclass(frozen=True, slots=True)
class HourTiles:
    """The tiles of one hour as positions in the baseline's arrays."""

    pair: Ints
    analytic: Ints
    seat: Ints
    product: Ints
    count: Ints
    severity: Ints


@dataclass(frozen=True, slots=True)
class Judgement:
    """One value a tile: its surprise, and what that rests on."""

    surprise: Floats
    own: Floats  # tail of this type on this seat
    strong: Floats  # findings as strong as this one, of the same product, so far
    hours: Floats  # hours that the seat was watched
    here: Floats  # hours of the seat with as many or more
    strengths: Ints
    bins: Ints


def count_bins(count: Ints) -> Ints:
    """The doubling bin of each count."""
    doublings = np.floor(np.log2(np.maximum(count, 1))).astype(np.int64)
    return np.minimum(doublings, BINS - 1)


def strength_bins(tail: Floats) -> Ints:
    """Whole bits of each tail probability."""
    bits = np.floor(-np.log2(np.maximum(tail, 2.0**-STRENGTHS))).astype(np.int64)
    return np.clip(bits, 0, STRENGTHS - 1)


def _tail(weights: Floats, rows: Ints, bins: Ints) -> Floats:
    """Weight at `bins` and above, in each of `rows`."""
    chosen = weights[rows]
    at_least = np.arange(weights.shape[1])[None, :] >= bins[:, None]
    tail: Floats = np.where(at_least, chosen, 0.0).sum(axis=1)
    return tail
