"""The whole of triage: findings in, ranked incidents out."""

from dataclasses import dataclass, field

import polars as pl

from .fusion import FusionSettings, cluster
from .interface import Incident
from .ranking import BUDGET, FLOOR, expected_misses, rank
from .surprise import Exposure, calibrate, spoken

DOUBT = 0.5
"""Findings of incidents at least this likely enter base rates at a fraction of their weight."""


@dataclass(frozen=True, slots=True)
class Triage:
    """What triage made of the findings.

    `findings` are calibrated; `incidents` ranked, best first; `exposure` is what later scans
    calibrate against; `expected_misses` is what the budget may have cost.
    """

    findings: pl.DataFrame
    incidents: list[Incident]
    exposure: Exposure
    expected_misses: float


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
) -> Triage:
    """Calibrate, fuse and rank: first to see what looks suspicious at all, then for good.

    What looked suspicious the first time enters the base rates of the second at a fraction.

    `cells` are the host-days (host, day) that were watched; `history` what earlier scans and the
    baseline left.
    """
    settings = settings or TriageSettings()
    history = history or Exposure()
    exposure = history.joined(cells, spoken(findings))
    _, suspects = _pass(findings, exposure, settings, own_record=False)
    doubted = {uid for one in suspects if one.probability >= DOUBT for uid in one.findings}
    exposure = history.joined(cells, spoken(findings, doubted))
    calibrated, incidents = _pass(findings, exposure, settings, own_record=True)
    return Triage(calibrated, incidents, exposure, expected_misses(incidents))


def _pass(
    findings: pl.DataFrame, exposure: Exposure, settings: TriageSettings, *, own_record: bool
) -> tuple[pl.DataFrame, list[Incident]]:
    calibrated = calibrate(findings, exposure, own_record=own_record)
    labels = pl.Series("cluster", cluster(calibrated, settings.fusion))
    incidents = rank(calibrated.with_columns(labels), budget=settings.budget, floor=settings.floor)
    return calibrated, incidents
