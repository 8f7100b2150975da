"""Calibration: from a detector's own scale to a p-value that means the same everywhere.

A score is ranked among the scores of this environment's own past (conformal prediction, Vovk et
al. 2005): p = (1 + #{past >= score}) / (1 + #past). With little past, p is honestly coarse.

The past is a histogram a stratum, so that it is bounded and adds up. Three rules keep it honest:

- *Alarms stay in.* A past without its own alarms drifts until one score in twenty is an alarm.
- *An excess of alarms enters slowly.* As many alarms as calibration predicts (twice that, and a
  few to begin with) enter in full; what exceeds it enters at `excess_share` of the weight, so that
  who wants to make strange things ordinary pays for each step many times over, yet real drift is
  followed in the end.
- *The past is settled in blocks* that follow the ordinal of the score in its stratum, never the
  batch it came in: cutting the same scores into other batches gives the same p-values. A block is
  an eighth of the past, at most 4,096 scores.

No tail is extrapolated: beyond everything seen, p is 1 / (n + 1).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

UNIT = 64
"""Weights are whole 64ths of an observation, so that sums do not depend on their order."""

MAX_STRATA = 512
"""Strata of one calibration; scores of any further stratum are calibrated together."""

OVERFLOW = "(other)"

_BLOCK = 4096
_ALARM = 1_000_000  # allowance is counted in millionths of an alarm

HISTORY_SCHEMA = pl.Schema(
    {
        "stratum": pl.String(),
        "judged": pl.Int64(),  # scores so far
        "allowance": pl.Int64(),  # alarms that may enter in full, in millionths, at block start
        "spent": pl.Int64(),  # of it, in the open block
        "settled": pl.List(pl.Int64()),  # weight a bin, past blocks
        "pending": pl.List(pl.Int64()),  # weight a bin, open block
    }
)
"""One row is one stratum of a calibration's past."""


def no_history() -> pl.DataFrame:
    """A past without scores."""
    return pl.DataFrame(schema=HISTORY_SCHEMA)


