"""Literals of which a regular expression's matches hold one, to look for first.

Reads what the expression spells out: alternatives, optional and repeated parts, small classes. At
what it does not know it gives up: a missing answer costs time, a wrong one would cost a detection.

Source: R. Cox, Regular Expression Matching with a Trigram Index (2012), its exact and match sets.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

Texts = frozenset[str]

MAX_TEXTS = 64
"""Literals that are worth looking for in place of one expression."""

MAX_SETS = 4
"""Sets that are worth asking about one expression."""

_MAX_EXACT = 32
_MAX_CLASS = 4
_MAX_DEPTH = 40
_NONE: Texts = frozenset()
_EMPTY: Texts = frozenset({""})
_KINDS = frozenset("dDwWsS")
_ANCHORS = frozenset("bBAz")
_WORD = re.compile(r"[\w /:=,-]{2,}(?![*+?{])", re.ASCII)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}


class _UnknownError(Exception):
    """The pattern says something that is not understood here."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What is known of a part of a pattern.

    `exact` are all texts that it matches, folded, or None where they are many. Of each set in
    `needed`, every match holds a text; the most telling set comes first.
    """

    exact: Texts | None
    needed: tuple[Texts, ...] = ()


_ANYTHING = _Part(None)
_NOTHING = _Part(_EMPTY)


@lru_cache(maxsize=1 << 12)
def required_literals(pattern: str) -> tuple[Texts, ...]:
    """Sets of folded ASCII texts: every match holds at least one text of each set.

    The most telling set comes first; there are none where nothing is sure.
    """
    try:
        reader = _Reader(pattern)
        whole = reader.alternatives(0)
    except _UnknownError:
        return ()
    return whole.needed if reader.position == len(pattern) else ()


class _Reader:
    """Reads one pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.position = 0

    def alternatives(self, depth: int) -> _Part:
        """Sequences parted by bars, up to a closing parenthesis or the end."""
        if depth > _MAX_DEPTH:
            raise _UnknownError
        branches = [self._sequence(depth)]
        while self._next() == "|":
            self.position += 1
            branches.append(self._sequence(depth))
        if len(branches) == 1:
            return branches[0]
        exact = _union(branch.exact for branch in branches)
        if exact is not None and len(exact) > _MAX_EXACT:
            exact = None
        needed = _NONE
        if all(branch.needed for branch in branches):
            needed = _NONE.union(*(branch.needed[0] for branch in branches))
        return _Part(exact, _best([needed]))

    def _sequence(self, depth: int) -> _Part:
        run: Texts = _EMPTY  # what the text matched so far ends with
        whole = True  # whether that is all of it
        found: list[Texts] = []
        while self._next() not in {"", "|", ")"}:
            part = self._word() or self._item(depth)
            least, most = self._times()
            if least == 0:
                optional = most == 1 and part.exact is not None
                part = _Part(part.exact | _EMPTY) if optional and part.exact else _ANYTHING
            joined = _product(run, part.exact)
            if joined is None:
                found += [run, *part.needed]
                run, whole = part.exact or _EMPTY, False
            elif most == 1 or least == 0:
                run = joined
            else:  # what follows stands beside the last repetition
                found.append(joined)
                run, whole = part.exact or _EMPTY, False
        found.append(run)
        return _Part(run if whole else None, _best(found))

    def _next(self) -> str:
        return self.pattern[self.position : self.position + 1]

    def _word(self) -> _Part | None:
        """Several letters that stand for themselves, none of them repeated; None for fewer."""
        found = _WORD.match(self.pattern, self.position)
        if found is None:
            return None
        self.position = found.end()
        return _Part(frozenset({found.group().lower()}))

    def _item(self, depth: int) -> _Part:
        character = self._next()
        if character == "\\":
            return self._escape()
        if character == "[":
            return self._class()
        self.position += 1
        if character == "(":
            return self._group(depth)
        if character in "*+?{":
            raise _UnknownError
        if character == ".":
            return _ANYTHING
        return _NOTHING if character in "^$" else _spelled(character)

    def _escape(self) -> _Part:
        escaped = self.pattern[self.position + 1 : self.position + 2]
        self.position += 2
        if escaped in _KINDS and escaped:
            return _ANYTHING
        if escaped in _ANCHORS and escaped:
            return _NOTHING
        if not escaped or (escaped.isascii() and escaped.isalnum() and escaped not in _CONTROLS):
            raise _UnknownError
        return _spelled(_CONTROLS.get(escaped, escaped))

    def _class(self) -> _Part:
        start = self.position + 1
        index = start + (self.pattern[start : start + 1] == "^")
        index += self.pattern[index : index + 1] == "]"
        while (character := self.pattern[index : index + 1]) != "]":
            if not character:
                raise _UnknownError
            if character == "\\":
                index += 1
            elif character == "[" and self.pattern[index + 1 : index + 2] == ":":
                index = self.pattern.find(":]", index)
                if index < 0:
                    raise _UnknownError
                index += 1
            index += 1
        self.position = index + 1
        members = self.pattern[start:index]
        if len(members) > _MAX_CLASS or not members.isascii() or set(members) & set("^-\\["):
            return _ANYTHING
        return _Part(frozenset(members.lower()))

    def _group(self, depth: int) -> _Part:
        if self._next() == "?" and not self._group_head():
            return _NOTHING
        inner = self.alternatives(depth + 1)
        if self._next() != ")":
            raise _UnknownError
        self.position += 1
        return inner

    def _group_head(self) -> bool:
        """Pass over `?:`, a name or flags; whether a group follows rather than its end."""
        head = self.position + 1
        if self.pattern.startswith(("P<", "<"), head):
            end = self.pattern.find(">", head)
            if end < 0 or self.pattern[head + 1] in "=!":
                raise _UnknownError
            self.position = end + 1
            return True
        while self.pattern[head : head + 1] in {"i", "m", "s"}:
            head += 1
        # Other flags change what follows them in ways that are not followed here.
        if self.pattern[head : head + 1] not in {":", ")"}:
            raise _UnknownError
        self.position = head + 1
        return self.pattern[head] == ":"

    def _times(self) -> tuple[int, int]:
        """How often at least, and at most (2 for more), the item before stands."""
        character = self._next()
        least, most = {"*": (0, 2), "+": (1, 2), "?": (0, 1)}.get(character, (1, 1))
        if character == "{":
            close = self.pattern.find("}", self.position)
            count = self.pattern[self.position + 1 : close]
            first = count.split(",")[0]
            if close < 0 or not first.isdecimal() or not count.replace(",", "", 1).isdecimal():
                raise _UnknownError
            least, most = min(1, int(first)), 2
            self.position = close
        elif not character or character not in "*+?":
            return least, most
        self.position += 1
        if self._next() == "?":
            self.position += 1
        if self._next() in {"*", "+", "?", "{"}:
            raise _UnknownError
        return least, most


