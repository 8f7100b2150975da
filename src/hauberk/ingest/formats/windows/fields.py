"""The fields of Windows events under the names of Sigma's taxonomy, whatever the shipper."""

from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter

from hauberk.ingest.formats.json_fields import JsonFields, Row, plain, value_at

ENGINE_CODE = "EngineCode"
"""What the classic PowerShell log says was run, without the state of the engine around it: of a
pipeline (800) its command line, of an engine or provider (400, 600) the host application."""

_CODE_SHOWN = 4096
_MISSING = object()
_ONLY_NULL = {type(None)}


def engine_code(row: Row) -> str | None:
    """ENGINE_CODE of one record of the classic PowerShell log; None for any other record."""
    data = row.get("Data", row.get("Message"))
    text = "\n".join(str(part) for part in data) if isinstance(data, list) else data
    if not isinstance(text, str):
        return None
    head, found, _ = text.partition("DetailSequence=")
    if found:
        return head[:_CODE_SHOWN]
    _, found, tail = text.partition("HostApplication=")
    return tail.partition("\n")[0].strip()[:_CODE_SHOWN] if found else None


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
        if (code := engine_code(self.rows[index])) is not None:
            found[ENGINE_CODE] = code
        for name, others in self._aliases.items():
            if name not in found:
                for other in others:
                    if other in found:
                        found[name] = found[other]
                        break
        return found

    def _read(self, name: str) -> Sequence[object] | None:
        if name == ENGINE_CODE:
            said = [engine_code(row) for row in self.rows]
            return said if any(said) else None
        others = self._aliases.get(name, ())
        if not others:
            return self._read_as(name)
        # The spelling that the first row has is most likely that of all.
        spelled = [name, *others]
        if self.rows and name not in self.rows[0]:
            spelled.sort(key=lambda each: each not in self.rows[0])
        values: Sequence[object] | None = None
        for each in spelled:
            more = self._read_as(each)
            if more is None:
                continue
            if values is None:
                values = more
            else:
                values = [b if a is None else a for a, b in zip(values, more, strict=True)]
            if None not in values:
                break
        return values

    def _read_as(self, name: str) -> Sequence[object] | None:
        """One value a row; None where all are null."""
        if "." in name:
            return super()._read(name)
        rows = self.rows
        if rows and name in rows[0]:
            try:
                values = list(map(itemgetter(name), rows))
            except KeyError:
                values = [row.get(name) for row in rows]
        else:
            values = [row.get(name) for row in rows]
        kinds = set(map(type, values))
        if kinds == _ONLY_NULL:
            return None
        if dict in kinds or list in kinds:
            return [plain(value) for value in values]
        return values
