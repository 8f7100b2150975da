"""Rows held as mappings, seen as `Fields`: for samples, tests and explanations."""

from collections.abc import Collection, Mapping, Sequence


class RowFields:
    """Flat mappings of field to value as `hauberk.events.Fields`."""

    def __init__(self, rows: Sequence[Mapping[str, object]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def names(self) -> Collection[str]:
        """Names of all fields that any row has."""
        return list(dict.fromkeys(name for row in self._rows for name in row))

    def column(self, name: str) -> Sequence[object] | None:
        """One value a row, or None when no row has the field."""
        if not any(name in row for row in self._rows):
            return None
        return [row.get(name) for row in self._rows]

    def has(self, name: str) -> Sequence[bool]:
        """Whether each row has the field at all."""
        return [name in row for row in self._rows]

    def row(self, index: int) -> Mapping[str, object]:
        """All fields of one row."""
        return self._rows[index]
