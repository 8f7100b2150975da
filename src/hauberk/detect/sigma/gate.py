"""Whether a text can hold anything that keyword rules look for: one pass, no memory.

Keyword rules read every value of every event, most of which are new (counters, times, messages).
Remembering them costs more than it saves; a linear-time scan of a whole column is cheap.
"""

from collections.abc import Collection, Iterable, Sequence

import re2

from .literal import required_literals
from .predicate import Op, Predicate, fold, like_parts, value_text

_NUMERIC = frozenset("0123456789.-+einfatru")
"""Characters that a number, a boolean or a null is spelled with, folded."""

MAX_LITERALS = 2_000


class Gate:
    """Lets a column through when a value in it may answer one of the predicates."""

    def __init__(self, predicates: Iterable[Predicate]) -> None:
        literals = {text for predicate in predicates for text in _literals(predicate)}
        self._open = "" in literals or len(literals) > MAX_LITERALS
        self._numbers = self._open or any(set(text) <= _NUMERIC for text in literals)
        options = re2.Options()
        options.log_errors = False
        options.never_capture = True
        alternatives = "|".join(re2.escape(text) for text in sorted(literals))
        self._scan = re2.compile(alternatives.encode("utf-8", "replace"), options)

    def admits(self, column: Sequence[object]) -> bool:
        """Whether any value of the column may answer a predicate; never wrongly False."""
        if self._open:
            return True
        kinds = set(map(type, column))
        if not self._numbers and kinds <= {int, float, bool, type(None)}:
            return False
        distinct = column if list in kinds or tuple in kinds or dict in kinds else set(column)
        texts = distinct if kinds == {str} else map(_text, distinct)
        blob = fold("\n".join(texts))  # type: ignore[arg-type]  # all text, as `kinds` says
        return self._scan.search(blob.encode("utf-8", "replace")) is not None


def _literals(predicate: Predicate) -> Collection[str]:
    """Folded texts, without any of which the predicate is false; "" where there are none."""
    match predicate.op:
        case Op.EQUALS | Op.CONTAINS | Op.STARTSWITH | Op.ENDSWITH:
            return [fold(predicate.text)]
        case Op.LIKE:
            parts = (part[1:] for part in like_parts(predicate.text) if part[0] == "=")
            return [fold(max(parts, key=len, default=""))]
        case Op.REGEX:
            return next(iter(required_literals(predicate.text)), [""])
        case _:
            return [""]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return "\n".join(map(_text, value))
    return value_text(value) or ""
