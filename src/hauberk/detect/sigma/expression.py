"""Boolean expressions over numbered literals: folding of constants, evaluation, triggers.

A node is a literal's number, a constant, or a tuple `(operator, child, ...)`.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

AND: Final = "&"
OR: Final = "|"
NOT: Final = "!"

Node: TypeAlias = "bool | int | tuple[str | Node, ...]"


def rewrite(node: Node, literal: Callable[[int], Node]) -> Node:
    """The expression with every literal replaced, constants folded and nesting flattened."""
    if isinstance(node, bool):
        return node
    if isinstance(node, int):
        return literal(node)
    operator = str(node[0])
    children = members(node)
    if operator == NOT:
        return negated(rewrite(children[0], literal))
    rewritten: list[Node] = []
    settled = operator == OR
    for child in children:
        done = literal(child) if type(child) is int else rewrite(child, literal)
        if done is settled:
            return settled
        rewritten.append(done)
    return joined(operator, rewritten)


def members(node: "tuple[str | Node, ...]") -> tuple[Node, ...]:
    """What stands under the operator of an expression."""
    return cast("tuple[Node, ...]", node[1:])


def negated(node: Node) -> Node:
    """The opposite of an expression."""
    if isinstance(node, bool):
        return not node
    if isinstance(node, tuple) and node[0] == NOT:
        return as_node(node[1])
    return (NOT, node)


def joined(operator: str, children: list[Node]) -> Node:
    """AND or OR of expressions, flat and without repeats."""
    settled = operator == OR
    flat: dict[Node, None] = {}
    for child in children:
        if child is settled:
            return settled
        if child is (not settled):
            continue
        if isinstance(child, tuple) and child[0] == operator:
            flat.update((as_node(inner), None) for inner in child[1:])
        else:
            flat[child] = None
    if not flat:
        return not settled
    if len(flat) == 1:
        return next(iter(flat))
    return (operator, *flat)


def as_node(child: "str | Node") -> Node:
    """A member of an expression's tuple that is not its operator."""
    if isinstance(child, str):
        raise TypeError(f"operator {child!r} where an expression was expected")
    return child


def literals(node: Node) -> set[int]:
    """Every literal that an expression mentions."""
    found: set[int] = set()
    _mention(node, found)
    return found


def _mention(node: Node, found: set[int]) -> None:
    if isinstance(node, tuple):
        for child in members(node):
            if type(child) is int:
                found.add(child)
            else:
                _mention(child, found)
    elif not isinstance(node, bool):
        found.add(node)


@dataclass(frozen=True, slots=True)
class Clause:
    """A node made ready to be evaluated: its plain literals as a set, the rest below it."""

    operator: str
    plain: frozenset[int]
    rest: tuple["Clause", ...]

    def holds(self, true: AbstractSet[int]) -> bool:
        """Whether the expression is true when exactly the literals of `true` are."""
        if self.operator == AND:
            if not self.plain <= true:
                return False
            return all(clause.holds(true) for clause in self.rest)
        if not self.plain.isdisjoint(true):
            return self.operator == OR
        for clause in self.rest:
            if clause.holds(true):
                return self.operator == OR
        return self.operator == NOT

    def may_hold(self, true: AbstractSet[int], possible: AbstractSet[int]) -> bool:
        """Whether it is true for some set of literals between `true` and its superset `possible`.

        It may say so too where literals that are open would have to differ from themselves.
        """
        if self.operator == AND:
            return self.plain <= possible and all(c.may_hold(true, possible) for c in self.rest)
        if self.operator == OR:
            return not self.plain.isdisjoint(possible) or any(
                clause.may_hold(true, possible) for clause in self.rest
            )
        # What must hold is what holds at the other end.
        return self.plain.isdisjoint(true) and not any(
            clause.may_hold(possible, true) for clause in self.rest
        )


def prepare(node: Node) -> Clause:
    """An expression without constants, made ready to be evaluated."""
    if isinstance(node, bool):
        raise TypeError("a constant has no clause")
    if isinstance(node, int):
        return Clause(OR, frozenset({node}), ())
    operator = str(node[0])
    # NOT over OR is one clause: none of its members may hold.
    nodes = members(node)
    inner = nodes[0]
    if operator == NOT and isinstance(inner, tuple) and inner[0] == OR:
        nodes = members(inner)
    plain = frozenset([child for child in nodes if type(child) is int])
    return Clause(
        operator, plain, tuple([prepare(child) for child in nodes if isinstance(child, tuple)])
    )


def trigger(node: Node, cost: Callable[[int], float]) -> tuple[float, frozenset[int]] | None:
    """Literals of which one must be true for the expression to be, the rarest such choice.

    None where the expression may hold although every literal is false.
    """
    if isinstance(node, bool):
        return None if node else (0.0, frozenset())
    if isinstance(node, int):
        return cost(node), frozenset({node})
    operator = node[0]
    if operator == NOT:
        return None
    found = [
        (cost(child), frozenset((child,))) if type(child) is int else trigger(child, cost)
        for child in members(node)
    ]
    if operator == AND:
        possible = [choice for choice in found if choice is not None]
        return min(possible, key=lambda choice: choice[0]) if possible else None
    total, chosen = 0.0, set[int]()
    for choice in found:
        if choice is None:
            return None
        total += choice[0]
        chosen |= choice[1]
    return total, frozenset(chosen)
