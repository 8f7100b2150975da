"""Which of many literals stand in a text, in one pass over it.

An Aho-Corasick automaton is made quickly; Vectorscan (the `hyperscan` package, where installed)
scans long texts several times faster but takes longer to make, so it takes over once there was
text enough to be worth it. Both give the same answers in time linear in the text.
"""

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from operator import itemgetter
from threading import Lock
from typing import Any

import ahocorasick

_Scan = Callable[[str], frozenset[int]]
_Holds = Callable[[bytes], bool]

_NOTHING: frozenset[int] = frozenset()
_SECOND = itemgetter(1)

FEW = 4
"""Literals that are looked for one by one: fewer than a scanner is worth."""

UPGRADE = 1000
"""Characters scanned for each literal before Vectorscan takes over: about what making it costs."""

LONGEST = 256
"""Characters by which a longer literal is looked for; the rest is compared where those stand."""


@cache
def vectorscan() -> Any:
    """The `hyperscan` module, or None where it is not installed. `Any`: it is optional."""
    try:
        return import_module("hyperscan")
    except ImportError:
        return None


class Finder:
    """Finds a fixed list of literals, no two alike and none empty, in texts of their spelling.

    With `folded`, the literals are folded ones, and `reads_any_case` says whether ASCII text has to
    be folded before it is searched.
    """

    def __init__(self, literals: Sequence[str], *, folded: bool = False) -> None:
        self._folded = folded
        self.reads_any_case = False
        self._long = {n: text for n, text in enumerate(literals) if len(text) > LONGEST}
        # Several long literals may begin alike; the first stands for all of them.
        numbers: dict[str, list[int]] = {}
        for number, text in enumerate(literals):
            numbers.setdefault(text[:LONGEST], []).append(number)
        self._shared = {group[0]: group for group in numbers.values() if len(group) > 1}
        self._numbers = {text: group[0] for text, group in numbers.items()}
        self._scan: _Scan = _one_by_one(self._numbers)
        self._upgrade_after = UPGRADE * len(self._numbers)
        self._is_final = len(numbers) <= FEW
        if not self._is_final:
            self._scan = _automaton(self._numbers)
            self._is_final = vectorscan() is None

    def inside(self, text: str) -> frozenset[int]:
        """Positions in the list of the literals that stand in `text`."""
        if not self._is_final:
            self._upgrade_after -= len(text)
            if self._upgrade_after < 0:
                self.upgrade()
        found = self._scan(text)
        if not self._long or (found.isdisjoint(self._long) and found.isdisjoint(self._shared)):
            return found
        candidates = found.union(*(self._shared.get(number, ()) for number in found))
        long = self._long
        return frozenset(n for n in candidates if n not in long or long[n] in text)

    def upgrade(self) -> None:
        """Go over to Vectorscan, where it is installed."""
        self._is_final = True
        if vectorscan() is not None:
            self._scan = _vectorised(self._numbers, folded=self._folded)
            self.reads_any_case = self._folded and not self._long


def _one_by_one(numbers: dict[str, int]) -> _Scan:
    pairs = tuple(numbers.items())
    return lambda text: frozenset([number for literal, number in pairs if literal in text])


def _automaton(numbers: dict[str, int]) -> _Scan:
    automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
    for text, number in numbers.items():
        automaton.add_word(text, number)
    automaton.make_automaton()
    # Occurrences are many, distinct literals few: the set is built without Python's loop.
    return lambda text: frozenset(map(_SECOND, automaton.iter(text))) if text else _NOTHING


def _vectorised(numbers: dict[str, int], *, folded: bool) -> _Scan:
    scan, lock = _compiled(numbers, once=True, caseless=folded), Lock()

    def found(number: int, _start: int, _end: int, _flags: int, seen: list[int]) -> None:
        seen.append(number)

    def inside(text: str) -> frozenset[int]:
        seen: list[int] = []
        with lock:  # one scratch space, which two threads must not share
            scan(text.encode("utf-8", "surrogatepass"), found, context=seen)
        return frozenset(seen) if seen else _NOTHING

    return inside


def any_literal(literals: Sequence[str]) -> _Holds | None:
    """Whether UTF-8 holds any of some ASCII literals, in any case; None without Vectorscan."""
    if vectorscan() is None:
        return None
    numbers = {text[:LONGEST]: number for number, text in enumerate(literals)}
    scan, lock = _compiled(numbers, once=False, caseless=True), Lock()

    def found(_number: int, _start: int, _end: int, _flags: int, seen: list[bool]) -> bool:
        seen.append(True)
        return True

    def holds(data: bytes) -> bool:
        seen: list[bool] = []
        with lock:
            try:
                scan(data, found, context=seen)
            except vectorscan().ScanTerminated:
                return True
        return bool(seen)

    return holds


def _compiled(numbers: dict[str, int], *, once: bool, caseless: bool) -> Callable[..., None]:
    """Vectorscan's scan over literals, each reported once or wherever it stands."""
    module = vectorscan()
    flag = module.HS_FLAG_SINGLEMATCH if once else 0
    flag |= module.HS_FLAG_CASELESS if caseless else 0
    spelled = [text.encode("utf-8", "surrogatepass") for text in numbers]
    # The package hands literals over as C strings, which end at a null; an expression spells it.
    literal = not any(b"\0" in text for text in spelled)
    if not literal:
        spelled = [b"".join(b"\\x%02x" % byte for byte in text) for text in spelled]
    database = module.Database(mode=module.HS_MODE_BLOCK)
    database.compile(
        expressions=spelled,
        ids=list(numbers.values()),
        flags=[flag] * len(numbers),
        literal=literal,
    )
    scan: Callable[..., None] = database.scan
    return scan
