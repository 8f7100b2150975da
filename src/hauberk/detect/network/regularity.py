"""How regular a sequence of moments is, against moments that come by chance.

By chance means a Poisson process: intervals are exponential (people are burstier than that, never
more regular). For the median interval m and a width w, the share of intervals within m (1 +- w) is
then known, and the count of those that are follows a binomial law. The best of a few widths counts,
corrected for the choice. Intervals outside (a host asleep, a missed call) only fail to count, which
is why gaps and jitter cost evidence and do not hide a beacon.

Connections that come in bursts are one call: moments closer than `dead` seconds to the one before
are dropped, for a few values of `dead`; intervals then are shifted exponentials, and are judged as
such.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hauberk.detect.calibration import binomial_tail_bits

Floats = npt.NDArray[np.float64]

WIDTHS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
DEAD = (0.0, 2.0, 20.0, 120.0)
"""Widths of jitter and seconds of burst that are tried."""

LEAST_INTERVALS = 5
LEAST_PERIOD = 1.0
"""Fewer intervals than this are no rhythm; quicker ones (s) are a transfer, a scan or a flood."""

_CHOICES = float(np.log2(len(WIDTHS) * len(DEAD)))


@dataclass(frozen=True, slots=True)
class Rhythm:
    """One value a sequence: bits against chance, period (s), jitter (a share), and calls."""

    bits: Floats
    period: Floats
    jitter: Floats
    calls: Floats


def rhythm(moments: Floats) -> Rhythm:
    """The rhythm of each row of `moments` (seconds, ascending; rows x moments)."""
    rows = len(moments)
    best = Rhythm(np.zeros(rows), np.zeros(rows), np.ones(rows), np.zeros(rows))
    if rows == 0 or moments.shape[1] <= LEAST_INTERVALS:
        return best
    for dead in DEAD:
        intervals = _intervals(moments, dead)
        count = np.isfinite(intervals).sum(axis=1)
        usable = count >= LEAST_INTERVALS
        period = np.full(rows, np.nan)
        if usable.any():
            period[usable] = np.nanmedian(intervals[usable], axis=1)
        usable &= np.nan_to_num(period) >= max(LEAST_PERIOD, 4 * dead)
        if not usable.any():
            continue
        here, middle = intervals[usable], period[usable]
        trials = count[usable] - 1.0
        for width in WIDTHS:
            within = np.abs(here / middle[:, None] - 1.0) <= width
            # The median is within by construction: it is no evidence.
            evident = within.sum(axis=1) - 1
            tail = binomial_tail_bits(np.maximum(evident, 1), trials, _chance(middle, dead, width))
            bits = np.where(evident > 0, tail, 0.0)
            _keep(best, np.flatnonzero(usable), bits - _CHOICES, middle, width, trials + 2)
    return best


def _intervals(moments: Floats, dead: float) -> Floats:
    """Seconds from each call to the one before; NaN within a call, and for the first."""
    gaps = np.diff(moments, axis=1, prepend=-np.inf)
    call = gaps >= dead
    latest = np.maximum.accumulate(np.where(call, moments, -np.inf), axis=1)
    before = np.concatenate([np.full((len(moments), 1), -np.inf), latest[:, :-1]], axis=1)
    return np.where(call & np.isfinite(before), moments - before, np.nan)


def _chance(period: Floats, dead: float, width: float) -> Floats:
    """P(an interval within period (1 +- width)) for dead + Exp with that median."""
    rate = np.log(2) / (period - dead)
    low = np.maximum(period * (1 - width) - dead, 0.0)
    high = period * (1 + width) - dead
    return np.asarray(np.exp(-rate * low) - np.exp(-rate * high))


def _keep(
    best: Rhythm,
    rows: npt.NDArray[np.intp],
    bits: Floats,
    period: Floats,
    width: float,
    calls: Floats,
) -> None:
    better = bits > best.bits[rows]
    chosen = rows[better]
    best.bits[chosen] = bits[better]
    best.period[chosen] = period[better]
    best.jitter[chosen] = width
    best.calls[chosen] = calls[better]
