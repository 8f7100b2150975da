"""One log's rules made ready: columns to signatures, rows of signatures to rules that fire.

A signature is the set of literals that are true for a value. Distinct values are matched once and
remembered, and so are distinct rows of signatures; both memories are bounded by one `Budget`.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hauberk.events import Fields

from .expression import Clause, Node, literals, prepare, rewrite, trigger
from .gate import Gate
from .predicate import Op, Predicate, fold, value_text
from .program import Atom, RuleSet
from .taxonomy import Selector, Source
from .values import ValueMatcher

_LONGEST_KEPT = 1024
"""Length of a value that is remembered as it stands; of a longer one, its digest is."""


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
    """Literals that are true for a value, and rules that one of them may set off.

    Compared by identity: equal signatures of one slot are one object while it is remembered.
    """

    __slots__ = ("candidates", "true")

    def __init__(self, true: frozenset[int], candidates: tuple[int, ...]) -> None:
        self.true = true
        self.candidates = candidates


def _digest(value: object) -> bytes:
    text = value if isinstance(value, str) else repr(value)
    kind = b"text" if isinstance(value, str) else b"list"
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=16, person=kind).digest()


class _Memory(dict[object, Signature]):
    """Value to signature; computes what it does not hold."""

    def __init__(self, compute: Callable[[object], Signature], budget: Budget) -> None:
        super().__init__()
        self._compute = compute
        self._budget = budget

    def __missing__(self, value: object) -> Signature:
        size = len(value) if isinstance(value, str | tuple) else 0
        key = value
        if size > _LONGEST_KEPT:
            key = _digest(value)
            known = self.get(key)
            if known is not None:
                return known
            size = 16
        signature = self[key] = self._compute(value)
        self._budget.used += 150 + 2 * size
        return signature


class _Rows(dict[tuple[Signature, ...], tuple[int, ...]]):
    """Row of signatures to the rules that fire; computes what it does not hold."""

    def __init__(
        self, compute: Callable[[tuple[Signature, ...]], tuple[int, ...]], budget: Budget
    ) -> None:
        super().__init__()
        self._compute = compute
        self._budget = budget

    def __missing__(self, row: tuple[Signature, ...]) -> tuple[int, ...]:
        fired = self._compute(row)
        self[row] = fired
        self._budget.used += 200 + 8 * len(row)
        return fired


@dataclass(frozen=True, slots=True)
class _Question:
    """What one slot of a plan reads: a value, whether a field is there, two fields, or all."""

    kind: str  # "value", "exists", "compare", "any"
    source: Source
    other: Source | None = None
    how: str = ""


@dataclass(frozen=True, slots=True)
class PlannedRule:
    """A rule in a plan: its number in the rule set, its condition, the fields' sources."""

    index: int
    clause: Clause


