"""What is remembered of values, bounded: the literals that were true for each."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LONGEST_KEPT = 1024
"""Length of a value that is remembered as it stands; of a longer one, its digest is."""

_WORTH = 8
"""One long value in so many must have been seen before for digests to be worth taking."""

_TRIED = 256
"""Long values after which that is judged anew."""


class Budget:
    """What all memories together may hold, in rough bytes; the owner forgets when it is spent."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    @property
    def is_spent(self) -> bool:
        """Whether the memories must be forgotten before more is remembered."""
        return self.used > self.limit


class Signature:
    """Literals that are true for a value, those left open, and rules that any may set off.

    Compared by identity: equal signatures of one slot are one object while it is remembered.
    """

    __slots__ = ("candidates", "true", "unsure")

    def __init__(
        self,
        true: frozenset[int],
        candidates: tuple[int, ...],
        unsure: frozenset[int] = frozenset(),
    ) -> None:
        self.true = true
        self.candidates = candidates
        self.unsure = unsure


class ValueMemory(dict[object, Signature]):
    """Value to signature; computes what it does not hold.

    Short values are kept as they stand. A long one costs its digest, which pays only where long
    values repeat: where they do not, they are matched each time and only a few are tried.
    `hopeless` is asked of a long text first: the signature, where that is known without more.
    Unless `keeps_long`, to match a long text is quicker than to take its digest.
    """

    def __init__(
        self,
        compute: Callable[[object], Signature],
        budget: Budget,
        hopeless: Callable[[str], Signature | None] | None = None,
        *,
        keeps_long: bool = True,
    ) -> None:
        super().__init__()
        self._compute = compute
        self._hopeless = hopeless
        self._keeps_long = keeps_long
        self._budget = budget
        self._has_long = False
        self._tried = 0
        self._known = 0
        self._is_worth = True

    def __missing__(self, value: object) -> Signature:
        size = len(value) if isinstance(value, str | tuple) else 0
        if size > LONGEST_KEPT:
            self._has_long = True
            return self._long(value)
        signature = self[value] = self._compute(value)
        self._budget.used += 150 + 2 * size
        return signature

    def signatures(self, column: Sequence[object]) -> list[Signature]:
        """One signature a row."""
        if set(map(type, column)) <= _OWN_KEYS:
            if not self._has_long:
                return list(map(self.__getitem__, column))
            # Looking a long text up would hash it first, and again for its digest.
            return [
                self._long(value)
                if type(value) is str and len(value) > LONGEST_KEPT
                else self[value]
                for value in column
            ]
        return [self[value_key(value)] for value in column]

    def settle(self, value: object, signature: Signature) -> None:
        """Remember a better signature of a value, if one of it is remembered."""
        key = value_key(value)
        if isinstance(key, str | tuple) and len(key) > LONGEST_KEPT:
            key = _digest(key)
        if key in self:
            self[key] = signature

    def _long(self, value: object) -> Signature:
        if self._hopeless is not None and isinstance(value, str):
            nothing = self._hopeless(value)
            if nothing is not None:
                return nothing
        if not self._keeps_long:
            return self._compute(value)
        self._tried += 1
        if not self._is_worth and self._tried % _WORTH:
            return self._compute(value)
        key = _digest(value)
        known = self.get(key)
        if known is None:
            known = self[key] = self._compute(value)
            self._budget.used += 180
        else:
            self._known += 1
        if self._tried >= _TRIED:
            looked_up = _TRIED if self._is_worth else _TRIED // _WORTH
            self._is_worth = self._known * _WORTH > looked_up
            self._tried = self._known = 0
        return known


def _digest(value: object) -> bytes:
    text = value if isinstance(value, str) else repr(value)
    kind = b"text" if isinstance(value, str) else b"list"
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=16, person=kind).digest()


# Python holds 1 and True to be one key; 1 and 1.0 are one key and one text.
_OWN_KEYS = frozenset({type(None), str, int, float})


@dataclass(frozen=True, slots=True)
class _Boolean:
    """A boolean as a key of its own."""

    value: bool


def value_key(value: object) -> object:
    """A value as a key of a memory: hashable, and equal to no other value's."""
    if isinstance(value, bool):
        return _Boolean(value)
    if isinstance(value, list | tuple):
        return tuple(value_key(element) for element in value)
    return value if isinstance(value, str | int | float | None) else str(value)


def key_value(key: object) -> object:
    """The value of a key."""
    if isinstance(key, _Boolean):
        return key.value
    if isinstance(key, tuple):
        return [key_value(element) for element in key]
    return key
