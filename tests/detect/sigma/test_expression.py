"""What is known of an expression while some of its literals are open."""

from itertools import chain, combinations

from hypothesis import given
from hypothesis import strategies as some

from hauberk.detect.sigma.expression import Node, literals, negated, prepare

nodes: some.SearchStrategy[Node] = some.recursive(
    some.integers(0, 5),
    lambda inner: (
        some.tuples(some.sampled_from("&|"), inner, inner)
        | some.tuples(some.sampled_from("&|"), inner, inner, inner)
        | inner.map(negated)
    ),
    max_leaves=8,
)


@given(nodes, some.frozensets(some.integers(0, 5)), some.frozensets(some.integers(0, 5)))
def test_what_may_hold_is_never_denied(
    node: Node, true: frozenset[int], unsure: frozenset[int]
) -> None:
    clause, free = prepare(node), sorted(unsure - true)
    ways = chain.from_iterable(combinations(free, size) for size in range(len(free) + 1))
    holds = [clause.holds(true | frozenset(way)) for way in ways]
    if any(holds):
        assert clause.may_hold(true, true | unsure)
    if unsure.isdisjoint(literals(node)):
        assert clause.may_hold(true, true | unsure) == clause.holds(true)
