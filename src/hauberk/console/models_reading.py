"""What the pages of models know: the registry of the home, cards, measures over time.

The registry is folded from the proved ledger, anew whenever that has got an entry of models.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from hauberk.errors import HomeDamagedError
from hauberk.events import OWN_CLASS, Status
from hauberk.models import (
    ENTRY_PREFIXES,
    Clearance,
    Registry,
    Stage,
    Version,
    cleared,
    fold,
    folder_of,
)
from hauberk.pipeline import STATEMENT_REFUSED
from hauberk.store import Entry, Home

from .reading import Reading

CARD = "card.md"
MAX_CARD = 64 << 10
"""Bytes of a card that are shown."""

_TYPES = (*ENTRY_PREFIXES, STATEMENT_REFUSED)

MAX_MEASURES = 4000
"""Newest measures of a model that are drawn."""


@dataclass(frozen=True, slots=True)
class Standing:
    """All models at one size of the ledger; `fault` says why there is nothing."""

    size: int
    origin: str
    registry: Registry
    refused: Sequence[Entry] = ()
    fault: str = ""


class ModelRoom:
    """Reads models from a home while others write it."""

    def __init__(self, reading: Reading, clock: Callable[[], datetime]) -> None:
        self._reading = reading
        self._clock = clock
        self._turn = threading.Lock()
        self._standing: Standing | None = None

    def open(self) -> Home:
        """The home for one look, by the console's clock."""
        return Home.open(self._reading.path, read_only=True, clock=self._clock)

    def standing(self) -> Standing:
        """The registry as the ledger has it now."""
        with self._turn, self.open() as home:
            size, known = home.ledger.size, self._standing
            if known is None or known.fault or size < known.size or _says(home, known.size, size):
                known = standing_of(home, size)
            self._standing = known = replace(known, size=size)
            return known

    def answer(self, registry: Registry, version: Version) -> Clearance:
        """What a version lacks to be live."""
        return cleared(registry.authority, registry.keys, version, Stage.LIVE, self._clock())

    def card(self, version: Version) -> str | None:
        """The model's card as it was registered; None where the file is another, or gone."""
        path = folder_of(self._reading.path, version.artifact) / CARD
        try:
            data = path.read_bytes() if path.stat().st_size <= MAX_CARD else b""
        except OSError:
            return None
        if hashlib.sha256(data).hexdigest() != version.files.get(CARD):
            return None
        return data.decode("utf-8", "replace")

    def measures(self, version: Version) -> pl.DataFrame:
        """What was measured of a version, in order of time; one row a measure.

        Columns `time`, `metric`, `value`, `bound`, `samples`, `held` (not beyond its bound).
        """
        named = {
            "time": pl.col("time"),
            "metric": pl.col("model.metric"),
            "value": pl.col("model.value"),
            "bound": pl.col("model.bound"),
            "samples": pl.col("model.samples"),
            "held": pl.col("status_id") == int(Status.SUCCESS),
        }
        with self.open() as home:
            if OWN_CLASS not in home.lake.event_classes():
                return pl.DataFrame(schema=[*named])
            columns = [
                "time", "status_id", "api.operation", "ai_model.uid", "model.metric",
                "model.value", "model.bound", "model.samples",
            ]  # fmt: skip
            return (
                home.lake.scan(OWN_CLASS, columns)
                .filter(
                    pl.col("ai_model.uid") == version.artifact,
                    pl.col("api.operation") == "measure",
                    pl.col("model.value").is_finite(),
                )
                .select(**named)
                .collect()
                .sort("time")
                .tail(MAX_MEASURES)
            )


def _says(home: Home, start: int, stop: int) -> bool:
    """Whether entries of the ledger between two positions say anything of models."""
    fresh = home.ledger.entries(start, stop) if start < stop else ()
    return any(str(one.get("type")).startswith(_TYPES) for one in fresh)


def standing_of(home: Home, size: int) -> Standing:
    """The registry of a home; empty where its ledger is not what was committed."""
    try:
        entries = home.proven_entries(_TYPES)
    except HomeDamagedError as error:
        return Standing(size, home.origin, fold((), home.origin), fault=str(error))
    refused = [one for one in entries if one.type == STATEMENT_REFUSED]
    governed = (one for one in entries if one.type != STATEMENT_REFUSED)
    return Standing(size, home.origin, fold(governed, home.origin), refused)
