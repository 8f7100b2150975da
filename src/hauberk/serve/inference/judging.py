"""What models say of the records of one request, and what is kept of it: counts, no content."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl

from hauberk.detect.models import Asked, Panel, Seat, Verdicts
from hauberk.models import Task

from .counting import Requests
from .following import Following, answers
from .records import Record

MOST_REASONS = 5

Answer = dict[str, Any]  # as JSON has it


class NobodyMayJudgeError(Exception):
    """No model answers for any record of a request; the text says why."""


@dataclass(slots=True)
class Judges:
    """Judges requests with whoever may, from any thread."""

    following: Following
    requests: Requests
    _told: dict[tuple[str, date], int] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def judge(
        self, task: Task, records: Sequence[Record], client: str, now: datetime, reasons: int
    ) -> list[Answer]:
        """An answer a record, in order. Raises NobodyMayJudgeError.

        Everything that was judged is counted before anything is answered.
        """
        panel = self.following.panel(task)
        if isinstance(panel, str):
            raise NobodyMayJudgeError(panel)
        bench = self.following.bench()
        why = bench.reasons[task] if bench is not None else ""
        found: list[Answer] = [_nobody(task, why) for _ in records]
        entities = pl.Series([one.entity for one in records], dtype=pl.String)
        for seat in panel.seats:
            verdicts = _said(panel, seat, records, entities)
            if verdicts is None:
                continue
            self._count(verdicts, client, now)
            if answers(seat.loaded):
                self._answer(found, task, verdicts, now.date(), reasons)
        return found

    def _answer(
        self, found: list[Answer], task: Task, verdicts: Verdicts, day: date, reasons: int
    ) -> None:
        seat, flagged = verdicts.seat, verdicts.flagged
        told = self._allowed(seat, day, int(flagged.sum()))
        why = _reasons(verdicts, reasons)
        probabilities = verdicts.probabilities().to_list()
        for at, row in enumerate(verdicts.rows.tolist()):
            one = {"task": str(task), **_named(seat), "verdict": None}
            if np.isnan(verdicts.scores[at]):
                one["error"] = "the model cannot judge this record"
            elif flagged[at] and told <= 0:
                most = seat.loaded.conditions.max_findings_per_day
                one["error"] = f"withheld: the board allows {most} findings a day"
            else:
                told -= int(flagged[at])
                probability = probabilities[at]
                one |= {
                    "verdict": seat.loaded.model.classes[-1 if flagged[at] else 0],
                    "flagged": bool(flagged[at]),
                    "score": round(float(verdicts.scores[at]), 4),
                    "threshold": round(seat.threshold, 4),
                    "p": float(f"{verdicts.p_values[at]:.3g}"),
                    "probability": None if probability is None else round(probability, 4),
                    "reasons": [{"what": part.what, "share": round(part.share, 3)}
                                for part in why[at]],
                }  # fmt: skip
            found[row] = one

    def _allowed(self, seat: Seat, day: date, wanted: int) -> int:
        """How many of the flagged records may be told: what is left of the day, taken at once."""
        most = seat.loaded.conditions.max_findings_per_day
        if most is None:
            return wanted
        key = (seat.loaded.digest, day)
        with self._turn:
            self._told = {one: count for one, count in self._told.items() if one[1] == day}
            before = self._told.get(key, self.following.told_before(*key))
            allowed = max(0, min(wanted, most - before))
            self._told[key] = before + allowed
        return allowed

    def _count(self, verdicts: Verdicts, client: str, now: datetime) -> None:
        size = len(verdicts.rows)
        days = pl.Series([now.date()] * size, dtype=pl.Date)
        clients = pl.Series([client] * size, dtype=pl.String)
        counts = Asked(
            verdicts.counted(days), verdicts.queries(days, clients), verdicts.inputs(days)
        )
        self.requests.add(verdicts.seat.loaded, client, now.date(), counts)


def _said(
    panel: Panel, seat: Seat, records: Sequence[Record], entities: pl.Series
) -> Verdicts | None:
    """What one model says of the records that it is for; None where there are none."""
    rows = np.flatnonzero(panel.assigned(seat, entities))
    if not len(rows):
        return None
    own = [records[at].of(seat) for at in rows.tolist()]
    (said,) = Panel((seat,), panel.clock).judge(own, entities.gather(rows))
    return Verdicts(
        seat, rows, said.records, said.scores, said.p_values, said.milliseconds, said.matrix
    )


def _reasons(verdicts: Verdicts, most: int) -> Mapping[int, Sequence[Any]]:
    """The strongest parts of each score, by position."""
    rows = np.flatnonzero(~np.isnan(verdicts.scores)).tolist()
    if not rows or not most:
        return dict.fromkeys(rows, ())
    said = verdicts.seat.why([verdicts.records[at] for at in rows])
    return {at: parts[:most] for at, parts in zip(rows, said, strict=True)}


def _named(seat: Seat) -> Answer:
    loaded = seat.loaded
    return {
        "model": f"{loaded.model.name}@{loaded.model.version}",
        "artifact": loaded.digest,
        "stage": str(loaded.stage),
    }


def _nobody(task: Task, why: str) -> Answer:
    said = "no model may judge this record: it falls to the live model, and " + (why or "none does")
    return {"task": str(task), "verdict": None, "error": said}
