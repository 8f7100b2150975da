"""Measures of a model at work, each held against the policy's bound.

Input and output drift (KS distance to the reference, ADWIN over days), calibration, latency,
errors, silence, a label-free estimate of performance, and performance by verdicts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from hauberk.governance import Drift
from hauberk.models.documents import Report

from .distances import adwin_cut, ks_distance
from .tallies import BINS, latency_p99

DRIFT = frozenset({"input_ks", "output_ks", "output_adwin", "calibration", "estimated_loss",
                   "verdict_loss"})  # fmt: skip
"""Measures whose breach opens a retraining candidate."""

FLOOD_SHARE, FLOOD_LABELS = 0.5, 100
EXPECTED = 15
"""Flags that must have been due before their absence says anything: by chance fewer than four of
them come once in ten thousand times."""

FEW = 30
"""Verdicts below which precision is not measured."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number over some samples, its bound, and whether it lies beyond it."""

    metric: str
    value: float
    bound: float
    samples: int
    detail: str = ""

    @property
    def breached(self) -> bool:
        """Whether the bound is exceeded."""
        return self.value > self.bound


@dataclass(frozen=True, slots=True)
class Reference:
    """What the model was like when it was approved.

    `p_bins` (BINS, even), `inputs` (bins by input, with inner `edges`), `estimate` and `precision`
    as the report gives them; None where it does not.
    """

    p_bins: tuple[float, ...]
    inputs: Mapping[str, tuple[float, ...]]
    edges: Mapping[str, tuple[float, ...]]
    flagged_share: float | None
    estimate: float | None
    precision: float | None


def reference_of(report: Report) -> Reference:
    """The reference in a report's `evaluation.reference`; what is absent is not compared.

    Without a distribution of p-values the uniform one holds: that is what calibration promises.
    """
    said = report.evaluation.get("reference")
    said = said if isinstance(said, dict) else {}
    bins = _numbers(said.get("p_bins"))
    inputs, edges = said.get("inputs"), said.get("edges")
    return Reference(
        p_bins=bins if len(bins) == BINS else (1.0,) * BINS,
        inputs={k: _numbers(v) for k, v in inputs.items()} if isinstance(inputs, dict) else {},
        edges={k: _numbers(v) for k, v in edges.items()} if isinstance(edges, dict) else {},
        flagged_share=_number(said.get("flagged_share")),
        estimate=_number(said.get("estimate")),
        precision=_number(said.get("precision")),
    )


def _number(value: object) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if good else None  # type: ignore[arg-type]


def _numbers(value: object) -> tuple[float, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(number for number in map(_number, value) if number is not None)


def work_measures(
    tallies: pl.DataFrame,
    inputs: pl.DataFrame,
    reference: Reference,
    drift: Drift,
    *,
    verdicts: Sequence[bool] = (),
) -> list[Measure]:
    """Measures of one model (its rows of TALLY and INPUTS alone); none below `min_samples`.

    `verdicts`: whether it was right, of each of its findings that analysts judged, oldest first.
    Precision depends on how much there is to find, so without a reference's the newest half of
    the verdicts is held against the oldest.
    """
    samples = int(tallies["judged"].sum())
    if samples < drift.min_samples:
        return []
    made = _outputs(tallies, reference, drift, samples)
    made += _inputs(inputs, reference, drift)
    errors = float(tallies["errors"].sum() / samples)
    made.append(Measure("error_rate", errors, drift.error_rate, samples))
    latency = [sum(column) for column in zip(*tallies["latency_bins"].to_list(), strict=True)]
    if sum(latency):
        p99 = latency_p99(latency)
        made.append(Measure("latency_ms_p99", p99, drift.latency_ms_p99, sum(latency)))
    estimated = int(tallies["estimated"].sum())
    if estimated and reference.estimate is not None:
        now = float(tallies["right"].sum()) / estimated
        lost = reference.estimate - now
        told = f"estimated accuracy {now:.3f}, was {reference.estimate:.3f}"
        made.append(Measure("estimated_loss", lost, drift.estimated_loss, estimated, told))
    made += _precision(verdicts, reference.precision, drift)
    return made


def _precision(verdicts: Sequence[bool], was: float | None, drift: Drift) -> list[Measure]:
    late = verdicts
    if was is None:
        early, late = verdicts[: len(verdicts) // 2], verdicts[len(verdicts) // 2 :]
        was = sum(early) / len(early) if len(early) >= FEW else None
    if was is None or len(late) < FEW:
        return []
    now = sum(late) / len(late)
    told = f"precision by verdicts {now:.3f}, was {was:.3f}"
    return [Measure("verdict_loss", was - now, drift.verdict_loss, len(late), told)]


def _outputs(
    tallies: pl.DataFrame, reference: Reference, drift: Drift, samples: int
) -> list[Measure]:
    bins = [sum(column) for column in zip(*tallies["p_bins"].to_list(), strict=True)]
    distance = ks_distance(bins, reference.p_bins)
    made = [Measure("output_ks", distance, drift.output_ks, samples)]
    seen = max(1, sum(bins))
    expected = reference.p_bins[0] / sum(reference.p_bins)
    made.append(
        Measure("calibration", abs(bins[0] / seen - expected), drift.calibration, samples,
                f"share of p <= {1 / BINS:g} is {bins[0] / seen:.4f}, was {expected:.4f}")
    )  # fmt: skip
    days = tallies.group_by("day").agg(pl.col("judged", "flagged").sum()).sort("day")
    cut = adwin_cut(days["judged"].to_list(), days["flagged"].to_list())
    when = "" if cut is None else f"the share of flags changed on {days['day'][cut]}"
    made.append(Measure("output_adwin", 0.0 if cut is None else 1.0, 0.5, samples, when))
    flagged = int(tallies["flagged"].sum())
    if flagged:
        silenced = min(1.0, int(tallies["silenced"].sum()) / flagged)
        made.append(Measure("silenced_share", silenced, 0.9, flagged))
    if reference.flagged_share and reference.flagged_share * samples >= EXPECTED:
        drop = 1 - flagged / samples / reference.flagged_share
        made.append(Measure("flagged_drop", drop, 0.8, samples))
    return made


def _inputs(inputs: pl.DataFrame, reference: Reference, drift: Drift) -> list[Measure]:
    """The input that moved farthest."""
    worst: Measure | None = None
    for (name,), part in inputs.group_by("input"):
        was = reference.inputs.get(str(name), ())
        bins = [sum(column) for column in zip(*part["bins"].to_list(), strict=True)]
        if len(was) != len(bins) or sum(bins) < drift.min_samples:
            continue
        distance = ks_distance(bins, was)
        if worst is None or distance > worst.value:
            told = f"{name} moved farthest"
            worst = Measure("input_ks", distance, drift.input_ks, sum(bins), told)
    return [] if worst is None else [worst]


def label_measures(persons: Sequence[str]) -> list[Measure]:
    """Whether one person gives most labels: `persons` who gave each recent verdict."""
    if len(persons) < FLOOD_LABELS:
        return []
    counts = pl.Series("person", list(persons)).value_counts(sort=True)
    share = counts["count"][0] / len(persons)
    told = f"{counts['person'][0]} gave {counts['count'][0]} of {len(persons)} verdicts"
    return [Measure("labels_by_one_person", share, FLOOD_SHARE, len(persons), told)]
