"""The fields of Windows events under the names of Sigma's taxonomy, whatever the shipper."""

from collections.abc import Collection, Mapping, Sequence

from hauberk.ingest.formats.json_fields import JsonFields, Row, value_at

_MISSING = object()


class WindowsFields(JsonFields):
    """`hauberk.events.Fields` over flat rows, in which some fields may go by another name."""

    def __init__(self, rows: Sequence[Row], aliases: Mapping[str, Sequence[str]]) -> None:
        super().__init__(rows)
        self._aliases = aliases

    def names(self) -> Collection[str]:
        """Names of all fields that any row has; those of the taxonomy beside the shipper's."""
        found = frozenset(super().names())
        return found | {
            name for name, others in self._aliases.items() if not found.isdisjoint(others)
        }

    def has(self, name: str) -> Sequence[bool]:
        """Whether each row has the field at all, were its value null."""
        spelled = (name, *self._aliases.get(name, ()))
        return [
            any(value_at(row, each, _MISSING) is not _MISSING for each in spelled)
            for row in self.rows
        ]

    def row(self, index: int) -> Mapping[str, object]:
        """All fields of one row, those of the taxonomy beside the shipper's."""
        found = dict(super().row(index))
        for name, others in self._aliases.items():
            if name not in found:
                for other in others:
                    if other in found:
                        found[name] = found[other]
                        break
        return found

    def _read(self, name: str) -> Sequence[object] | None:
        values = super()._read(name)
        for other in self._aliases.get(name, ()):
            if values is not None and None not in values:
                return values
            more = super()._read(other)
            if more is not None:
                values = (
                    more
                    if values is None
                    else [b if a is None else a for a, b in zip(values, more, strict=True)]
                )
        return values
