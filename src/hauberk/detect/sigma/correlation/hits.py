"""Hits: what rules said of single events, kept for the correlations that read them.

One row is one rule that fired on one event. Columns of HIT_SCHEMA, and `field.NAME` (text) for each
field that any correlation groups by or measures, under the name that the rule's view gives it.
"""

from collections.abc import Collection, Mapping, Sequence

import polars as pl

from hauberk.events import TIME, is_plausible

HIT_SCHEMA = pl.Schema(
    {
        "rule": pl.String(),  # uid of the rule
        "time": TIME,
        "uid": pl.String(),  # metadata.uid of the event
        "entities": pl.List(pl.String()),  # `kind:value`; host and user first
    }
)
FIELD = "field."
"""How the names of columns begin that hold the fields of events."""

LONGEST = 1_000
"""Characters of a field's text that are kept; longer ones are told apart by their beginnings."""


def no_hits() -> pl.DataFrame:
    """A frame of hits without rows."""
    return pl.DataFrame(schema=HIT_SCHEMA)


def hits_frame(
    rule: Sequence[str],
    time: pl.Series,
    uid: pl.Series,
    entities: Sequence[Sequence[str]] | pl.Series,
    fields: Mapping[str, Sequence[str | None]],
) -> pl.DataFrame:
    """Hits in columns, a row each; `fields` by name. Events without a real time are left out."""
    frame = pl.DataFrame(
        {
            "rule": pl.Series(rule, dtype=pl.String),
            "time": time.cast(TIME),
            "uid": uid.cast(pl.String),
            "entities": pl.Series(entities, dtype=pl.List(pl.String)),
            **{
                FIELD + name: pl.Series(values, dtype=pl.String).str.slice(0, LONGEST)
                for name, values in fields.items()
            },
        }
    )
    return frame.filter(is_plausible(pl.col("time")))


def joined_hits(frames: Collection[pl.DataFrame]) -> pl.DataFrame:
    """Frames of hits as one; a field that a frame does not know is null there."""
    return pl.concat([no_hits(), *frames], how="diagonal")
