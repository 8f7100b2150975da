"""The models that judge one task here: live, canary and shadows, each on the entities it is for.

The canary judges the entities that the hash of entity and salt assigns to it, the live model all
others, shadows everybody. A record that a model cannot judge is counted as its error.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hauberk.events import EventBatch, EventClass, column_type
from hauberk.models import (
    INPUTS,
    TALLY,
    Judging,
    LoadedModel,
    Matrix,
    Reason,
    Reference,
    Stage,
    arm,
    reference_of,
    tally,
    tally_inputs,
    tally_queries,
)

Clock = Callable[[], float]
Numbers = NDArray[np.float64]

_FAILURES = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Seat:
    """One model ready to judge, with its limits."""

    loaded: LoadedModel
    judging: Judging
    reference: Reference

    @classmethod
    def of(cls, loaded: LoadedModel) -> "Seat":
        """Seat a loaded model. Raises ArtifactError, or UsageError where a library is missing."""
        return cls(loaded, Judging(loaded.artifact), reference_of(loaded.artifact.report))

    @property
    def threshold(self) -> float:
        """The score from which on the model alerts."""
        return self.loaded.model.thresholds["alert"]

    @property
    def rule_uid(self) -> str:
        """How findings name the model among analytics."""
        return f"model.{self.loaded.model.task}.{self.loaded.model.name}"

    @property
    def version(self) -> str:
        """How findings name it exactly: the version of the judging code, and the artifact."""
        return f"{CODE_VERSION}+{self.loaded.digest}"

    def why(self, records: Sequence[Any]) -> list[tuple[Reason, ...]]:
        """The strongest parts of each record's score."""
        return self.judging.explain(records, self.judging.features.extract(records))

    def chance_at_threshold(self) -> float:
        """The share of ordinary records that it flags, by its own calibration."""
        return float(self.judging.p_values(np.array([self.threshold]))[0])


CODE_VERSION = "1"
"""Moves when the same model and records would yield other findings."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What one model says of the records that it judged.

    `rows` are their positions; scores and p-values are NaN where it could not judge. `matrix` is
    what it saw, None where not all could be read together.
    """

    seat: Seat
    rows: NDArray[np.int64]
    records: Sequence[Any]
    scores: Numbers
    p_values: Numbers
    milliseconds: float
    matrix: Matrix | None

    @property
    def flagged(self) -> NDArray[np.bool_]:
        """Which of them lie above the threshold."""
        return np.asarray(np.nan_to_num(self.scores, nan=-np.inf) >= self.seat.threshold)

    def why(self, at: int) -> tuple[Reason, ...]:
        """The strongest parts of one score (position among `rows`)."""
        return self.seat.why([self.records[at]])[0]

    def counted(self, days: pl.Series) -> pl.DataFrame:
        """TALLY of these judgements; `days` (Date) one a row."""
        judged = pl.DataFrame(
            {
                "day": days,
                "p_value": pl.Series(self.p_values).fill_nan(None),
                "flagged": self.flagged,
                "probability": self.probabilities(),
                "latency_ms": np.full(len(self.rows), self.milliseconds),
            }
        ).drop_nulls("day")
        loaded = self.seat.loaded
        return tally(loaded.digest, loaded.stage, judged) if judged.height else _NO_TALLY

    def inputs(self, days: pl.Series) -> pl.DataFrame:
        """INPUTS of these judgements, for the inputs that the report gives a reference of."""
        edges = self.seat.reference.edges
        if not edges or self.matrix is None:
            return _NO_INPUTS
        names = self.seat.judging.features.names
        seen = pl.DataFrame(
            {
                name: self.matrix.dense[:, at].astype(np.float64)
                for at, name in enumerate(names)
                if name in edges
            }
        )
        return tally_inputs(self.seat.loaded.digest, days, seen, edges)

    def queries(self, days: pl.Series, clients: pl.Series) -> pl.DataFrame:
        """QUERIES of these judgements; `clients` says who had each record judged, null: nobody."""
        odds = self._odds()
        limit = self._odds(np.array([self.seat.threshold]))
        asked = pl.DataFrame(
            {
                "day": days,
                "client": clients,
                "flagged": self.flagged,
                "odds": None if odds is None or limit is None else odds - limit[0],
                "probability": self.probabilities(),
            },
            schema_overrides={"odds": pl.Float64},
        )
        return tally_queries(self.seat.loaded.digest, asked, self.records)

    def _odds(self, scores: Numbers | None = None) -> Numbers | None:
        """Calibrated log odds of being bad; None where the model brings no map."""
        said = self.seat.loaded.model.parameters.get("probability")
        known = said if isinstance(said, Mapping) else {}
        slope, offset = known.get("slope"), known.get("offset")
        if not isinstance(slope, int | float) or not isinstance(offset, int | float):
            return None
        return np.clip(slope * (self.scores if scores is None else scores) + offset, -500, 500)

    def probabilities(self) -> pl.Series:
        """Calibrated probabilities of being bad, one a row; null where the model brings no map."""
        odds = self._odds()
        if odds is None:
            return pl.Series([None] * len(self.rows), dtype=pl.Float64)
        return pl.Series(1 / (1 + np.exp(-odds))).fill_nan(None)


