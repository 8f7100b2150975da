"""One question of a plan: what it reads, what is asked of it, and what was answered before."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hauberk.events import Fields

from .columns import compared, presence, read
from .gate import Gate
from .memory import Budget, Signature, ValueMemory, key_value, value_key
from .predicate import Predicate
from .taxonomy import Source
from .values import ValueMatcher

_PORTION = 4096
"""Values that are scanned together for keywords."""

MAX_COLUMNS = 2_000
"""Names of fields in a group above which it is read by rows.

Who spells the keys of each record anew makes as many columns, nearly all of them empty.
"""


GATED = 32
"""Predicates up to which long texts are first searched for what any of them cannot do without."""

_TRIED = 64
"""Long texts after which it is judged whether that search pays."""


@dataclass(frozen=True, slots=True)
class Question:
    """What one slot of a plan reads: a value, whether a field is there, two fields, or all."""

    kind: str  # "value", "exists", "compare", "any"
    source: Source
    other: Source | None = None
    how: str = ""


class Slot:
    """One question of a plan and its memory.

    `asked` numbers the predicates as the plan's literals; `by_literal` says which rules each of
    those may set off.
    """

    def __init__(
        self,
        question: Question,
        asked: Mapping[Predicate, int],
        by_literal: Mapping[int, Sequence[int]],
        budget: Budget,
    ) -> None:
        self.question = question
        self.asked = dict(asked)
        self._by_literal = by_literal
        self._budget = budget
        self._matcher: ValueMatcher | None = None
        self._gate: Gate | None = None
        self._numbers = tuple(asked.values())
        self._known: dict[frozenset[int], Signature] = {}
        self._is_gated = len(self.asked) <= GATED
        self._tried = 0
        self._hopeless = 0
        self.memory = ValueMemory(
            self._signature, budget, self._none_of if self._is_gated else None
        )

    def forget(self) -> None:
        """Drop everything remembered."""
        self._known.clear()
        self.memory.clear()

    def signatures(self, fields: Fields) -> Sequence[Signature]:
        """One signature a row."""
        match self.question.kind:
            case "exists":
                absent = self._interned(frozenset())
                present = self._interned(frozenset(self.asked.values()))
                held = presence(fields, self.question.source)
                return [present if one else absent for one in held]
            case "compare":
                return self._compared(fields)
            case "any":
                return self._all_values(fields)
            case _:
                column = read(fields, self.question.source)
                if column is None:
                    return [self.memory[None]] * len(fields)
                return self.memory.signatures(column)

    def _compared(self, fields: Fields) -> list[Signature]:
        other = self.question.other
        left = read(fields, self.question.source)
        right = read(fields, other) if other else None
        if left is None or right is None:
            return [self._interned(frozenset())] * len(fields)
        how = self.question.how
        literal = frozenset(self.asked.values())
        return [
            self._interned(literal if compared(a, b, how) else frozenset())
            for a, b in zip(left, right, strict=True)
        ]

    def _all_values(self, fields: Fields) -> Sequence[Signature]:
        """What holds of any value of each row; few values can answer, so only those are asked."""
        gate = self._gate = self._gate or Gate(self.asked)
        nothing = self._interned(frozenset())
        found: dict[int, set[int]] = {}
        names = fields.names()
        if len(names) > MAX_COLUMNS:
            for number in range(len(fields)):
                values = list(fields.row(number).values())
                for place in gate.admitted(values):
                    found.setdefault(number, set()).update(
                        self._true(key_value(value_key(values[place])))
                    )
            names = ()
        for columns in _portions(fields, names):
            if len(columns) > 1 and not gate.may_answer("\n".join(map(gate.texts, columns))):
                continue
            for column in columns:
                for row in gate.admitted(column):
                    found.setdefault(row, set()).update(
                        self._true(key_value(value_key(column[row])))
                    )
        signatures = [nothing] * len(fields)
        for row, true in found.items():
            signatures[row] = self._interned(frozenset(true))
        return signatures

    def _true(self, value: object) -> Iterable[int]:
        """Literals that are true for a value."""
        matcher = self._matcher = self._matcher or ValueMatcher(tuple(self.asked))
        numbers = self._numbers
        return [numbers[index] for index in matcher.match(value)]

    def _none_of(self, text: str) -> Signature | None:
        """The signature of a long text that can answer nothing, None where it may.

        One search of the text as it stands, instead of its digest, its folding and several more.
        """
        if not self._is_gated:
            return None
        gate = self._gate
        if gate is None:
            gate = self._gate = Gate(self.asked)
            self._is_gated = not gate.is_open
        elif self._tried >= _TRIED:
            self._is_gated = self._hopeless * 2 > self._tried
            self._tried = self._hopeless = 0
        self._tried += 1
        if gate.may_answer(text):
            return None
        self._hopeless += 1
        return self._interned(frozenset())

    def _signature(self, key: object) -> Signature:
        return self._interned(frozenset(self._true(key_value(key))))

    def _interned(self, true: frozenset[int]) -> Signature:
        known = self._known.get(true)
        if known is None:
            candidates: set[int] = set()
            for literal in true:
                candidates.update(self._by_literal.get(literal, ()))
            known = self._known[true] = Signature(true, tuple(sorted(candidates)))
            self._budget.used += 200 + 40 * len(true)
        return known


def _portions(fields: Fields, names: Iterable[str]) -> Iterator[list[Sequence[object]]]:
    """The columns of these names, as many together as hold about `_PORTION` values."""
    wanted = max(1, _PORTION // max(1, len(fields)))
    portion: list[Sequence[object]] = []
    for name in names:
        column = fields.column(name)
        if column is not None:
            portion.append(column)
            if len(portion) >= wanted:
                yield portion
                portion = []
    if portion:
        yield portion
