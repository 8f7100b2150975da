"""Whether a text can hold anything that keyword rules look for: one pass, no memory.

Keyword rules read every value of every event, most of which are new (counters, times, messages).
Remembering them costs more than it saves; a linear-time scan of a whole column is cheap.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache

import re2

from .finder import any_literal
from .literal import required_literals
from .predicate import Op, Predicate, fold, like_parts, value_text

_NUMERIC = frozenset("0123456789.-+einfatruls")
"""Characters that a number, a boolean or a null is spelled with, folded."""

_PLAIN = frozenset({int, float, bool, type(None)})
_TEXT_OR_NULL = frozenset({str, type(None)})

FEW = 16
"""Values that are searched at once rather than looked at first."""

MAX_LITERALS = 2_000

LONG = 512
"""Letters above which a column is not searched together with others."""

_PIECE = 1 << 16
"""Letters that are joined to be searched at once; more would leave the processor's cache."""

_SPREAD = re.compile("[\u0130\u017f\u212a]")
"""The letters beyond ASCII that fold to ASCII ones."""


class Gate:
    """Says where values stand that may answer one of the predicates."""

    def __init__(self, predicates: Iterable[Predicate]) -> None:
        literals = {text for predicate in predicates for text in _literals(predicate)}
        self._open = "" in literals or len(literals) > MAX_LITERALS
        self._numbers = self._open or any(set(text) <= _NUMERIC for text in literals)
        ascii_only = sorted(text for text in literals if text and text.isascii())
        options = re2.Options()
        options.log_errors = False
        options.never_capture = True
        alternatives = "|".join(re2.escape(text) for text in sorted(literals))
        scan = re2.compile(alternatives.encode("utf-8", "replace"), options)
        self._folded = scan
        self._is_ascii = all(map(str.isascii, literals))
        self._shortest = min(map(len, literals), default=0)
        self._ascii: Callable[[bytes], bool] = lambda _: False
        if ascii_only and not self._open:
            self._ascii = any_literal(ascii_only) or _caseless(ascii_only)

    @property
    def is_open(self) -> bool:
        """Whether any value at all may answer a predicate."""
        return self._open

    def admits(self, column: Sequence[object]) -> bool:
        """Whether any value of the column may answer a predicate; never wrongly False."""
        return self._open or self.may_answer(self.texts(column))

    def texts(self, column: Sequence[object]) -> str:
        """What of a column has to be looked at: its values, a line each."""
        try:
            return "\n".join(column)  # type: ignore[arg-type]  # all text, or it raises at once
        except TypeError:
            pass
        if self._numbers:
            return "\n".join(map(_text, column))
        kinds = set(map(type, column))
        if kinds <= _PLAIN:
            return ""
        if kinds <= _TEXT_OR_NULL:
            return "\n".join(filter(None, column))  # type: ignore[arg-type]  # text
        return "\n".join(
            [
                value if type(value) is str else _text(value)
                for value in column
                if type(value) not in _PLAIN
            ]
        )

    def may_answer(self, text: str) -> bool:
        """Whether a value within `text` may answer a predicate; never wrongly False."""
        if self._open:
            return True
        if text.isascii():
            return self._ascii(text.encode())
        if self._is_ascii and not _SPREAD.search(text):
            return self._ascii(text.encode("utf-8", "replace"))
        return self._folded.search(fold(text).encode("utf-8", "replace")) is not None

    def admitted(self, column: Sequence[object]) -> Iterable[int]:
        """Rows of the column whose value may answer a predicate."""
        if self._open:
            return range(len(column))
        if self.is_idle(column):
            return ()
        rows: list[int] = []
        step = _together(column)
        for start in range(0, len(column), step):
            piece = column[start : start + step] if step < len(column) else column
            if self.may_answer(self.texts(piece)):
                rows += self._one_by_one(piece, start)
        return rows

    def _one_by_one(self, column: Sequence[object], first: int) -> Iterable[int]:
        if len(column) == 1:
            return (first,)
        may_answer, texts = self.may_answer, self.texts
        return [
            row
            for row, value in enumerate(column, first)
            if may_answer(value if type(value) is str else texts([value]))
        ]

    def is_idle(self, column: Sequence[object]) -> bool:
        """Whether it is plain at little cost that no value of the column can answer."""
        if self._open or self._numbers or len(column) < FEW:
            return False
        first, last = column[0], column[-1]
        if type(first) is str and type(last) is str:
            if first == last:
                return column.count(first) == len(column) and not self.may_answer(first)
            if len(first) < self._shortest and len(last) < self._shortest:
                try:
                    return max(map(len, column)) < self._shortest  # type: ignore[arg-type]  # or:
                except TypeError:
                    return False
        return False


@lru_cache(maxsize=256)
def gate_for(predicates: frozenset[Predicate]) -> Gate:
    """The gate for these predicates: most logs are asked the same keywords."""
    return Gate(predicates)


def is_long(column: Sequence[object]) -> bool:
    """Whether a column seems to hold long texts: a look at some of them."""
    return _longest(column) > LONG


def _longest(column: Sequence[object]) -> int:
    size = len(column)
    some = (column[0], column[size // 3], column[size * 2 // 3], column[-1])
    return max([len(value) for value in some if type(value) is str], default=0)


def _together(column: Sequence[object]) -> int:
    """How many values of a column to search at once: as much text as a cache holds."""
    return max(1, _PIECE // (1 + _longest(column)))


def _caseless(literals: Sequence[str]) -> Callable[[bytes], bool]:
    """Whether ASCII text holds any of some literals, in any case; by RE2."""
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.case_sensitive = False
    scan = re2.compile("|".join(map(re2.escape, literals)).encode(), options)
    return lambda text: scan.search(text) is not None


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
        try:
            return "\n".join(value)
        except TypeError:
            return "\n".join(map(_text, value))
    return value_text(value) or ""
