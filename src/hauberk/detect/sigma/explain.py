"""Why a rule fired: the conditions that held, the fields they read and the values found there."""

from collections.abc import Mapping
from typing import NamedTuple

from .columns import compared, presence, read
from .expression import NOT, Node, as_node
from .predicate import Op, Predicate
from .program import Atom, Rule, RuleSet
from .rows import RowFields
from .taxonomy import Selector
from .values import ValueMatcher

CLIP = 200
"""Characters of a value that an explanation shows."""

_WORDS = {
    Op.EQUALS: "is",
    Op.CONTAINS: "contains",
    Op.STARTSWITH: "starts with",
    Op.ENDSWITH: "ends with",
    Op.LIKE: "is like",
    Op.REGEX: "matches",
    Op.CIDR: "is in",
    Op.LESS: "<",
    Op.LESS_EQUAL: "<=",
    Op.GREATER: ">",
    Op.GREATER_EQUAL: ">=",
}


class Reason(NamedTuple):
    """One condition that held: the field, what was asked of it, and what it held (clipped)."""

    field: str
    pattern: str
    value: str


def explain(
    rules: RuleSet, rule: Rule, row: Mapping[str, object], selector: Selector | None = None
) -> list[Reason]:
    """Conditions of `rule` that `row` meets, in the rule's order; of alternatives, those that hold.

    Negated parts are left out: what a row lacks explains nothing. `selector` says how the row's
    log names the fields; without it they have Sigma's own names.
    """
    selector = selector or Selector()
    reasons: dict[Reason, None] = {}
    _collect(rule.condition, rules.atoms, RowFields([row]), selector, reasons)
    return list(reasons)


def _collect(
    node: Node,
    atoms: tuple[Atom, ...],
    fields: RowFields,
    selector: Selector,
    reasons: dict[Reason, None],
) -> bool:
    """Whether the node holds; its reasons are added when it does."""
    if isinstance(node, bool):
        return node
    if isinstance(node, int):
        reason = _reason(atoms[node], fields, selector)
        if reason is not None:
            reasons[reason] = None
        return reason is not None
    operator, *children = node
    if operator == NOT:
        return not _collect(as_node(children[0]), atoms, fields, selector, {})
    found: dict[Reason, None] = {}
    held = [_collect(as_node(child), atoms, fields, selector, found) for child in children]
    if not (all(held) if operator == "&" else any(held)):
        return False
    reasons.update(found)
    return True


def _reason(atom: Atom, fields: RowFields, selector: Selector) -> Reason | None:
    predicate = atom.predicate
    if atom.field is None:
        for name in fields.names():
            reason = _answer(name, fields.row(0)[name], predicate)
            if reason is not None:
                return reason
        return None
    source = selector.source(atom.field)
    if predicate.op is Op.EXISTS:
        return Reason(atom.field, "is there", "") if presence(fields, source)[0] else None
    column = read(fields, source)
    value = column[0] if column is not None else None
    if predicate.op is Op.FIELD:
        other = read(fields, selector.source(predicate.text))
        if other is None or not compared(value, other[0], predicate.extra):
            return None
        return Reason(atom.field, f"{predicate.extra} {predicate.text}", _shown(value))
    return _answer(atom.field, value, predicate)


def answered(atom: Atom, fields: RowFields, selector: Selector) -> tuple[bool, str, str]:
    """Whether an atom holds of the first row, what it asks in words, and the value found there.

    The value is "" where the event has none.
    """
    reason = _reason(atom, fields, selector)
    if reason is not None:
        return True, reason.pattern, reason.value
    predicate = atom.predicate
    if predicate.op is Op.EXISTS:
        return False, "is there", ""
    asked = f"{predicate.extra} {predicate.text}" if predicate.op is Op.FIELD else worded(predicate)
    column = read(fields, selector.source(atom.field)) if atom.field is not None else None
    value = column[0] if column is not None else None
    return False, asked, "" if value is None else _shown(value)


def _answer(field: str, value: object, predicate: Predicate) -> Reason | None:
    if not ValueMatcher((predicate,)).match(value):
        return None
    return Reason(field, worded(predicate), _shown(value))


def worded(predicate: Predicate) -> str:
    """What a predicate asks, as a person would say it."""
    if predicate.op is Op.PRESENT:
        return "has a value"
    if predicate.op is Op.NULL or (predicate.op is Op.EQUALS and not predicate.text):
        return "is empty"
    if predicate.op is Op.TIME_PART:
        return f"has the {predicate.extra} {predicate.text}"
    return f"{_WORDS[predicate.op]} {predicate.text[:CLIP]}"


def _shown(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= CLIP else text[: CLIP - 1] + "…"
