"""Which of a set of predicates are true for a value: every literal found in one pass.

All text predicates of one field are asked together: equality by hash, beginnings and ends by one
lookup per length, everything inside by one pass, patterns and regular expressions only when a
literal that they cannot do without was found. Time is linear in the length of the value.
"""

from collections.abc import Collection, Iterable, Sequence

import re2

from .finder import Finder
from .literal import required_literals
from .networks import Networks
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

_NOTHING: frozenset[int] = frozenset()
_WORTH_FINDING = 2
_FEW_LETTERS = 8
"""Texts, single signs among them, that are looked for one by one before an expression runs."""
_EDGE = 4
"""Letters by which literals at the edges of a text are parted."""
_LONG = 512
"""Letters above which a text is not folded as a whole."""
_OUTCOMES = 1024
"""Sets of literals found in a text of which it is remembered what they mean."""


class _Edges:
    """Literals that texts begin, or end, with; one lookup for each length that can be meant.

    Lengths are many, but few for texts that share their first, or last, letters.
    """

    def __init__(self, *, at_end: bool) -> None:
        self._at_end = at_end
        self._short: dict[int, dict[str, list[int]]] = {}
        self._lengths: dict[str, dict[int, dict[str, list[int]]]] = {}
        self.longest = 0

    def add(self, text: str, number: int) -> None:
        """Have a predicate hold where a text begins, or ends, with `text`."""
        by_length = self._short
        if len(text) >= _EDGE:
            edge = text[-_EDGE:] if self._at_end else text[:_EDGE]
            by_length = self._lengths.setdefault(edge, {})
        by_length.setdefault(len(text), {}).setdefault(text, []).append(number)
        self.longest = max(self.longest, len(text))

    def find(self, text: str, true: set[int]) -> None:
        """Add the predicates that hold for a text, of which `longest` letters will do."""
        size, at_end = len(text), self._at_end
        of_edge = self._lengths.get(text[-_EDGE:] if at_end else text[:_EDGE])
        for by_length in (self._short, of_edge) if of_edge else (self._short,):
            for length, literals in by_length.items():
                if length <= size:
                    found = literals.get(text[size - length :] if at_end else text[:length])
                    if found:
                        true.update(found)


class _Literals:
    """All literals of one spelling (folded or as written)."""

    def __init__(self, *, folded: bool) -> None:
        self.needs: dict[int, list[frozenset[int]]] = {}
        self._folded = folded
        self._equals: dict[str, list[int]] = {}
        self._longest = 0
        self._starts = _Edges(at_end=False)
        self._ends = _Edges(at_end=True)
        self._numbers: dict[str, int] = {}
        self._true: list[list[int]] = []
        self._unsure: dict[int, list[int]] = {}
        self._finder: Finder | None = None
        self._outcomes: dict[frozenset[int], tuple[frozenset[int], frozenset[int]]] = {}

    def note(self, text: str) -> int:
        """Have a literal found for its own sake; its number."""
        literal = self._numbers.setdefault(text, len(self._numbers))
        if literal == len(self._true):
            self._true.append([])
        return literal

    def add(self, op: Op | None, text: str, number: int) -> None:
        """Note what a predicate wants of `text`; with no operator, to be verified."""
        if op is Op.EQUALS:
            self._equals.setdefault(text, []).append(number)
            self._longest = max(self._longest, len(text))
        elif op is Op.STARTSWITH or not text:
            self._starts.add(text, number)
        elif op is Op.ENDSWITH:
            self._ends.add(text, number)
        elif op is None:
            self._unsure.setdefault(self.note(text), []).append(number)
        else:
            self._true[self.note(text)].append(number)

    def freeze(self) -> None:
        """Make ready what looks for literals inside."""
        if self._numbers:
            self._finder = Finder(list(self._numbers), folded=self._folded)

    def find(self, text: str, true: set[int]) -> frozenset[int]:
        """Add the predicates that hold for a text as written; those that are to be verified."""
        finder = self._finder
        if self._folded and len(text) > _LONG and text.isascii():
            # What is long is folded where it is looked at, if the finder reads it as it stands.
            if finder is None or finder.reads_any_case:
                near = max(self._longest, self._starts.longest, self._ends.longest)
                head, tail = text[: near + 1].lower(), text[max(0, len(text) - near) :].lower()
            else:
                head = tail = text = text.lower()
        else:
            head = tail = text = fold(text) if self._folded else text
        if len(head) <= self._longest:  # to look a long text up is to hash it
            equal = self._equals.get(head)
            if equal:
                true.update(equal)
        self._starts.find(head, true)
        self._ends.find(tail, true)
        if finder is None or not text:
            return _NOTHING
        inside = finder.inside(text)
        if not inside:
            return _NOTHING
        outcome = self._outcomes.get(inside) or self._outcome(inside)
        true.update(outcome[0])
        return outcome[1]

    def _outcome(self, inside: frozenset[int]) -> tuple[frozenset[int], frozenset[int]]:
        """Predicates that hold and those to be verified where just these literals stand inside."""
        open_ones = self._unsure.keys() & inside
        unsure = _NOTHING.union(*map(self._unsure.__getitem__, open_ones))
        hopeful = (
            number
            for number in unsure
            if not any(map(inside.isdisjoint, self.needs.get(number, ())))
        )
        outcome = (_NOTHING.union(*map(self._true.__getitem__, inside)), frozenset(hopeful))
        if len(self._outcomes) >= _OUTCOMES:
            self._outcomes.clear()
        self._outcomes[inside] = outcome
        return outcome