def _spelled(character: str) -> _Part:
    return _Part(frozenset(character.lower())) if character.isascii() else _ANYTHING


def _union(many: Iterable[Texts | None]) -> Texts | None:
    union: set[str] = set()
    for one in many:
        if one is None:
            return None
        union |= one
    return frozenset(union)


def _product(run: Texts, more: Texts | None) -> Texts | None:
    """Every text of the one followed by every text of the other, where those are few."""
    if more is None or len(run) * len(more) > _MAX_EXACT:
        return None
    return frozenset(a + b for a in run for b in more)


def _smallest(texts: Texts) -> Texts:
    """The same without texts that hold another of them."""
    if len(texts) == 1:
        return texts
    kept: list[str] = []
    for text in sorted(texts, key=lambda text: (len(text), text)):
        if not any(one in text for one in kept):
            kept.append(text)
    return frozenset(kept)


def _best(found: Iterable[Texts]) -> tuple[Texts, ...]:
    """The sets whose shortest text is longest first; of several such, the smallest."""
    small = {_smallest(texts) for texts in found if texts and "" not in texts}
    fit = [texts for texts in small if len(texts) <= MAX_TEXTS]
    fit.sort(key=lambda texts: (-min(map(len, texts)), len(texts), min(texts)))
    return tuple(fit[:MAX_SETS])
