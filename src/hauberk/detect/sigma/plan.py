"""One log's rules made ready: columns to signatures, rows of signatures to rules that fire.

A signature is the set of literals that are true for a value. Distinct values are matched once and
remembered, and so are distinct rows of signatures; all memories are bounded by one `Budget`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from hauberk.events import Fields

from .expression import Clause, Node, literals, prepare, rewrite, trigger
from .gate import gate_for
from .memory import Budget, Signature
from .predicate import Op, Predicate
from .program import Atom, RuleSet
from .slot import Question, Slot
from .taxonomy import Selector, Source

_NOTHING: frozenset[int] = frozenset()

_ANYWHERE = Question("any", Source(()))

_FINDS = frozenset({Op.CONTAINS, Op.LIKE, Op.REGEX})
"""Predicates for which a value is searched anyway."""


SAMPLE = 256
"""Distinct rows after which a plan's triggers are chosen by what was true of those."""


class _Open(tuple[int, ...]):
    """The literals on which it depends which rules fire, where signatures leave them open."""

    __slots__ = ()


class _Rows(dict[tuple[Signature, ...], tuple[int, ...]]):
    """Row of signatures to the rules that fire, or to what is open; computes what it lacks."""

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
        questions = _Questions(rules.atoms, code, code_field)
        nodes: list[tuple[int, Node]] = []
        self._always: list[int] = []
        self._clauses: dict[int, Clause] = {}
        self._asks: dict[int, frozenset[int]] = {}
        unconditional: list[int] = []
        for index, selector in chosen:
            node = rewrite(rules.rules[index].condition, questions.literal_in(selector))
            if node is True:
                unconditional.append(index)
            elif node is not False:
                nodes.append((index, node))
        self._unconditional = tuple(unconditional)
        by_literal: dict[int, list[int]] = {}
        needed: set[int] = set()
        for index, node in nodes:
            self._clauses[index] = prepare(node)
            asks = self._asks[index] = frozenset(literals(node))
            needed |= asks
            choice = trigger(node, questions.costs.__getitem__)
            if choice is None:
                self._always.append(index)
                continue
            for member in choice[1]:
                by_literal.setdefault(member, []).append(index)
        kept = {
            question: {p: literal for p, literal in asked.items() if literal in needed}
            for question, asked in questions.asked.items()
        }
        self._slots = list(_slots(kept, by_literal, budget))
        self._by_literal = by_literal
        self._costs = questions.costs
        self._unlearned = nodes
        self._sampled = 0
        self._seen = Counter[int]()
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
        signatures = [slot.signatures(fields) for slot in self._slots]
        remembered = list(map(self._rows.__getitem__, zip(*signatures, strict=True)))
        if any(remembered):
            columns: dict[int, Sequence[object] | None] = {}
            for row, outcome in enumerate(remembered):
                if not outcome:
                    continue
                fired = outcome
                if type(outcome) is _Open:
                    judged = [one[row] for one in signatures]
                    fired = self._settled(fields, row, judged, frozenset(outcome), columns)
                if fired:
                    yield row, fired

    def _settled(
        self,
        fields: Fields,
        row: int,
        signatures: list[Signature],
        needed: frozenset[int],
        columns: dict[int, Sequence[object] | None],
    ) -> tuple[int, ...]:
        """Rules that fire on a row, once its values are asked what was left open."""
        for place, signature in enumerate(signatures):
            if not needed.isdisjoint(signature.unsure):
                slot = self._slots[place]
                if place not in columns:
                    columns[place] = slot.column(fields)
                column = columns[place]
                value = None if column is None else column[row]
                signatures[place] = slot.settled(value, signature, needed)
        return self._rows[tuple(signatures)]

    def _fired(self, row: tuple[Signature, ...]) -> tuple[int, ...]:
        if self._unlearned:
            self._sample(row)
        candidates = set(self._always)
        for signature in row:
            if signature.candidates:
                candidates.update(signature.candidates)
        if not candidates:
            return self._unconditional
        true: frozenset[int] = _NOTHING.union(*[signature.true for signature in row])
        unsure: frozenset[int] = _NOTHING.union(*[signature.unsure for signature in row])
        clauses = self._clauses
        if unsure:
            possible = true | unsure
            candidates = {i for i in candidates if clauses[i].may_hold(true, possible)}
            needed = _NOTHING.union(*(self._asks[i] for i in candidates)) & unsure
            # What does not depend on open literals has been decided with the rest.
            return _Open(sorted(needed)) if needed else self._told(candidates)
        return self._told(index for index in candidates if clauses[index].holds(true))

    def _sample(self, row: tuple[Signature, ...]) -> None:
        """Count what is true of the first distinct rows; then choose triggers by that.

        What is rare here is known only from here. The choice is a matter of speed alone: whoever
        sends odd rows first gains nothing but that more rules are asked.
        """
        for signature in row:
            self._seen.update(signature.true)
            self._seen.update(signature.unsure)
        self._sampled += 1
        if self._sampled < SAMPLE:
            return
        seen, costs = self._seen, self._costs
        found: dict[int, list[int]] = {}
        for index, node in self._unlearned:
            choice = trigger(node, lambda literal: seen[literal] + min(1.0, costs[literal]))
            for literal in choice[1] if choice else ():
                found.setdefault(literal, []).append(index)
        self._by_literal.clear()
        self._by_literal.update(found)
        for slot in self._slots:
            slot.trigger_anew()
        self._unlearned = []
        self._seen.clear()

    def _told(self, fired: Iterable[int]) -> tuple[int, ...]:
        return self._unconditional + tuple(sorted(fired))


