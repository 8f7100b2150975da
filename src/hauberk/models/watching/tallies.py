"""What a model did, counted by day: small tables that a detector keeps in its state.

One row of TALLY is one model at one stage on one day. Detectors call `tally` on each batch that
they judged and `add_up` with what they had; the table is committed with their findings, so that it
is exactly what was judged, and replays.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from hauberk.models.sequential import Rate

BINS = 20
"""Bins of p-values (even) and of each input (the reference's own edges)."""

SLOW_MS = 250.0
_LATENCY_EDGES = tuple(2.0**power for power in range(-4, 12))

_COUNTS = ("judged", "flagged", "errors", "slow", "silenced", "estimated")
_SUMS = ("right", "true_flags")
_LISTS = {"p_bins": BINS, "latency_bins": len(_LATENCY_EDGES) + 1}

TALLY = pl.Schema(
    {
        "digest": pl.String(),  # artifact
        "stage": pl.String(),
        "day": pl.Date(),
        "judged": pl.Int64(),  # records, or entities where the model judges those
        "flagged": pl.Int64(),  # above the threshold
        "errors": pl.Int64(),  # that it could not judge
        "slow": pl.Int64(),  # above SLOW_MS
        "silenced": pl.Int64(),  # flagged, and withheld or suppressed
        "estimated": pl.Int64(),  # with a calibrated probability
        "right": pl.Float64(),  # sum of the probabilities that the answer is right
        "true_flags": pl.Float64(),  # sum of the probabilities of what was flagged
        "p_bins": pl.List(pl.Int64()),
        "latency_bins": pl.List(pl.Int64()),
    }
)

INPUTS = pl.Schema(
    {
        "digest": pl.String(),
        "day": pl.Date(),
        "input": pl.String(),
        "bins": pl.List(pl.Int64()),
    }
)
"""One row: how one input of a model was distributed on one day."""


def no_tallies() -> pl.DataFrame:
    """A TALLY without rows."""
    return pl.DataFrame(schema=TALLY)


def tally(digest: str, stage: str, judged: pl.DataFrame) -> pl.DataFrame:
    """Count a batch (TALLY). Columns of `judged`, a row each judgement, the first two required.

    day (Date), p_value (null: it could not be judged); flagged (Boolean), silenced (Boolean),
    probability (of being bad, calibrated), latency_ms.
    """
    columns = {
        "flagged": pl.lit(value=False), "silenced": pl.lit(value=False),
        "probability": pl.lit(None, pl.Float64), "latency_ms": pl.lit(None, pl.Float64),
    }  # fmt: skip
    given = judged.with_columns(
        **{name: value for name, value in columns.items() if name not in judged.columns}
    )
    bad, flagged = pl.col("probability"), pl.col("flagged").fill_null(value=False)
    parts = []
    for (day,), part in given.group_by("day", maintain_order=True):
        facts = part.select(
            judged=pl.len().cast(pl.Int64),
            flagged=flagged.sum().cast(pl.Int64),
            errors=pl.col("p_value").is_null().sum().cast(pl.Int64),
            slow=(pl.col("latency_ms") > SLOW_MS).sum().cast(pl.Int64),
            silenced=(flagged & pl.col("silenced").fill_null(value=False)).sum().cast(pl.Int64),
            estimated=bad.is_not_null().sum().cast(pl.Int64),
            right=pl.when(flagged).then(bad).otherwise(1 - bad).sum(),
            true_flags=pl.when(flagged).then(bad).otherwise(0.0).sum(),
        ).row(0, named=True)
        p_values = part["p_value"].drop_nulls().to_numpy()
        latency = part["latency_ms"].drop_nulls().to_numpy()
        even = np.histogram(np.clip(p_values, 0, 1), BINS, (0.0, 1.0))[0]
        placed = np.bincount(
            np.searchsorted(_LATENCY_EDGES, latency), minlength=len(_LATENCY_EDGES) + 1
        )
        facts |= {"digest": digest, "stage": stage, "day": day}
        facts |= {"p_bins": even.tolist(), "latency_bins": placed.tolist()}
        parts.append(facts)
    return pl.DataFrame(parts, schema=TALLY, orient="row")


def tally_inputs(
    digest: str, day: pl.Series, inputs: pl.DataFrame, edges: Mapping[str, tuple[float, ...]]
) -> pl.DataFrame:
    """Count inputs by day (INPUTS); `edges` are the reference's inner edges, by input."""
    rows = []
    for name, inner in edges.items():
        if name not in inputs.columns:
            continue
        placed = np.searchsorted(np.asarray(inner), inputs[name].fill_null(0.0).to_numpy())
        for (one,), part in pl.DataFrame({"day": day, "bin": placed}).group_by("day"):
            bins = np.bincount(part["bin"].to_numpy(), minlength=len(inner) + 1).tolist()
            rows.append({"digest": digest, "day": one, "input": name, "bins": bins})
    return pl.DataFrame(rows, schema=INPUTS, orient="row")


def add_up(before: pl.DataFrame, more: pl.DataFrame) -> pl.DataFrame:
    """Two tallies, or two tables of inputs, as one; a row for each key."""
    both = pl.concat([before, more])
    if not both.height:
        return both
    if "input" in both.columns:
        return _summed(both, ["digest", "day", "input"], (), {"bins"})
    return _summed(both, ["digest", "stage", "day"], (*_COUNTS, *_SUMS), set(_LISTS))


def _summed(
    frame: pl.DataFrame, keys: list[str], sums: tuple[str, ...], lists: set[str]
) -> pl.DataFrame:
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    # One row a model and day: tens, not thousands.
    for row in frame.iter_rows(named=True):
        key = tuple(row[name] for name in keys)
        known = rows.get(key)
        if known is None:
            rows[key] = row
            continue
        for name in sums:
            known[name] += row[name]
        for name in lists:
            pairs = zip(known[name], row[name], strict=True)
            known[name] = [one + other for one, other in pairs]
    return pl.DataFrame(list(rows.values()), schema=frame.schema, orient="row").sort(keys)


def rates(tallies: pl.DataFrame, digest: str, since: date | None = None) -> dict[str, Rate]:
    """The rates that a canary is judged on, over all days (from `since` on)."""
    own = tallies.filter(pl.col("digest") == digest)
    if since is not None:
        own = own.filter(pl.col("day") >= since)
    sums = own.select(pl.col(*_COUNTS).sum()).row(0, named=True) if own.height else {}
    seen = int(sums.get("judged", 0))
    return {
        "error": Rate(int(sums.get("errors", 0)), seen),
        "flagged": Rate(int(sums.get("flagged", 0)), seen),
        "slow": Rate(int(sums.get("slow", 0)), seen),
    }


def latency_p99(bins: list[int]) -> float:
    """Upper edge (ms) of the bin that holds the 99th percentile; 0 where nothing was timed."""
    counts = np.asarray(bins)
    if not counts.sum():
        return 0.0
    at = int(np.searchsorted(np.cumsum(counts), 0.99 * counts.sum()))
    return float(_LATENCY_EDGES[min(at, len(_LATENCY_EDGES) - 1)])
