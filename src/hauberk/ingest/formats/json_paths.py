"""Nested JSON objects into typed columns: one value a row by path, each level walked once."""

from collections.abc import Mapping, Sequence

import orjson
import polars as pl
import pyarrow as pa

from hauberk.events import EventClass, schema

Values = Sequence[object]

_MAX_INTEGER = 1 << 63


class JsonPaths:
    """Values of objects by path of keys joined by dots; keys that hold dots are not looked for."""

    def __init__(self, rows: Sequence[Mapping[str, object]]) -> None:
        self._rows: Values = rows
        self._found: dict[str, Values] = {"": rows}

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._rows)

    def values(self, path: str) -> Values:
        """What each row has under `a.b.c`, None where it has nothing there."""
        found = self._found.get(path)
        if found is None:
            parent, _, key = path.rpartition(".")
            found = [
                inner.get(key) if type(inner) is dict else None for inner in self.values(parent)
            ]
            self._found[path] = found
        return found

    def column(self, paths: str, dtype: pl.DataType) -> pl.Series | None:
        """The first value that any of the paths (separated by spaces) has; None if none ever."""
        columns = []
        for path in paths.split():
            values = self.values(path)
            if is_given(values):
                columns.append(typed(values, dtype))
        if len(columns) < 2:  # nothing to choose between
            return columns[0] if columns else None
        frame = pl.DataFrame([column.alias(str(i)) for i, column in enumerate(columns)])
        return frame.select(pl.coalesce(pl.all())).to_series()

    def frame(self, columns: Mapping[str, str], event_class: EventClass) -> pl.DataFrame:
        """Columns of an event class from their paths; without those that no row has."""
        types = schema(event_class)
        made = ((name, self.column(paths, types[name])) for name, paths in columns.items())
        return pl.DataFrame([column.alias(name) for name, column in made if column is not None])


def is_given(values: Values) -> bool:
    """Whether any row has a value."""
    return any(value is not None for value in values)


def typed(values: Values, dtype: pl.DataType) -> pl.Series:
    """Values as a column; one that is no value of that type is null, objects are their JSON."""
    if isinstance(dtype, pl.List):
        # Polars builds a column of lists a row at a time; Arrow is ten times as fast.
        lists = [_texts_of(value) for value in values]
        return pl.Series(pa.array(lists, pa.large_list(pa.large_string())))
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if dtype == pl.String():
        if kinds - {str}:
            values = [value if type(value) is str else _text_of(value) for value in values]
        return pl.Series(values, dtype=dtype)
    if kinds <= {int, float}:
        try:
            return pl.Series(values, dtype=dtype, strict=False)
        except OverflowError:
            pass  # an integer beyond 64 bits: the slower way leaves it out
    return pl.Series([_scalar(value) for value in values], dtype=dtype, strict=False)


def _texts_of(value: object) -> list[str] | None:
    if value is None:
        return None
    members = value if isinstance(value, list) else [value]
    texts = [member if type(member) is str else _text_of(member) for member in members]
    return [text for text in texts if text is not None]


def _text_of(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) == 1:
        return _text_of(value[0])
    return orjson.dumps(value).decode()


def _scalar(value: object) -> object:
    if isinstance(value, int) and abs(value) >= _MAX_INTEGER:
        return None
    return value if isinstance(value, str | int | float) else None
