"""Times as the event path carries them: UTC, microseconds, never local, never guessed."""

from datetime import UTC, datetime

import polars as pl

from .schema import TIME

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""Events before this carry a clock that was never set."""

LATEST = datetime(2100, 1, 1, tzinfo=UTC)
"""Events after this carry a clock that is broken."""

_FIRST_MICROS = -62_135_596_800_000_000
_LAST_MICROS = 253_402_300_799_999_999


def from_epoch_seconds(column: pl.Series) -> pl.Series:
    """Seconds since 1970 (float, integer or digits) as times; null where it is no number."""
    micros = (column.cast(pl.Float64, strict=False) * 1e6).round()
    return micros.cast(pl.Int64, strict=False).cast(TIME)


def from_iso(column: pl.Series) -> pl.Series:
    """ISO 8601 text as times, once per distinct value; a text without offset is UTC.

    Accepts a `T` or a space between date and time, any number of fraction digits, `Z`, `+01:00`
    and `+0100`. Null where the text is no time.
    """
    text = pl.col("text")
    # Polars parses at most nine fraction digits; Windows writes seven, some tools more.
    trimmed = text.str.replace(" ", "T", literal=True).str.replace(r"(\.\d{6})\d+", "$1")
    zoned = trimmed.str.replace(r"[zZ]$", "+0000").str.replace(r"([+-]\d\d):(\d\d)$", "$1$2")
    full = pl.when(zoned.str.contains(r"[+-]\d{4}$")).then(zoned).otherwise(zoned + "+0000")
    frame = pl.DataFrame({"text": column.cast(pl.String)})
    distinct = frame.unique()
    parsed = distinct.with_columns(
        full.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", strict=False, exact=True)
        .cast(TIME)
        .alias("time")
    )
    return frame.join(parsed, on="text", how="left", maintain_order="left")["time"]


def within_calendar(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with null for times before the year 1 or after 9999, in any of its columns.

    Python and SQL have no value for them: one such time would fail whoever looks at its rows.
    """
    strange = [series.name for series in frame if series.dtype == TIME and _is_beyond(series)]
    if not strange:
        return frame
    return frame.with_columns(
        pl.when(pl.col(name).to_physical().is_between(_FIRST_MICROS, _LAST_MICROS)).then(
            pl.col(name)
        )
        for name in strange
    )


def _is_beyond(times: pl.Series) -> bool:
    """Whether any time is one that no calendar holds: two bounds, and no query for few rows."""
    micros = times.cast(pl.Int64)  # to_physical is a query
    low, high = micros.min(), micros.max()
    return not (
        low is None
        or (isinstance(low, int) and isinstance(high, int)
            and low >= _FIRST_MICROS and high <= _LAST_MICROS)
    )  # fmt: skip


def is_plausible(time: pl.Expr) -> pl.Expr:
    """Whether a clock could have said this: between EARLIEST and LATEST."""
    return time.is_between(EARLIEST, LATEST)
