"""From a model's tail to a p-value that this environment has had its say on.

An absolute model (a documented power law, a binomial tail) says how often something as strong
happens to a host in a day when nothing is wrong. It is worth `PSEUDO` observations; what was seen
here before is worth what it is:

    p = (PSEUDO * model + #{past >= score}) / (PSEUDO + population)      never below the model

so that the first infected host of a small capture is surprising, and what half the network does is
not. `population` is how many keys (hosts, pairs) were watched before. Alarms stay in the past, at
`1 / UNIT` of the weight: who wants to make a scan ordinary has to scan for weeks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from hauberk.detect.interface import State

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PSEUDO = 20.0
"""Observations that the model is worth against this environment's own past."""

REPORT_AT = 0.05
"""Largest p that is told."""

WORTH = 2.0**-4
"""A model's tail above this is never told, nor does it count against what is: no need to ask."""

LEAST = 1e-6
"""Smallest p that is claimed: no model of a network is better than that."""

ALARM = 0.01
"""From this p on, an observation enters the past as an alarm."""

UNIT = 8
MAX_ENTERED = 20_000
MOST_TOLD = 100
"""Findings of one measure and window; whatever the model says, so many things are not rare."""

_BINS = 48  # half bits

_PAST = pl.Schema({"measure": pl.String(), "past": pl.List(pl.Int64())})
_TOLD = pl.Schema({"measure": pl.String(), "window": pl.Int64(), "told": pl.Int64()})
_ENTERED = pl.Schema(
    {"measure": pl.String(), "subject": pl.String(), "window": pl.Int64(), "bin": pl.Int64()}
)


@dataclass(frozen=True, slots=True)
class Case:
    """Something to be judged.

    By which measure, about whom, in which window, how improbable by the model, and how many keys
    the measure watched before.
    """

    measure: str
    subject: str
    window: int
    model: float
    population: int


def judged(
    cases: Sequence[Case], state: State
) -> tuple[list[float | None], dict[str, pl.DataFrame]]:
    """The p of each case to be told, in order, and the tables of the past after them.

    None for what is above `REPORT_AT`, and for what is no stronger than what its measure saw of the
    subject in the same window before: one campaign is told a few times, not a thousand.

    None, too, where a measure was told `MOST_TOLD` times in the window before, or more often than p
    allows (1 / p times): what is told as rare has to stay rare.

    A subject enters the past of a measure once a window, with the strongest that was seen of it, so
    that what it does on its tenth port is not excused by the nine before.
    """
    table = state.get("past", pl.DataFrame(schema=_PAST))
    past = {name: np.array(bins, dtype=np.int64) for name, bins in table.iter_rows()}
    entered = {
        (measure, subject): (window, found)
        for measure, subject, window, found in state.get(
            "entered", pl.DataFrame(schema=_ENTERED)
        ).iter_rows()
    }
    told = {
        name: (window, count)
        for name, window, count in state.get("told", pl.DataFrame(schema=_TOLD)).iter_rows()
    }
    said: list[float | None] = []
    for case in cases:
        # The last digits of a power depend on how many are computed at once.
        model = min(1.0, max(LEAST, float(f"{case.model:.6g}")))
        place = min(_BINS - 1, int(-2 * np.log2(model)))
        bins = past.setdefault(case.measure, np.zeros(_BINS, dtype=np.int64))
        window, own = entered.pop((case.measure, case.subject), (case.window, -1))
        if window != case.window:
            own = -1
        above = bins[place:].sum() - _weight(own) * (own >= place)
        p = max(model, (PSEUDO * model + above / UNIT) / (PSEUDO + case.population))
        if place > own:
            if own >= 0:
                bins[own] -= _weight(own)
            bins[place] += _weight(place)
        entered[case.measure, case.subject] = (case.window, max(own, place))
        last, count = told.get(case.measure, (case.window, 0))
        count = count if last == case.window else 0
        worth = place > own and p <= REPORT_AT and count < min(MOST_TOLD, 1 / p)
        told[case.measure] = (case.window, count + worth)
        said.append(float(f"{p:.6g}") if worth else None)
    kept = list(entered.items())[-MAX_ENTERED:]
    return said, {
        "past": pl.DataFrame(
            [(name, bins.tolist()) for name, bins in sorted(past.items())],
            schema=_PAST, orient="row",
        ),
        "told": pl.DataFrame(
            [(name, *value) for name, value in sorted(told.items())], schema=_TOLD, orient="row"
        ),
        "entered": pl.DataFrame(
            [(*key, *value) for key, value in kept], schema=_ENTERED, orient="row"
        ),
    }  # fmt: skip


def _weight(place: int) -> int:
    """Weight of an observation of this bin, in UNITs; 0 for none."""
    if place < 0:
        return 0
    return 1 if 2.0 ** (-place / 2) <= ALARM else UNIT
