"""A loaded model asked directly: checked records in, answers as JSON out, and what to count of it.

What a room that serves models over a network calls; there is no network here. Every answer counts
as a judgement at work: its TALLY and QUERIES rows go where the detectors' go, so that copying a
model by asking it is seen like any other use.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from hauberk.errors import UsageError

from .documents import Task
from .features.mail import read_mail
from .inference import Judging
from .loading import LoadedModel
from .watching import tally, tally_queries

MOST_RECORDS, LONGEST = 1000, 1 << 20
"""Records of one request, and characters of one record."""

MOST_REASONS = 5


@dataclass(frozen=True, slots=True)
class Answers:
    """One entry a record, as JSON; and what was counted (TALLY and QUERIES)."""

    model: Mapping[str, object]
    records: tuple[Mapping[str, object], ...]
    tallies: pl.DataFrame
    queries: pl.DataFrame


class Asked:
    """A model that every check let through, ready to be asked. Raises ArtifactError."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        self._judging = Judging(loaded.artifact)

    def answer(
        self, client: str, records: Sequence[object], now: datetime, reasons: int = 0
    ) -> Answers:
        """Judge records for a client. Raises UsageError naming the record that is at fault.

        Names and URLs are strings, mails base64 of their bytes, executables rows of numbers in
        the order of the model's features. Answers say `p_value` (the share of ordinary records
        that look as much like it) and `flagged`; scores stay here. A model that only observes
        answers, and its flags are withheld.
        """
        if not 0 < len(records) <= MOST_RECORDS:
            raise UsageError(f"expected 1 to {MOST_RECORDS:,} records, found {len(records):,}")
        read = [_record(self._loaded.model.task, one, f"record {at}")
                for at, one in enumerate(records)]  # fmt: skip
        scored = self._judging.score(read, reasons=min(reasons, MOST_REASONS))
        flagged = scored.scores >= self._loaded.model.thresholds["alert"]
        told = flagged & (not self._loaded.observes_only)
        answers = tuple(
            {
                "flagged": bool(told[at]),
                "p_value": float(scored.p_values[at]),
                "reasons": [
                    {"what": one.what, "share": round(one.share, 4)} for one in scored.reasons[at]
                ],
            }
            for at in range(len(read))
        )
        loaded = self._loaded
        name = {
            "name": loaded.model.name, "version": loaded.model.version, "digest": loaded.digest,
            "stage": str(loaded.stage), "observes_only": loaded.observes_only,
        }  # fmt: skip
        return Answers(name, answers, *self._counted(client, now, read, scored.scores, flagged))

    def _counted(
        self, client: str, now: datetime, read: Sequence[Any], scores: Any, flagged: Any
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        said = self._loaded.model.parameters.get("probability")
        known = said if isinstance(said, Mapping) else {}
        slope, offset = known.get("slope"), known.get("offset")
        mapped = isinstance(slope, int | float) and isinstance(offset, int | float)
        odds = np.clip(slope * scores + offset, -500, 500) if mapped else None
        limit = self._loaded.model.thresholds["alert"]
        judged = pl.DataFrame(
            {
                "day": pl.Series([now.date()] * len(read), dtype=pl.Date),
                "client": [client] * len(read),
                "p_value": self._judging.p_values(scores),
                "flagged": flagged,
                "odds": None if odds is None else slope * (scores - limit),
                "probability": None if odds is None else 1 / (1 + np.exp(-odds)),
            },
            schema_overrides={"odds": pl.Float64, "probability": pl.Float64},
        )
        digest, stage = self._loaded.digest, self._loaded.stage
        return tally(digest, stage, judged), tally_queries(digest, judged, read)


def _record(task: Task, given: object, where: str) -> Any:
    if task in (Task.DOMAIN, Task.URL):
        if isinstance(given, str) and 0 < len(given) <= LONGEST:
            return given
        raise UsageError("expected a text that is not empty", where=where)
    if task is Task.MAIL:
        if not isinstance(given, str) or len(given) > 2 * LONGEST:
            raise UsageError("expected a mail's bytes in base64", where=where)
        try:
            return read_mail(base64.b64decode(given, validate=True)[:LONGEST])
        except (ValueError, binascii.Error):
            raise UsageError("expected a mail's bytes in base64", where=where) from None
    numbers = isinstance(given, list | tuple) and len(given) <= LONGEST // 1024
    if not numbers or not all(type(one) in (int, float) for one in given):  # type: ignore[attr-defined]
        raise UsageError("expected a list of numbers", where=where)
    return [float(one) for one in given]  # type: ignore[attr-defined]
