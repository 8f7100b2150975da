"""What a relation remembers: counts of pairs, contexts and objects, bounded.

Counts are of *tiles*: a pair counts once an hour and scope, however often it is repeated. To make
a strange thing ordinary by repetition takes hours, not events.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from hauberk.detect.calibration import HISTORY_SCHEMA
from hauberk.detect.interface import State

from .measure import SPOKEN_SCHEMA

EPOCH = 1 << 17
"""Tiles between two evictions. Evictions follow the ordinal of the tile, never the batch."""

MAX_PAIRS = 400_000
MAX_NAMES = 200_000
MAX_OBJECTS_OF_ONE = 4_000
"""Pairs, names and objects of one context that survive an eviction.

Kept are the ones seen in most tiles, then the latest: names that somebody makes up are seen once
and leave first. One context keeps only so many objects, so that no single process or account can
push out the memory of the others.
"""

_SCHEMAS: Mapping[str, pl.Schema] = {
    "pairs": pl.Schema(
        {"context": pl.String(), "object": pl.String(), "tiles": pl.Int64(), "last": pl.Int64()}
    ),
    "contexts": pl.Schema(
        {
            "context": pl.String(),
            "context_tiles": pl.Int64(),
            "once": pl.Int64(),  # objects seen in exactly one tile
            "context_last": pl.Int64(),
        }
    ),
    "objects": pl.Schema({"object": pl.String(), "users": pl.Int64(), "object_last": pl.Int64()}),
    "open": pl.Schema({"scope": pl.String(), "context": pl.String(), "object": pl.String()}),
    "spoken": SPOKEN_SCHEMA,
    "clock": pl.Schema(
        {
            "hour": pl.Int64(),  # of the open tiles, whole hours since 1970
            "tiles": pl.Int64(),
            "pairs": pl.Int64(),  # pairs ever new
            "objects": pl.Int64(),  # objects ever new
        }
    ),
    "history": HISTORY_SCHEMA,
}


@dataclass(frozen=True, slots=True)
class Memory:
    """The tables of one relation.

    `pairs`, `contexts`, `objects`: tiles in which each was seen. `open`: tiles of the current hour.
    `spoken`: findings of the current hour a scope. `clock`: one row. `history`: the calibration's.
    """

    pairs: pl.DataFrame
    contexts: pl.DataFrame
    objects: pl.DataFrame
    open: pl.DataFrame
    spoken: pl.DataFrame
    clock: pl.DataFrame
    history: pl.DataFrame

    @classmethod
    def recall(cls, state: State, name: str) -> "Memory":
        """The memory of the relation `name` in a detector's state; empty before its first event."""
        tables = {
            table: state.get(f"{name}.{table}", pl.DataFrame(schema=schema))
            for table, schema in _SCHEMAS.items()
        }
        if tables["clock"].is_empty():
            zero = dict.fromkeys(_SCHEMAS["clock"], 0)
            tables["clock"] = pl.DataFrame([zero], schema=_SCHEMAS["clock"], orient="row")
        return cls(**tables)

    def state(self, name: str) -> dict[str, pl.DataFrame]:
        """These tables under the names that `recall` looks for."""
        return {f"{name}.{table}": getattr(self, table) for table in _SCHEMAS}

    def moment(self, column: str) -> int:
        """A value of the clock."""
        return int(self.clock[column][0])

    def evicted(self) -> "Memory":
        """The same memory within its bounds."""
        pairs = _most_seen(self.pairs, MAX_PAIRS, "tiles", "last")
        if pairs.height > MAX_OBJECTS_OF_ONE:
            ordered = pairs.sort("tiles", "last", "object", descending=True)
            pairs = ordered.filter(pl.int_range(pl.len()).over("context") < MAX_OBJECTS_OF_ONE)
        return Memory(
            pairs,
            _most_seen(self.contexts, MAX_NAMES, "context_tiles", "context_last"),
            _most_seen(self.objects, MAX_NAMES, "users", "object_last"),
            self.open,
            self.spoken,
            self.clock,
            self.history,
        )


def _most_seen(table: pl.DataFrame, limit: int, *order: str) -> pl.DataFrame:
    if table.height <= limit:
        return table
    names = [name for name in ("context", "object") if name in table.columns]
    return table.sort(*order, *names, descending=True).head(limit)
