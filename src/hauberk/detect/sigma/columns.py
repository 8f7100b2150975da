"""Columns as rules read them: renamed, joined and respelled as a log's source says."""

from collections.abc import Iterable, Sequence

from hauberk.events import Fields

from .predicate import fold, value_text
from .taxonomy import Source


def presence(fields: Fields, source: Source) -> Sequence[bool]:
    """Whether each row has any of the source's columns, were its value null."""
    held = [fields.has(name) for name in source.columns]
    return held[0] if len(held) == 1 else [any(row) for row in zip(*held, strict=True)]


def read(fields: Fields, source: Source) -> Sequence[object] | None:
    """One value a row as the source derives it, or None when no row has one."""
    columns = [held for name in source.columns if (held := fields.column(name)) is not None]
    if not columns:
        return None
    column: Sequence[object]
    if source.join is not None and len(source.columns) > 1:
        column = [_joined_text(row, source.join) for row in zip(*columns, strict=True)]
    elif len(columns) == 1:
        column = columns[0]
    else:
        column = [
            next((one for one in row if one is not None), None)
            for row in zip(*columns, strict=True)
        ]
    if source.prefixes or source.values:
        column = [derived(value, source) for value in column]
    return column


def _joined_text(row: Iterable[object], join: str) -> str | None:
    texts = [text for value in row if (text := value_text(value)) is not None]
    return join.join(texts) if texts else None


def derived(value: object, source: Source) -> object:
    """A value in the spelling that rules expect."""
    if not isinstance(value, str):
        return value
    for known, spelled in source.values:
        if value.lower() == known.lower():
            return spelled
    for prefix, spelled in source.prefixes:
        if value[: len(prefix)].lower() == prefix.lower():
            return spelled + value[len(prefix) :]
    return value


def compared(left: object, right: object, how: str) -> bool:
    """Whether any left value compares with any right one, folded, as `how` says."""
    for a in left if isinstance(left, list | tuple) else (left,):
        for b in right if isinstance(right, list | tuple) else (right,):
            first, second = value_text(a), value_text(b)
            if first is None or second is None:
                continue
            first, second = fold(first), fold(second)
            if (
                (how == "equals" and first == second)
                or (how == "startswith" and first.startswith(second))
                or (how == "endswith" and first.endswith(second))
                or (how == "contains" and second in first)
            ):
                return True
    return False