_NO_TALLY = pl.DataFrame(schema=TALLY)
_NO_INPUTS = pl.DataFrame(schema=INPUTS)


@dataclass(frozen=True, slots=True)
class Panel:
    """Everybody who judges one task."""

    seats: tuple[Seat, ...]
    clock: Clock = time.perf_counter

    @property
    def version(self) -> str:
        """The version of the one whose word counts most: live before canary before shadows."""
        return self.seats[0].version

    def seat(self, digest: str) -> Seat | None:
        """Who judges under that artifact's digest."""
        return next((one for one in self.seats if one.loaded.digest == digest), None)

    def judge(self, records: Sequence[Any], entities: pl.Series) -> list[Verdicts]:
        """What each says of the records that it is for; `entities` one a record, for the canary.

        A record that is None could not be read: it counts as an error of whoever should judge it.
        """
        made = []
        for seat in self.seats:
            rows = np.flatnonzero(self.assigned(seat, entities))
            if len(rows):
                made.append(self._judged(seat, rows, [records[at] for at in rows.tolist()]))
        return made

    def assigned(self, seat: Seat, entities: pl.Series) -> NDArray[np.bool_]:
        """Which entities a seat judges (an array of Booleans, in their order)."""
        canary = next((one.loaded for one in self.seats if one.loaded.stage is Stage.CANARY), None)
        if seat.loaded.stage is Stage.SHADOW or canary is None:
            return np.ones(len(entities), dtype=np.bool_)
        chosen = arm(entities, canary.share or 0.0, canary.salt).to_numpy()
        return chosen if seat.loaded.stage is Stage.CANARY else ~chosen

    def _judged(self, seat: Seat, rows: NDArray[np.int64], records: Sequence[Any]) -> Verdicts:
        began = self.clock()
        scores = np.full(len(rows), np.nan)
        matrix = None
        readable = [at for at, record in enumerate(records) if record is not None]
        try:
            found = seat.judging.features.extract([records[at] for at in readable])
            scores[readable] = seat.judging.estimator.score(found)
            matrix = found if len(readable) == len(rows) else None
        except _FAILURES:
            # One record that a model chokes on must not hide its neighbours.
            for at in readable:
                scores[at] = _alone(seat, records[at])
        scores[~np.isfinite(scores)] = np.nan
        p_values = np.where(np.isnan(scores), np.nan, seat.judging.p_values(np.nan_to_num(scores)))
        taken = (self.clock() - began) * 1e3 / len(rows)
        return Verdicts(seat, rows, records, scores, p_values, taken, matrix)


def _alone(seat: Seat, record: Any) -> float:
    try:
        return float(seat.judging.raw([record])[0])
    except _FAILURES:
        return float("nan")


def parsed_rows(batch: EventBatch, event_class: EventClass, columns: Sequence[str]) -> pl.DataFrame:
    """Columns of one class that the batch has, the others null.

    `EventBatch.events` gives every row the whole class's types first; of a file that holds a single
    mail that costs more than to read the mail.
    """
    frame = batch.tables[event_class]
    return frame.select(
        pl.col(name) if name in frame.columns else pl.lit(None, column_type(name)).alias(name)
        for name in columns
    )
