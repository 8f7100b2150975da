"""Typed columns out of JSON objects whose values may be of any type."""

from collections.abc import Mapping, Sequence

import polars as pl

from .json_fields import JsonFields, Row

_LARGEST = 2**63 - 1


class JsonColumns:
    """Columns of one list of objects, named by key or dotted path; null where there is nothing."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.fields = JsonFields(rows)
        self.height = len(rows)

    def text(self, name: str, otherwise: str | None = None) -> pl.Series:
        """Values as text; of a list its first member; empty text is nothing."""
        values = [_text(value) for value in self._values(name)]
        series = pl.Series(name, values, dtype=pl.String)
        return series if otherwise is None else series.fill_null(otherwise)

    def first_text(self, *names: str) -> pl.Series:
        """The first of several fields that has text, row by row."""
        found = self.text(names[0])
        for name in names[1:]:
            found = found.fill_null(self.text(name))
        return found

    def number(self, name: str) -> pl.Series:
        """Values as whole numbers, from numbers or digits."""
        return pl.Series(name, [_whole(value) for value in self._values(name)], dtype=pl.Int64)

    def real(self, name: str) -> pl.Series:
        """Values as real numbers, from numbers or digits."""
        return self.text(name).cast(pl.Float64(), strict=False)

    def texts(self, name: str) -> pl.Series:
        """Values as lists of text; one value is a list of one."""
        lists = [_texts(value) for value in self._values(name)]
        return pl.Series(name, lists, dtype=pl.List(pl.String))

    def frame(self, columns: Mapping[str, pl.Series | str | int]) -> pl.DataFrame:
        """The columns under their names, constants repeated."""
        return pl.DataFrame(
            [
                series.alias(name)
                if isinstance(series, pl.Series)
                else pl.repeat(series, self.height, eager=True).alias(name)
                for name, series in columns.items()
            ]
        )

    def _values(self, name: str) -> Sequence[object]:
        values = self.fields.column(name)
        return [None] * self.height if values is None else values


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, list):
        return _text(value[0]) if value and not isinstance(value[0], list) else None
    return None if value is None else str(value)


def _texts(value: object) -> list[str] | None:
    if value is None:
        return None
    members = value if isinstance(value, list) else [value]
    return [text for member in members if (text := _text(member)) is not None]


def _whole(value: object) -> int | None:
    if isinstance(value, str):
        value = int(value) if value.isdecimal() and len(value) < 19 else None
    if isinstance(value, float):
        value = int(value) if value.is_integer() and abs(value) < _LARGEST else None
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST:
        return None
    return value