def _block_edges() -> tuple[int, ...]:
    edges = [0]
    while edges[-1] < _BLOCK * 8:
        edges.append(edges[-1] + max(1, edges[-1] // 8))
    return tuple(edges)


_EDGES = _block_edges()


def _block_end(ordinal: int) -> int:
    """Where the block that holds the score of this ordinal ends."""
    if ordinal < _EDGES[-1]:
        return _EDGES[int(np.searchsorted(_EDGES, ordinal, side="right"))]
    return ordinal + _BLOCK - (ordinal - _EDGES[-1]) % _BLOCK


@dataclass(slots=True)
class _Stratum:
    """The past of one stratum, as arrays."""

    judged: int
    allowance: int
    spent: int
    settled: Counts
    pending: Counts


@dataclass(frozen=True, slots=True)
class Calibration:
    """How scores become p-values.

    Scores are best on a logarithmic scale (bits): they are counted in bins of `bin_width` from 0,
    the last one open. A score's own bin counts as `>=`, so that a wide bin errs towards a larger
    p, and slow drift within a bin costs nothing.

    `memory` bounds the past: when it weighs more, every bin is halved. `prior_weight` observations
    distributed by `prior_tail` (P(score >= bin), from 1 downwards) stand in for the past at the
    cold start of each stratum, for detectors that must speak on the first day; without it, nothing
    is surprising before there is a past.
    """

    bin_width: float = 0.5
    bins: int = 128
    memory: int = 1 << 20
    suspicious_at: float = 0.001
    excess_share: float = 1 / 16
    prior_weight: int = 0
    prior_tail: tuple[float, ...] = field(default=())

    def judge(
        self, history: pl.DataFrame | None, scores: Floats, strata: pl.Series | None = None
    ) -> tuple[Floats, pl.DataFrame]:
        """The p-value of each score against everything settled before it, and the past after all.

        `scores` in the order of the events; NaN counts as 0. `strata`: a name a score, one stratum
        for all when None. `history`: HISTORY_SCHEMA, or None before the first score.
        """
        values = np.nan_to_num(np.asarray(scores, dtype=np.float64), nan=0.0, posinf=1e18)
        bins = np.clip(values / self.bin_width, 0, self.bins - 1).astype(np.int64)
        known = self._load(history)
        p = np.ones(len(bins))
        if strata is None:
            past = known.setdefault("", self._fresh())
            p[:] = self._judge_stratum(past, bins)
            return p, self._save(known)
        names = strata.cast(pl.String).fill_null("")
        groups = pl.DataFrame({"name": names}).with_row_index("row")
        for (name,), rows in groups.group_by("name", maintain_order=True):
            place = str(name)
            if place not in known and len(known) >= MAX_STRATA:
                place = OVERFLOW
            past = known.setdefault(place, self._fresh())
            index = rows["row"].to_numpy()
            p[index] = self._judge_stratum(past, bins[index])
        return p, self._save(known)

    def size(self, history: pl.DataFrame | None, stratum: str = "") -> float:
        """How many observations (by weight, prior included) the past of a stratum holds."""
        past = self._load(history).get(stratum)
        total = past.settled.sum() + past.pending.sum() if past else self._fresh().settled.sum()
        return float(total) / UNIT

    def _judge_stratum(self, past: _Stratum, bins: Counts) -> Floats:
        p = np.empty(len(bins))
        begin = 0
        while begin < len(bins):
            block_end = _block_end(past.judged)
            end = min(len(bins), begin + block_end - past.judged)
            block = bins[begin:end]
            tail = np.cumsum(past.settled[::-1])[::-1]
            p[begin:end] = (UNIT + tail[block]) / (UNIT + tail[0])
            self._enter(past, block, p[begin:end])
            past.judged += end - begin
            if past.judged == block_end:
                self._settle(past)
            begin = end
        return p

    def _enter(self, past: _Stratum, block: Counts, p: Floats) -> None:
        """Add a block's scores to the pending part, an excess of alarms at a share."""
        past.pending += UNIT * np.bincount(block, minlength=self.bins)
        alarms = np.flatnonzero(p <= self.suspicious_at)
        in_full = max(0, (past.allowance - past.spent) // _ALARM)
        past.spent += _ALARM * min(in_full, len(alarms))
        excess = block[alarms[in_full:]]
        if len(excess):
            withheld = UNIT - max(1, round(UNIT * self.excess_share))
            past.pending -= withheld * np.bincount(excess, minlength=self.bins)

    def _settle(self, past: _Stratum) -> None:
        previous = max(edge for edge in (*_EDGES, past.judged - _BLOCK) if edge < past.judged)
        earned = round(2 * self.suspicious_at * _ALARM) * (past.judged - previous)
        past.allowance = min(past.allowance - past.spent + earned, 64 * _ALARM)
        past.spent = 0
        past.settled += past.pending
        past.pending[:] = 0
        while int(past.settled.sum()) > UNIT * max(1, self.memory):
            past.settled //= 2

    def _fresh(self) -> _Stratum:
        settled = np.zeros(self.bins, dtype=np.int64)
        if self.prior_weight:
            tail = np.zeros(self.bins + 1)
            tail[: len(self.prior_tail)] = self.prior_tail[: self.bins]
            settled += np.round(UNIT * self.prior_weight * -np.diff(tail)).astype(np.int64)
        return _Stratum(0, 8 * _ALARM, 0, settled, np.zeros(self.bins, dtype=np.int64))

    def _load(self, history: pl.DataFrame | None) -> dict[str, _Stratum]:
        if history is None:
            return {}
        return {
            row["stratum"]: _Stratum(
                row["judged"],
                row["allowance"],
                row["spent"],
                np.array(row["settled"], dtype=np.int64),
                np.array(row["pending"], dtype=np.int64),
            )
            for row in history.iter_rows(named=True)
        }

    def _save(self, known: dict[str, _Stratum]) -> pl.DataFrame:
        rows = [
            {
                "stratum": name,
                "judged": past.judged,
                "allowance": past.allowance,
                "spent": past.spent,
                "settled": past.settled.tolist(),
                "pending": past.pending.tolist(),
            }
            for name, past in sorted(known.items())
        ]
        return pl.DataFrame(rows, schema=HISTORY_SCHEMA, orient="row")


def log_gamma(x: Floats) -> Floats:
    """Natural logarithm of the gamma function for x > 0, to 1e-12 (Stirling, shifted by 8)."""
    x = np.asarray(x, dtype=np.float64)
    shift = np.zeros_like(x)
    for step in range(8):
        shift += np.log(x + step)
    z = x + 8
    series = 1 / (12 * z) - 1 / (360 * z**3) + 1 / (1260 * z**5) - 1 / (1680 * z**7)
    return np.asarray((z - 0.5) * np.log(z) - z + 0.5 * np.log(2 * np.pi) + series - shift)


def poisson_tail_bits(counts: npt.ArrayLike, rates: npt.ArrayLike) -> Floats:
    """-log2 P(X >= count) for X ~ Poisson(rate), element by element; 0 where count <= rate.

    The upper tail is the probability of `count` times a series that falls at least as fast as
    (rate / count)^i; below the rate the answer is not worth a bit and 0 is given.
    """
    k, rate = np.broadcast_arrays(
        np.asarray(counts, dtype=np.float64), np.maximum(np.asarray(rates, np.float64), 1e-12)
    )
    log_mass = k * np.log(rate) - rate - log_gamma(k + 1)
    return _upper_tail_bits(k, rate, log_mass, lambda i: rate / (k + i))


def binomial_tail_bits(
    counts: npt.ArrayLike, trials: npt.ArrayLike, probability: npt.ArrayLike
) -> Floats:
    """-log2 P(X >= count) for X ~ Binomial(trials, probability); 0 where count <= its mean."""
    k, n, q = np.broadcast_arrays(
        np.asarray(counts, dtype=np.float64),
        np.asarray(trials, dtype=np.float64),
        np.clip(np.asarray(probability, np.float64), 1e-12, 1 - 1e-12),
    )
    n = np.maximum(n, k)
    log_choose = log_gamma(n + 1) - log_gamma(k + 1) - log_gamma(n - k + 1)
    log_mass = log_choose + k * np.log(q) + (n - k) * np.log1p(-q)
    odds = q / (1 - q)
    return _upper_tail_bits(
        k, n * q, log_mass, lambda i: np.maximum(n - k - i + 1, 0) / (k + i) * odds
    )


def _upper_tail_bits(
    k: Floats, mean: Floats, log_mass: Floats, ratio: Callable[[int], Floats]
) -> Floats:
    """Sum the tail from its first term, `ratio(i)` leading from term i - 1 to term i."""
    term = np.ones_like(log_mass)
    total = np.ones_like(log_mass)
    for i in range(1, 2000):
        term = term * np.where(k > mean, ratio(i), 0.0)
        total += term
        if not (term > 1e-12 * total).any():
            break
    bits = -(log_mass + np.log(total)) / np.log(2)
    return np.asarray(np.where(k > mean, np.maximum(bits, 0.0), 0.0))
