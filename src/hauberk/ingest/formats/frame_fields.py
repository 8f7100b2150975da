"""The source's own fields over a polars frame, for formats that read text straight into columns."""

from collections.abc import Collection, Mapping, Sequence

import polars as pl


class FrameFields:
    """`Fields` over a frame of text and typed columns: no Python value exists before it is asked.

    `kinds` says what a text column stands for: a polars numeric or boolean type, or a list. A
    null is a field that the row lacks. A value that is not of its kind stays the text it was.
    """

    def __init__(self, frame: pl.DataFrame, kinds: Mapping[str, pl.DataType] | None = None) -> None:
        self._frame = frame
        self._kinds = dict(kinds or {})
        self._columns: dict[str, list[object]] = {}
        self._names: frozenset[str] | None = None

    def __len__(self) -> int:
        """Number of rows."""
        return self._frame.height

    def names(self) -> Collection[str]:
        """Names of the columns in which any row has a value."""
        if self._names is None:
            height = self._frame.height
            self._names = frozenset(
                series.name for series in self._frame if series.null_count() < height
            )
        return self._names

    def column(self, name: str) -> Sequence[object] | None:
        """One value a row, or None when no row has the field."""
        if name not in self.names():
            return None
        found = self._columns.get(name)
        if found is None:
            found = _values(self._frame[name], self._kinds.get(name))
            self._columns[name] = found
        return found

    def has(self, name: str) -> Sequence[bool]:
        """Whether each row has the field."""
        if name not in self.names():
            return [False] * self._frame.height
        return self._frame[name].is_not_null().to_list()

    def row(self, index: int) -> Mapping[str, object]:
        """The fields that one row has."""
        # One row is asked for to be shown or judged alone: columns not yet read stay unread.
        found: dict[str, object] = {}
        for name, value in zip(self._frame.columns, self._frame.row(index), strict=True):
            if value is None:
                continue
            kind = self._kinds.get(name)
            if kind is None or not isinstance(value, str):
                found[name] = value
            else:
                found[name] = _values(self._frame[name].slice(index, 1), kind)[0]
        return found


def _values(series: pl.Series, kind: pl.DataType | None) -> list[object]:
    """The series as Python values of its kind; text that is not of that kind stays text."""
    if kind is None or series.dtype != pl.String():
        return series.to_list()
    typed = as_kind(series, kind)
    if typed.null_count() == series.null_count():
        return typed.to_list()
    return [
        text if value is None else value
        for text, value in zip(series.to_list(), typed.to_list(), strict=True)
    ]


def as_kind(series: pl.Series, kind: pl.DataType) -> pl.Series:
    """Text as numbers, or `T`/`F`/`true`/`false` as booleans; null where it is neither."""
    if kind == pl.Boolean():
        lower = series.str.to_lowercase()
        truth = lower.is_in(["t", "true"])
        known = truth | lower.is_in(["f", "false"])
        return truth.set(~known.fill_null(value=False), None)
    return series.cast(kind, strict=False)