class Plan:
    """The rules of a rule set that can fire in one log, ready to match rows of it.

    `chosen` pairs rule numbers with the selector by which each reads this log; `code` is the
    event code that is constant in it, and `code_field` the field that rules find it in.
    """

    def __init__(
        self,
        rules: RuleSet,
        chosen: Iterable[tuple[int, Selector]],
        *,
        code: str,
        code_field: str | None,
        budget: Budget,
    ) -> None:
        self._budget = budget
        self._atoms = rules.atoms
        self._code = code
        self._code_field = code_field
        self._questions: dict[_Question, dict[Predicate, int]] = {}
        self._costs: list[float] = []
        nodes: list[tuple[int, Node]] = []
        self._always: list[int] = []
        self._clauses: dict[int, Clause] = {}
        unconditional: list[int] = []
        for index, selector in chosen:
            literal = self._literal_in(selector)
            node = rewrite(rules.rules[index].condition, literal)
            if node is True:
                unconditional.append(index)
            elif node is not False:
                nodes.append((index, node))
        self._unconditional = tuple(unconditional)
        self._by_literal: dict[int, list[int]] = {}
        for index, node in nodes:
            self._clauses[index] = prepare(node)
            choice = trigger(node, self._costs.__getitem__)
            if choice is None:
                self._always.append(index)
                continue
            for member in choice[1]:
                self._by_literal.setdefault(member, []).append(index)
        needed = set().union(*(literals(node) for _, node in nodes)) if nodes else set()
        self._slots: list[_Slot] = []
        for question, asked in self._questions.items():
            kept = {predicate: literal for predicate, literal in asked.items() if literal in needed}
            if kept:
                self._slots.append(_Slot(question, kept, self._by_literal, budget))
        self._rows = _Rows(self._fired, budget)

    @property
    def is_empty(self) -> bool:
        """Whether no rule can fire in this log."""
        return not (self._clauses or self._unconditional)

    @property
    def rule_count(self) -> int:
        """Number of rules that can fire in this log."""
        return len(self._clauses) + len(self._unconditional)

    def forget(self) -> None:
        """Drop everything remembered."""
        self._rows.clear()
        for slot in self._slots:
            slot.forget()

    def match(self, fields: Fields) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Row number and numbers of the rules that fire there, for rows where any does."""
        if self.is_empty or not len(fields):
            return
        if not self._slots:
            every = self._fired(())
            if every:
                for row in range(len(fields)):
                    yield row, every
            return
        columns = [slot.signatures(fields) for slot in self._slots]
        remembered = map(self._rows.__getitem__, zip(*columns, strict=True))
        for row, fired in enumerate(remembered):
            if fired:
                yield row, fired

    def _fired(self, row: tuple[Signature, ...]) -> tuple[int, ...]:
        candidates = set(self._always)
        for signature in row:
            if signature.candidates:
                candidates.update(signature.candidates)
        if not candidates:
            return self._unconditional
        true: set[int] = set().union(*(signature.true for signature in row))
        clauses = self._clauses
        return self._unconditional + tuple(
            sorted(index for index in candidates if clauses[index].holds(true))
        )

    def _literal_in(self, selector: Selector) -> Callable[[int], Node]:
        def literal(number: int) -> Node:
            atom: Atom = self._atoms[number]
            predicate = atom.predicate
            if (
                atom.field is not None
                and atom.field == self._code_field
                and predicate.op is Op.EQUALS
            ):
                return predicate.text == self._code
            return self._intern(_question(atom, selector), predicate)

        return literal

    def _intern(self, question: _Question, predicate: Predicate) -> int:
        asked = self._questions.setdefault(question, {})
        number = asked.get(predicate)
        if number is None:
            number = asked[predicate] = len(self._costs)
            self._costs.append(_cost(predicate))
        return number


@lru_cache(maxsize=1 << 16)
def _cost(predicate: Predicate) -> float:
    """A guess at how often a predicate is true; only the order matters."""
    match predicate.op:
        case Op.NULL | Op.PRESENT | Op.EXISTS | Op.FIELD:
            return 1000.0
        case Op.EQUALS:
            return 0.5 if len(predicate.text) < 4 else 0.05
        case Op.CONTAINS | Op.ENDSWITH | Op.STARTSWITH | Op.LIKE | Op.REGEX:
            usual = 3.0 if predicate.op is Op.STARTSWITH else 1.0
            return usual * 20.0 / (1 + len(predicate.text)) ** 2
        case _:
            return 1.0


class _Slot:
    """One question of a plan and its memory."""

    def __init__(
        self,
        question: _Question,
        asked: Mapping[Predicate, int],
        by_literal: Mapping[int, Sequence[int]],
        budget: Budget,
    ) -> None:
        self._question = question
        self._asked = dict(asked)
        self._by_literal = by_literal
        self._budget = budget
        self._matcher: ValueMatcher | None = None
        self._gate: Gate | None = None
        self._numbers = tuple(asked.values())
        self._known: dict[frozenset[int], Signature] = {}
        self._memory = _Memory(self._signature, budget)
        self._joined = _Memory(self._join, budget)

    def forget(self) -> None:
        self._known.clear()
        self._memory.clear()
        self._joined.clear()

    def signatures(self, fields: Fields) -> Sequence[Signature]:
        """One signature a row."""
        match self._question.kind:
            case "exists":
                absent = self._interned(frozenset())
                present = self._interned(frozenset(self._asked.values()))
                held = presence(fields, self._question.source)
                return [present if one else absent for one in held]
            case "compare":
                return self._compared(fields)
            case "any":
                return self._all_values(fields)
            case _:
                column = read(fields, self._question.source)
                if column is None:
                    return [self._memory[None]] * len(fields)
                return self._remembered(column)

    def _remembered(self, column: Sequence[object]) -> list[Signature]:
        if set(map(type, column)) <= _OWN_KEYS:
            return list(map(self._memory.__getitem__, column))
        return [self._memory[_key(value)] for value in column]

    def _compared(self, fields: Fields) -> list[Signature]:
        other = self._question.other
        left = read(fields, self._question.source)
        right = read(fields, other) if other else None
        if left is None or right is None:
            return [self._interned(frozenset())] * len(fields)
        how = self._question.how
        literal = frozenset(self._asked.values())
        return [
            self._interned(literal if compared(a, b, how) else frozenset())
            for a, b in zip(left, right, strict=True)
        ]

    def _all_values(self, fields: Fields) -> Sequence[Signature]:
        if self._gate is None:
            self._gate = Gate(self._asked)
        columns = []
        for name in fields.names():
            column = fields.column(name)
            if column is not None and self._gate.admits(column):
                columns.append(self._remembered(column))
        if not columns:
            return [self._interned(frozenset())] * len(fields)
        if len(columns) == 1:
            return columns[0]
        return list(map(self._joined.__getitem__, zip(*columns, strict=True)))

    def _join(self, row: object) -> Signature:
        if not isinstance(row, tuple):
            raise TypeError("a row of signatures was expected")
        return self._interned(frozenset[int]().union(*(signature.true for signature in row)))

    def _signature(self, value: object) -> Signature:
        if self._matcher is None:
            self._matcher = ValueMatcher(tuple(self._asked))
        numbers = self._numbers
        found = self._matcher.match(_value(value))
        return self._interned(frozenset(numbers[index] for index in found))

    def _interned(self, true: frozenset[int]) -> Signature:
        known = self._known.get(true)
        if known is None:
            candidates: set[int] = set()
            for literal in true:
                candidates.update(self._by_literal.get(literal, ()))
            known = self._known[true] = Signature(true, tuple(sorted(candidates)))
            self._budget.used += 200 + 40 * len(true)
        return known


# Python holds 1 and True to be one key; 1 and 1.0 are one key and one text.
_OWN_KEYS = frozenset({type(None), str, int, float})


@dataclass(frozen=True, slots=True)
class _Boolean:
    """A boolean as a key of its own."""

    value: bool


def _key(value: object) -> object:
    if isinstance(value, bool):
        return _Boolean(value)
    if isinstance(value, list | tuple):
        return tuple(_key(element) for element in value)
    return value if isinstance(value, str | int | float | None) else str(value)


def _value(key: object) -> object:
    if isinstance(key, _Boolean):
        return key.value
    if isinstance(key, tuple):
        return [_value(element) for element in key]
    return key


def _question(atom: Atom, selector: Selector) -> _Question:
    predicate = atom.predicate
    if atom.field is None:
        return _Question("any", Source(()))
    source = selector.source(atom.field)
    if predicate.op is Op.EXISTS:
        return _Question("exists", source)
    if predicate.op is Op.FIELD:
        return _Question("compare", source, selector.source(predicate.text), predicate.extra)
    return _Question("value", source)


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
