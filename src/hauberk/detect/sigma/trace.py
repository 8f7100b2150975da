"""A rule held against one event, part by part: what was asked, what was there, what held."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .explain import answered
from .expression import AND, NOT, Node, as_node
from .program import Atom, Rule, RuleSet
from .rows import RowFields
from .taxonomy import Selector


@dataclass(frozen=True, slots=True)
class Trace:
    """One part of a condition and whether it held.

    `asked` is `and`, `or`, `not`, or what is asked of a field in words; `value` what the event has
    there (clipped), "" for parts that join others. Of a long list of alternatives that all failed
    `parts` holds none and `failed` says how many they were.
    """

    asked: str
    held: bool
    value: str = ""
    parts: tuple["Trace", ...] = ()
    failed: int = 0

    def lines(self, depth: int = 0) -> Iterator[tuple[int, "Trace"]]:
        """Every part with its depth, from the whole down."""
        yield depth, self
        for part in self.parts:
            yield from part.lines(depth + 1)


MAX_FAILED = 8
"""Failed alternatives that are shown one by one."""


def trace(
    rules: RuleSet, rule: Rule, row: Mapping[str, object], selector: Selector | None = None
) -> Trace:
    """How each part of `rule` answers `row`, whose log names fields as `selector` says."""
    return _traced(rule.condition, rules.atoms, RowFields([row]), selector or Selector())


def _traced(node: Node, atoms: tuple[Atom, ...], fields: RowFields, selector: Selector) -> Trace:
    if isinstance(node, bool):
        return Trace("always" if node else "never", node)
    if isinstance(node, int):
        return _atom(atoms[node], fields, selector)
    operator, *children = node
    parts = tuple(_traced(as_node(child), atoms, fields, selector) for child in children)
    if operator == NOT:
        return Trace("not", not parts[0].held, parts=parts)
    if operator == AND:
        return Trace("all of", all(part.held for part in parts), parts=parts)
    holding = tuple(part for part in parts if part.held)
    if len(parts) > MAX_FAILED:
        return Trace("one of", bool(holding), parts=holding, failed=len(parts) - len(holding))
    return Trace("one of", bool(holding), parts=parts)


def _atom(atom: Atom, fields: RowFields, selector: Selector) -> Trace:
    held, pattern, value = answered(atom, fields, selector)
    return Trace(f"{atom.field or 'any field'} {pattern}", held, value)
