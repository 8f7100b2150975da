"""One question of a plan: what it reads, what is asked of it, and what was answered before."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hauberk.events import Fields

from .columns import compared, presence, read
from .finder import vectorscan
from .gate import FEW, Gate, gate_for, is_long
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


GATED = 64
"""Predicates up to which long texts are first searched for what any of them cannot do without."""

QUICK = 600
"""Predicates up to which Vectorscan searches a long text in less time than its digest takes."""

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
    those may set off. `keywords` are asked of every value beside: what rules look for anywhere.
    The slot that looks anywhere else is told by `answered` which columns that is done for.
    """

    def __init__(
        self,
        question: Question,
        asked: Mapping[Predicate, int],
        by_literal: Mapping[int, Sequence[int]],
        budget: Budget,
        *,
        keywords: Mapping[Predicate, int] | None = None,
        answered: Collection[str] = (),
    ) -> None:
        self.question = question
        self.asked = dict(asked)
        self._answered = frozenset(answered)
        self._by_literal = by_literal
        self._budget = budget
        self._matcher: ValueMatcher | None = None
        self._gate: Gate | None = None
        pairs = [*asked.items(), *(keywords or {}).items()]
        self._predicates = tuple(predicate for predicate, _ in pairs)
        self._numbers = tuple(number for _, number in pairs)
        self._known: dict[tuple[frozenset[int], frozenset[int]], Signature] = {}
        self._is_gated = len(pairs) <= GATED
        self._tried = 0
        self._hopeless = 0
        self.memory = ValueMemory(
            self._signature,
            budget,
            self._none_of if self._is_gated else None,
            keeps_long=vectorscan() is None or len(pairs) > QUICK,
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
        gate = self._gate = self._gate or gate_for(frozenset(self.asked))
        nothing = self._interned(frozenset())
        found: dict[int, set[int]] = {}
        names = fields.names()
        if len(names) > MAX_COLUMNS:
            for number in range(len(fields)):
                values = list(fields.row(number).values())
                for place in gate.admitted(values):
                    found.setdefault(number, set()).update(self._true(values[place]))
            names = ()
        for columns in _portions(fields, frozenset(names) - self._answered, gate):
            if len(columns) > 1 and not gate.may_answer("\n".join(map(gate.texts, columns))):
                continue
            for column in columns:
                for row in gate.admitted(column):
                    found.setdefault(row, set()).update(self._true(column[row]))
        if not found:
            return [nothing] * len(fields)
        signatures = [nothing] * len(fields)
        for row, true in found.items():
            signatures[row] = self._interned(frozenset(true))
        return signatures

    def settled(self, value: object, judged: Signature, needed: frozenset[int]) -> Signature:
        """The signature of a value which was judged, with nothing of `needed` left open."""
        asked = judged.unsure & needed
        true = self._matching().verified(value, asked)
        signature = self._interned(judged.true | true, judged.unsure - asked)
        self.memory.settle(value, signature)
        return signature

    def column(self, fields: Fields) -> Sequence[object] | None:
        """The values that `signatures` are of; None where no row has one, or they are of many."""
        return read(fields, self.question.source) if self.question.kind == "value" else None

    def _matching(self) -> ValueMatcher:
        if self._matcher is None:
            self._matcher = ValueMatcher(self._predicates, self._numbers)
        return self._matcher

    def _true(self, value: object) -> frozenset[int]:
        """Literals that are true for a value."""
        return self._matching().match(key_value(value_key(value)))

    def _none_of(self, text: str) -> Signature | None:
        """The signature of a long text that can answer nothing, None where it may.

        One search of the text as it stands, instead of its digest, its folding and several more.
        """
        if not self._is_gated:
            return None
        gate = self._gate
        if gate is None:
            gate = self._gate = gate_for(frozenset(self._predicates))
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
        true, unsure = self._matching().judge(key_value(key))
        return self._interned(true, unsure)

    def _interned(self, true: frozenset[int], unsure: frozenset[int] = frozenset()) -> Signature:
        known = self._known.get((true, unsure))
        if known is None:
            known = Signature(true, self._candidates(true | unsure), unsure)
            self._known[true, unsure] = known
            self._budget.used += 200 + 40 * (len(true) + len(unsure))
        return known

    def trigger_anew(self) -> None:
        """Have every signature that was ever given out set off what `by_literal` says now."""
        for known in self._known.values():
            known.candidates = self._candidates(known.true | known.unsure)

    def _candidates(self, literals: frozenset[int]) -> tuple[int, ...]:
        by_literal = self._by_literal
        return tuple({index for one in literals if one in by_literal for index in by_literal[one]})


def _portions(fields: Fields, names: Iterable[str], gate: Gate) -> Iterator[list[Sequence[object]]]:
    """The columns of these names, as many together as hold about `_PORTION` values.

    Left out are those of which it is plain that they answer nothing.
    """
    wanted = max(1, _PORTION // max(1, len(fields)))
    is_looked_at = len(fields) >= FEW
    portion: list[Sequence[object]] = []
    for name in names:
        column = fields.column(name)
        if column is None:
            continue
        if is_looked_at:  # the few values of a small group are searched sooner
            if gate.is_idle(column):
                continue
            if is_long(column):
                yield [column]
                continue
        portion.append(column)
        if len(portion) >= wanted:
            yield portion
            portion = []
    if portion:
        yield portion
