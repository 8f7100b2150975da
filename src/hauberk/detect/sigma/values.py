"""Which of a set of predicates are true for a value: every literal found in one pass.

All text predicates of one field are asked together: equality by hash, beginnings and ends by one
lookup per length, everything inside by one pass, patterns and regular expressions only when a
literal that they cannot do without was found. Time is linear in the length of the value.
"""

import ipaddress
from collections.abc import Collection, Iterable, Sequence

import re2

from .finder import Finder
from .literal import required_literals
from .predicate import (
    NUMERIC,
    WILDCARD,
    Op,
    Predicate,
    compares,
    fold,
    like_parts,
    like_regex,
    time_part,
    value_number,
    value_text,
    value_time,
)

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NOTHING: frozenset[int] = frozenset()
_WORTH_FINDING = 2
_FEW_LETTERS = 8
"""Texts, single letters among them, that are looked for one by one before an expression runs."""
_EDGE = 4
"""Letters by which literals at the edges of a text are parted."""


class _Edges:
    """Literals that texts begin, or end, with; one lookup for each length that can be meant.

    Lengths are many, but few for texts that share their first, or last, letters.
    """

    def __init__(self, *, at_end: bool) -> None:
        self._at_end = at_end
        self._short: dict[int, dict[str, list[int]]] = {}
        self._lengths: dict[str, dict[int, dict[str, list[int]]]] = {}

    def add(self, text: str, index: int) -> None:
        """Have predicate `index` hold where a text begins, or ends, with `text`."""
        by_length = self._short
        if len(text) >= _EDGE:
            by_length = self._lengths.setdefault(self._edge(text, _EDGE), {})
        by_length.setdefault(len(text), {}).setdefault(text, []).append(index)

    def find(self, text: str, true: set[int]) -> None:
        """Add the predicates that hold for `text`."""
        size = len(text)
        for by_length in (self._short, self._lengths.get(self._edge(text, _EDGE))):
            if by_length:
                for length, literals in by_length.items():
                    if length <= size:
                        found = literals.get(self._edge(text, length))
                        if found:
                            true.update(found)

    def _edge(self, text: str, length: int) -> str:
        return text[max(0, len(text) - length) :] if self._at_end else text[:length]


class _Literals:
    """All literals of one spelling (folded or as written)."""

    def __init__(self) -> None:
        self._equals: dict[str, list[int]] = {}
        self._longest = 0
        self._starts = _Edges(at_end=False)
        self._ends = _Edges(at_end=True)
        self._numbers: dict[str, int] = {}
        self._inside: dict[int, tuple[list[int], list[int]]] = {}
        self._finder: Finder | None = None

    def note(self, text: str) -> int:
        """Have a literal found for its own sake; its number."""
        return self._numbers.setdefault(text, len(self._numbers))

    def add(self, op: Op | None, text: str, index: int) -> None:
        """Note what predicate `index` wants of `text`; with no operator, to be verified."""
        if op is Op.EQUALS:
            self._equals.setdefault(text, []).append(index)
            self._longest = max(self._longest, len(text))
        elif op is Op.STARTSWITH or not text:
            self._starts.add(text, index)
        elif op is Op.ENDSWITH:
            self._ends.add(text, index)
        else:
            number = self.note(text)
            self._inside.setdefault(number, ([], []))[op is None].append(index)

    def freeze(self) -> None:
        """Make ready what looks for literals inside."""
        if self._numbers:
            self._finder = Finder(list(self._numbers))

    def find(self, text: str, true: set[int], verify: set[int]) -> frozenset[int]:
        """Add the predicates that hold, and those to be verified; numbers of literals inside."""
        if len(text) <= self._longest:  # to look a long text up is to hash it
            equal = self._equals.get(text)
            if equal:
                true.update(equal)
        self._starts.find(text, true)
        self._ends.find(text, true)
        if self._finder is None or not text:
            return _NOTHING
        inside = self._finder.inside(text)
        for number in inside:
            wanted = self._inside.get(number)
            if wanted is not None:
                true.update(wanted[0])
                verify.update(wanted[1])
        return inside