class ValueMatcher:
    """Answers a fixed sequence of predicates about one value at a time.

    Predicates are told apart by `numbers`, or by their places. Those of Op.EXISTS and Op.FIELD are
    not about a value and are refused.
    """

    def __init__(
        self, predicates: Sequence[Predicate], numbers: Sequence[int] | None = None
    ) -> None:
        numbers = range(len(predicates)) if numbers is None else numbers
        self._predicates = dict(zip(numbers, predicates, strict=True))
        self._folded = _Literals(folded=True)
        self._cased = _Literals(folded=False)
        self._null: list[int] = []
        self._present: list[int] = []
        self._always: list[int] = []
        self._numbers: list[tuple[int, Op, float | int]] = []
        self._times: list[tuple[int, str, int]] = []
        self._networks = Networks()
        self._regexes: dict[int, re2._Regexp] = {}
        self._letters: list[tuple[int, tuple[str, ...]]] = []
        self._parts: dict[int, list[str]] = {}
        for number, predicate in self._predicates.items():
            self._add(number, predicate)
        self._has_cased = any(p.cased and p.op is not Op.REGEX for p in predicates)
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
            self._networks.add(text, index)
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
        # Signs have no case, so a text need not be folded to look for them.
        signs = all(text.isascii() and not any(map(str.isalpha, text)) for text in first)
        if signs and 0 < len(first) <= _FEW_LETTERS and not telling:
            self._letters.append((index, tuple(sorted(first, key=len))))
        else:
            self._verify_on(self._folded, first if telling else (), index)
        for texts in others:
            if min(map(len, texts)) >= _WORTH_FINDING:
                numbers = frozenset(map(self._folded.note, texts))
                self._folded.needs.setdefault(index, []).append(numbers)

    def match(self, value: object) -> frozenset[int]:
        """Numbers of the predicates that are true. A list answers for any of its elements."""
        true, unsure = self.judge(value)
        return true | self.verified(value, unsure) if unsure else true

    def judge(self, value: object) -> tuple[frozenset[int], frozenset[int]]:
        """Predicates that are true, and those that may be: `verified` says of which it is so.

        What is left open are patterns and expressions, which take longer than all else together
        and of which rules mostly need none to be decided.
        """
        if isinstance(value, list | tuple):
            if not value:
                return self.judge(None)
            judged = [self.judge(element) for element in value]
            all_true = _NOTHING.union(*(one[0] for one in judged))
            return all_true, _NOTHING.union(*(one[1] for one in judged)) - all_true
        text = value_text(value)
        if text is None:
            return frozenset(self._null), _NOTHING
        true = set(self._present)
        unsure = self._folded.find(text, true)
        if self._has_cased:
            unsure |= self._cased.find(text, true)
        if self._always:
            unsure = unsure.union(self._always)
        if self._letters:
            hopeful = [i for i, some in self._letters if any(map(text.__contains__, some))]
            if hopeful:
                unsure = unsure.union(hopeful)
        self._compare(value, text, true)
        return frozenset(true), unsure

    def _compare(self, value: object, text: str, true: set[int]) -> None:
        """Add what holds of a value as a number, a moment or an address."""
        if self._numbers:
            number = value_number(value)
            if number is not None:
                true.update(i for i, op, bound in self._numbers if compares(op, number, bound))
        if self._times:
            moment = value_time(value)
            if moment is not None:
                true.update(i for i, part, n in self._times if time_part(moment, part) == n)
        if self._networks:
            true.update(self._networks.find(text))

    def verified(self, value: object, unsure: frozenset[int]) -> frozenset[int]:
        """Those of the predicates that `judge` left open which are true."""
        if isinstance(value, list | tuple):
            return _NOTHING.union(*(self.verified(element, unsure) for element in value))
        text = value_text(value)
        if text is None:
            return _NOTHING
        true: set[int] = set()
        self._verify(unsure, text, fold(text), true)
        return frozenset(true)

    def _verify(self, unsure: Iterable[int], text: str, folded: str, true: set[int]) -> None:
        """Add those patterns and regular expressions that match."""
        spelled: dict[bool, bytes] = {}
        for index in unsure:
            predicate = self._predicates[index]
            cased = predicate.cased
            if predicate.op is Op.LIKE and "?" not in predicate.text:
                parts = self._parts.get(index)
                if parts is None:
                    parts = self._parts[index] = like_parts(predicate.text)
                if stars_match(parts, text if cased else folded):
                    true.add(index)
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