def _slots(
    asked: Mapping[Question, Mapping[Predicate, int]],
    by_literal: Mapping[int, Sequence[int]],
    budget: Budget,
) -> Iterator[Slot]:
    """A slot for each question with predicates.

    Keywords are looked for in a column as its own rules are, where those search it anyway; what
    asks of all values then leaves that column out.
    """
    keywords = asked.get(_ANYWHERE, {})
    searched = [
        question
        for question, predicates in asked.items()
        if keywords
        and question.kind == "value"
        and question.source.is_plain
        and any(predicate.op in _FINDS for predicate in predicates)
    ]
    if keywords and gate_for(frozenset(keywords)).is_open:
        searched = []
    answered = {question.source.columns[0] for question in searched}
    for question, predicates in asked.items():
        if not predicates:
            continue
        if question == _ANYWHERE:
            yield Slot(question, predicates, by_literal, budget, answered=answered)
        else:
            also = keywords if question in searched else None
            yield Slot(question, predicates, by_literal, budget, keywords=also)


class _Questions:
    """The questions that rules ask in one log; predicates get numbers as they come up."""

    def __init__(self, atoms: tuple[Atom, ...], code: str, code_field: str | None) -> None:
        self.asked: dict[Question, dict[Predicate, int]] = {}
        self.costs: list[float] = []
        self._atoms = atoms
        self._code = code
        self._code_field = code_field
        self._known: dict[int, dict[int, Node]] = {}
        self._of_field: dict[tuple[int, str], dict[Predicate, int]] = {}

    def literal_in(self, selector: Selector) -> Callable[[int], Node]:
        """What becomes of an atom where fields are read as the selector says."""
        known = self._known.setdefault(id(selector), {})

        def literal(number: int) -> Node:
            node = known.get(number)
            if node is None:
                node = known[number] = self._literal(self._atoms[number], selector)
            return node

        return literal

    def _literal(self, atom: Atom, selector: Selector) -> Node:
        predicate = atom.predicate
        op = predicate.op
        if op is Op.EQUALS and atom.field is not None and atom.field == self._code_field:
            return predicate.text == self._code
        if atom.field is None or op is Op.EXISTS or op is Op.FIELD:
            asked = self.asked.setdefault(_question(atom, selector), {})
        else:  # nearly all; the question itself is slow to look up
            key = (id(selector), atom.field)
            found = self._of_field.get(key)
            if found is None:
                question = _question(atom, selector)
                found = self._of_field[key] = self.asked.setdefault(question, {})
            asked = found
        number = asked.get(predicate)
        if number is None:
            number = asked[predicate] = len(self.costs)
            self.costs.append(_cost(predicate))
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


def _question(atom: Atom, selector: Selector) -> Question:
    predicate = atom.predicate
    if atom.field is None:
        return _ANYWHERE
    source = selector.source(atom.field)
    if predicate.op is Op.EXISTS:
        return Question("exists", source)
    if predicate.op is Op.FIELD:
        return Question("compare", source, selector.source(predicate.text), predicate.extra)
    return Question("value", source)
