"""When Windows events happened."""

import math
from collections.abc import Sequence

import polars as pl

from hauberk.events import TIME, from_iso

from .channels import names
from .readings import as_text

Row = dict[str, object]

_SPELLINGS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.fZ")
_MICROS = (1e11, 1e14, 1e17)


def times(rows: Sequence[Row], said: Sequence[object]) -> pl.Series:
    """A time for each row, by the best field that says one; null where none does.

    `said` is the first of `names().times` that each row has.
    """
    fields = names().times
    found = _from_text(_texts(said))
    for skip in range(1, len(fields) + 1):
        if not found.null_count():
            break
        missing = found.is_null().arg_true()
        again = [rows[i] for i in missing.to_list()]
        second = _from_numbers(again, fields[skip - 1])
        if skip < len(fields):
            second = second.zip_with(
                second.is_not_null(), _from_text(_column(again, fields[skip:]))
            )
        found = found.scatter(missing, second)
    return found.alias("time")


def _column(rows: Sequence[Row], fields: Sequence[str]) -> pl.Series:
    """For each row, the first of `fields` that it has, as text."""
    said: list[object] = [None] * len(rows)
    for field in fields:
        said = [
            row.get(field) if value is None else value
            for row, value in zip(rows, said, strict=True)
        ]
    return _texts(said)


def _texts(said: Sequence[object]) -> pl.Series:
    try:
        return pl.Series(said, dtype=pl.String)
    except TypeError:
        return pl.Series([as_text(value) for value in said], dtype=pl.String)


def _from_text(said: pl.Series) -> pl.Series:
    """Times of ISO 8601 texts; the two spellings that Windows logs have are read fast."""
    found: pl.Series | None = None
    for spelling in _SPELLINGS:
        times = said.str.to_datetime(spelling, time_unit="us", time_zone="UTC", strict=False)
        found = times if found is None else found.zip_with(found.is_not_null(), times)
        if found.null_count() == said.null_count():
            return found
    return from_iso(said)


def _from_numbers(rows: Sequence[Row], field: str) -> pl.Series:
    """Epochs (seconds to nanoseconds, told apart by size) and `/Date(milliseconds)/`."""
    micros = [_epoch(row.get(field)) for row in rows]
    return pl.Series(micros, dtype=pl.Int64).cast(TIME)


def _epoch(value: object) -> int | None:
    text = (as_text(value) or "").removeprefix("/Date(").removesuffix(")/")
    if len(text) > 32:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number) or number <= 0:
        return None
    for limit, factor in zip(_MICROS, (1e6, 1e3, 1.0), strict=True):
        if number < limit:
            return round(number * factor)
    return round(number / 1e3) if number < 9e18 else None