class ValueMatcher:
    """Answers a fixed sequence of predicates about one value at a time.

    Predicates of Op.EXISTS and Op.FIELD are not about a value and are refused.
    """

    def __init__(self, predicates: Sequence[Predicate]) -> None:
        self._predicates = tuple(predicates)
        self._folded = _Literals()
        self._cased = _Literals()
        self._null: list[int] = []
        self._present: list[int] = []
        self._always: list[int] = []
        self._numbers: list[tuple[int, Op, float | int]] = []
        self._times: list[tuple[int, str, int]] = []
        self._networks: list[tuple[int, _Network]] = []
        self._regexes: dict[int, re2._Regexp] = {}
        self._also: dict[int, list[frozenset[int]]] = {}
        self._letters: dict[int, tuple[str, ...]] = {}
        for index, predicate in enumerate(self._predicates):
            self._add(index, predicate)
        self._has_cased = any(p.cased and p.op is not Op.REGEX for p in self._predicates)
        self._folded.freeze()
        self._cased.freeze()

    def _add(self, index: int, predicate: Predicate) -> None:
        op, text, cased, extra = predicate
        literals = self._cased if cased else self._folded
        if op in (Op.EQUALS, Op.CONTAINS, Op.STARTSWITH, Op.ENDSWITH):
            literals.add(op, text, index)
        elif op is Op.LIKE:
            longest = max((p[1:] for p in like_parts(text) if p[0] == "="), key=len, default="")
            self._verify_on(literals, [longest] if longest else (), index)
        elif op is Op.REGEX:
            self._verify_expression(text, index)
        elif op is Op.NULL:
            self._null.append(index)
        elif op is Op.PRESENT:
            self._present.append(index)
        elif op in NUMERIC:
            number = value_number(text)
            if number is not None:
                self._numbers.append((index, op, number))
        elif op is Op.TIME_PART:
            self._times.append((index, extra, int(text)))
        elif op is Op.CIDR:
            self._networks.append((index, ipaddress.ip_network(text)))
        else:
            raise ValueError(f"{op} is not a question about one value")

    def _verify_on(self, literals: _Literals, texts: Collection[str], index: int) -> None:
        for text in texts:
            literals.add(None, text, index)
        if not texts:
            self._always.append(index)

    def _verify_expression(self, pattern: str, index: int) -> None:
        """Try an expression where a text of each set that it needs is found, one by its best."""
        first, *others = required_literals(pattern) or (frozenset[str](),)
        telling = bool(first) and min(map(len, first)) >= _WORTH_FINDING
        self._verify_on(self._folded, first if telling else (), index)
        if 0 < len(first) <= _FEW_LETTERS and not telling:
            self._letters[index] = tuple(sorted(first, key=len))
        for texts in others:
            if min(map(len, texts)) >= _WORTH_FINDING:
                numbers = frozenset(map(self._folded.note, texts))
                self._also.setdefault(index, []).append(numbers)

    def match(self, value: object) -> frozenset[int]:
        """Numbers of the predicates that are true. A list answers for any of its elements."""
        if isinstance(value, list | tuple):
            if not value:
                return self.match(None)
            return _NOTHING.union(*(self.match(element) for element in value))
        text = value_text(value)
        if text is None:
            return frozenset(self._null)
        true = set(self._present)
        verify = set(self._always)
        folded = fold(text)
        inside = self._folded.find(folded, true, verify)
        if self._has_cased:
            self._cased.find(text, true, verify)
        if verify:
            verify -= true
            also = self._also
            hopeful = [i for i in verify if not any(map(inside.isdisjoint, also.get(i, ())))]
            self._verify(hopeful, text, folded, true)
        if self._numbers:
            number = value_number(value)
            if number is not None:
                true.update(i for i, op, bound in self._numbers if compares(op, number, bound))
        if self._times:
            moment = value_time(value)
            if moment is not None:
                true.update(i for i, part, n in self._times if time_part(moment, part) == n)
        if self._networks:
            true.update(_in_networks(text, self._networks))
        return frozenset(true)

    def _verify(self, unsure: Iterable[int], text: str, folded: str, true: set[int]) -> None:
        """Add those patterns and regular expressions that match."""
        spelled: dict[bool, bytes] = {}
        for index in unsure:
            predicate = self._predicates[index]
            cased = predicate.cased
            if predicate.op is Op.LIKE and "?" not in predicate.text:
                if stars_match(like_parts(predicate.text), text if cased else folded):
                    true.add(index)
                continue
            letters = self._letters.get(index)
            if letters is not None and not any(one in folded for one in letters):
                continue
            regex = self._regexes.get(index)
            if regex is None:
                regex = self._regexes[index] = compiled(predicate)
            subject = spelled.get(cased)
            if subject is None:
                subject = (text if cased else folded).encode("utf-8", "replace")
                spelled[cased] = subject
            if regex.search(subject) is not None or (
                # An end of text is also before a last line end, which RE2 does not know.
                subject.endswith(b"\n")
                and predicate.op is Op.REGEX
                and "$" in predicate.text
                and regex.search(subject[:-1]) is not None
            ):
                true.add(index)


def compiled(predicate: Predicate) -> "re2._Regexp":
    """The linear-time regular expression of a LIKE or REGEX predicate."""
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    if predicate.op is Op.LIKE:
        pattern = like_regex(predicate.text)
    else:
        pattern = f"(?{predicate.extra}){predicate.text}" if predicate.extra else predicate.text
    return re2.compile(pattern.encode("utf-8", "replace"), options)


def stars_match(parts: Sequence[str], text: str) -> bool:
    """Whether a pattern of literals and `*` alone fits the whole text, in linear time."""
    start, end = 0, len(text)
    middle = [part[1:] for part in parts if part != WILDCARD]
    if parts[0] != WILDCARD:
        head = middle.pop(0)
        if not text.startswith(head):
            return False
        start = len(head)
    if parts[-1] != WILDCARD:
        tail = middle.pop()
        if len(tail) > end - start or not text.endswith(tail):
            return False
        end -= len(tail)
    for literal in middle:
        found = text.find(literal, start, end)
        if found < 0:
            return False
        start = found + len(literal)
    return True


def _in_networks(text: str, networks: Iterable[tuple[int, _Network]]) -> list[int]:
    """Networks that an address lies in; one in IPv6's mapped spelling counts as IPv4 too."""
    if len(text) > 64:
        return []
    try:
        address = ipaddress.ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return []
    spellings = [address]
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        spellings.append(address.ipv4_mapped)
    return [i for i, network in networks if any(one in network for one in spellings)]
