"""The whole of triage: findings in, ranked incidents out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from .context import surroundings
from .days import held_against_days
from .fusion import FusionSettings, cluster
from .grouping import Groupings, guarded, placed
from .identity import identified
from .interface import Incident
from .ranking import BUDGET, FLOOR, expected_misses, likely, ranked, told
from .surprise import Exposure, calibrate, spoken
from .verdicts import Verdicts, corrected, held_against_verdicts

DOUBT = 0.5
"""Findings of incidents at least this likely enter base rates at a fraction of their weight."""


@dataclass(frozen=True, slots=True)
class Triage:
    """What triage made of the findings.

    `findings` are calibrated; `incidents` ranked, best first; `exposure` is what later scans
    calibrate against; `expected_misses` is what the budget may have cost; `verdicts` are those that
    corrected the ranking, `groupings` those that changed which findings stand together; `former`
    are the incidents of the last scan.
    """

    findings: pl.DataFrame
    incidents: list[Incident]
    exposure: Exposure
    expected_misses: float
    verdicts: Verdicts = field(default_factory=Verdicts)
    groupings: Groupings = field(default_factory=Groupings)
    former: Sequence[Incident] = ()


@dataclass(frozen=True, slots=True)
class TriageSettings:
    """What a user may set."""

    budget: float = BUDGET
    floor: float = FLOOR
    fusion: FusionSettings = field(default_factory=FusionSettings)


def triage(
    findings: pl.DataFrame,
    cells: pl.DataFrame,
    history: Exposure | None = None,
    settings: TriageSettings | None = None,
    former: Sequence[Incident] = (),
    verdicts: Verdicts | None = None,
    groupings: Groupings | None = None,
) -> Triage:
    """Calibrate, fuse and rank: first to see what looks suspicious at all, then for good.

    What looked suspicious the first time enters the base rates of the second at a fraction.

    `cells` are the host-days (host, day) that were watched; `history` what earlier scans and the
    baseline left; `former` the incidents of the last scan, whose uids stay with their stories;
    `verdicts` what people said of incidents, `groupings` what they merged and took apart.
    """
    settings = settings or TriageSettings()
    verdicts = verdicts or Verdicts()
    history = history or Exposure()
    exposure = history.joined(cells, spoken(findings))
    first = calibrate(findings, exposure, own_record=False)
    doubted = _likely(first, cluster(first, settings.fusion), exposure)
    exposure = history.joined(cells, spoken(findings, doubted))
    calibrated = held_against_verdicts(calibrate(findings, exposure), verdicts)
    labels = cluster(calibrated, settings.fusion)
    _, held = held_against_days(calibrated, labels, exposure)
    doubted = _likely(held, labels, exposure)
    exposure, held = held_against_days(calibrated, labels, exposure, doubted)
    groupings = groupings or Groupings()
    people = placed(held, labels, groupings.standing, settings.fusion)
    stories = _told(held, people.labels, exposure)
    telling = (calibrated["surprise"] <= settings.fusion.bridge_surprise).to_numpy()
    beside = surroundings(held, telling, people.labels, [*stories.values()], settings.floor)
    beside[people.apart] = -1
    _tell_with(beside, stories, held, people.labels, exposure)

    def listed(told: dict[int, Incident]) -> list[Incident]:
        found = ranked(told.values(), settings.budget, settings.floor)
        return corrected(found, verdicts, settings.budget, settings.floor)

    found = listed(stories)
    if people.touched.any():

        def by(labels: npt.NDArray[np.int64]) -> list[Incident]:
            return listed(_told(held, np.where(people.touched, labels, -1), exposure))

        found = guarded(
            found, by(people.unmerged), by(labels), groupings.standing,
            settings.budget, settings.floor,
        )  # fmt: skip
    incidents = identified(found, former, groupings)
    misses = expected_misses(incidents)
    return Triage(held, incidents, exposure, misses, verdicts, groupings, former)


def learned(
    findings: pl.DataFrame, cells: pl.DataFrame, history: Exposure | None = None
) -> Exposure:
    """What is usual after a baseline: its findings become no incidents, and all count in full."""
    exposure = (history or Exposure()).joined(cells, spoken(findings))
    calibrated = calibrate(findings, exposure)
    after, _ = held_against_days(calibrated, cluster(calibrated), exposure)
    return after


def _likely(findings: pl.DataFrame, labels: npt.NDArray[np.int64], exposure: Exposure) -> set[str]:
    return likely(_labelled(findings, labels), DOUBT, subjects=exposure.subjects_a_day())


def _told(
    findings: pl.DataFrame,
    labels: npt.NDArray[np.int64],
    exposure: Exposure,
    context: npt.NDArray[np.bool_] | None = None,
) -> dict[int, Incident]:
    return told(_labelled(findings, labels, context), subjects=exposure.subjects_a_day())


def _tell_with(
    beside: npt.NDArray[np.int64],
    stories: dict[int, Incident],
    findings: pl.DataFrame,
    labels: npt.NDArray[np.int64],
    exposure: Exposure,
) -> None:
    """Tell those stories anew that gain context, and those that lose what becomes it."""
    moved = beside >= 0
    if not moved.any():
        return
    around = np.where(moved, beside, labels)
    changed = np.union1d(labels[moved], beside[moved])
    for one in changed.tolist():
        stories.pop(one, None)
    again = np.where(np.isin(around, changed), around, -1)
    stories.update(_told(findings, again, exposure, context=moved))


def _labelled(
    findings: pl.DataFrame,
    labels: npt.NDArray[np.int64],
    context: npt.NDArray[np.bool_] | None = None,
) -> pl.DataFrame:
    beside = np.zeros(len(labels), dtype=np.bool_) if context is None else context
    return findings.with_columns(pl.Series("cluster", labels), pl.Series("context", beside))
