"""The fields of JSON objects by column, read only where somebody asks for them."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import orjson

Row = Mapping[str, object]

_MISSING = object()
_MAX_DEPTH = 64


class JsonFields:
    """`hauberk.events.Fields` over one dict a row.

    A name is looked up as a key first and then as a path of keys joined by dots. A path through a
    list gives the list of what its members have. Objects read as their JSON text.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self._columns: dict[str, Sequence[object] | None] = {}
        self._names: frozenset[str] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def names(self) -> Collection[str]:
        """Names of all fields that any row has; nested ones joined by dots."""
        if self._names is None:
            flat: set[str] = set()
            for row in self.rows:
                # Most rows are flat, whose names need no walk.
                flat.update(
                    (name for name, _ in leaves(row)) if dict in map(type, row.values()) else row
                )
            self._names = frozenset(flat)
        return self._names

    def column(self, name: str) -> Sequence[object] | None:
        """One value a row, or None when no row has the field."""
        if name not in self._columns:
            self._columns[name] = self._read(name)
        return self._columns[name]

    def has(self, name: str) -> Sequence[bool]:
        """Whether each row has the field at all, were its value null."""
        return [value_at(row, name, _MISSING) is not _MISSING for row in self.rows]

    def row(self, index: int) -> Mapping[str, object]:
        """All fields of one row, nested names joined by dots."""
        return dict(leaves(self.rows[index]))

    def _read(self, name: str) -> Sequence[object] | None:
        if "." in name:
            found = [value_at(row, name, _MISSING) for row in self.rows]
            values = [None if value is _MISSING else value for value in found]
            missing = all(value is _MISSING for value in found)
        else:
            values = [row.get(name) for row in self.rows]
            missing = values.count(None) == len(values) and not any(
                name in row for row in self.rows
            )
        if missing:
            return None
        kinds = set(map(type, values))
        if dict in kinds or list in kinds:
            return [plain(value) for value in values]
        return values


def leaves(row: Row) -> Iterator[tuple[str, object]]:
    """Every field of one object that is no object itself, by its dotted name."""
    stack: list[tuple[str, Row, int]] = [("", row, 0)]
    while stack:
        prefix, inner, depth = stack.pop()
        for key, value in inner.items():
            if isinstance(value, dict) and value and depth < _MAX_DEPTH:
                stack.append((f"{prefix}{key}.", value, depth + 1))
            else:
                yield prefix + key, plain(value)


def value_at(row: object, path: str, default: object = None, depth: int = 0) -> object:
    """What `row` has under `path`: the key itself, else keys joined by dots; else `default`."""
    if isinstance(row, dict):
        if path in row:
            return row[path]
        # A key may hold dots itself, so every way of cutting the path counts.
        dot = path.find(".")
        while dot != -1:
            head = row.get(path[:dot], _MISSING)
            if head is not _MISSING:
                found = value_at(head, path[dot + 1 :], _MISSING, depth + 1)
                if found is not _MISSING:
                    return found
            dot = path.find(".", dot + 1)
        return default
    if isinstance(row, list) and depth < _MAX_DEPTH:
        found_in = [value_at(member, path, _MISSING, depth + 1) for member in row]
        members = [value for value in found_in if value is not _MISSING]
        return members or default
    return default


def plain(value: object) -> object:
    """A value as rules compare it: objects as JSON text, lists member by member."""
    if isinstance(value, dict):
        return _text(value)
    if isinstance(value, list):
        return [_text(member) if isinstance(member, dict | list) else member for member in value]
    return value


def _text(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # nested deeper than orjson writes
        return "(nested too deep)"
