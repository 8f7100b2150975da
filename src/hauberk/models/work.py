"""Who judges what of a batch: the live model, a canary's share, and shadows beside them.

A detector asks `shifts` with the entity of each row, lets each model judge its rows, puts what each
says through `settled`, and keeps the tallies in its state. It never decides any of this itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from .conditions import held
from .loading import LoadedModel, Roster
from .rollout import arm


@dataclass(frozen=True, slots=True)
class Shift:
    """One model and the rows of a batch that it judges (Boolean, in order)."""

    loaded: LoadedModel
    rows: pl.Series


def shifts(roster: Roster, entities: pl.Series) -> list[Shift]:
    """The models of a roster with their rows: live and canary part them, each shadow sees all.

    Rows of a canary's arm fall to the live model where the canary was refused, and to nobody where
    the live model was: rules stand alone, as if there were no model.
    """
    nobody = pl.Series("rows", [False] * entities.len(), dtype=pl.Boolean)
    canary_rows = nobody
    found: list[Shift] = []
    canary = roster.canary
    if isinstance(canary, LoadedModel) and canary.share is not None:
        canary_rows = arm(entities, canary.share, canary.salt)
        found.append(Shift(canary, canary_rows))
    if isinstance(roster.live, LoadedModel):
        found.insert(0, Shift(roster.live, ~canary_rows))
    found.extend(
        Shift(shadow, ~nobody) for shadow in roster.shadows if isinstance(shadow, LoadedModel)
    )
    return found


def told_by_day(tallies: pl.DataFrame, digest: str) -> dict[date, int]:
    """Findings of a model that were told, by day, from its tallies (TALLY)."""
    own = tallies.filter(pl.col("digest") == digest)
    sums = own.group_by("day").agg((pl.col("flagged") - pl.col("silenced")).sum().alias("told"))
    return dict(sums.iter_rows())


def settled(
    shift: Shift, findings: pl.DataFrame, told: Mapping[date, int] | None = None
) -> pl.DataFrame:
    """A model's findings under the board's conditions, each naming the artifact that said it."""
    loaded = shift.loaded
    signed = pl.struct(
        pl.lit(f"said by {loaded.model.name} {loaded.model.version} as {loaded.stage}").alias(
            "text"
        ),
        pl.lit(loaded.digest).alias("value"),
        pl.lit(0.0).alias("bits"),
    )
    named = findings.with_columns(pl.concat_list(pl.col("reasons"), signed).alias("reasons"))
    return held(loaded, named, told)
