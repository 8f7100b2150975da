"""What keyword rules look at, and what they may skip."""

from hypothesis import given
from hypothesis import strategies as some

from hauberk.detect.sigma.gate import Gate
from hauberk.detect.sigma.predicate import Op, Predicate, fold
from hauberk.detect.sigma.values import ValueMatcher

QUESTIONS = [
    Predicate(Op.CONTAINS, "needle"),
    Predicate(Op.CONTAINS, "12"),
    Predicate(Op.CONTAINS, "false"),
    Predicate(Op.CONTAINS, "ſk"),
    Predicate(Op.CONTAINS, "i̇"),
    Predicate(Op.LIKE, "*ab?cd*"),
    Predicate(Op.REGEX, "(foo|bar)[0-9]", True),
]
words = some.sampled_from(
    [
        "needle",
        "NEEDLE",
        "nee",
        "12",
        "false",
        "FALSE",
        "SK",
        "ſk",
        "\u212a",
        "İ",
        "abXcd",
        "bar7",
        "é",
        "\ud800",
    ]
)
texts = some.lists(words, max_size=4).map("".join)
values = (
    texts | some.none() | some.integers(0, 200) | some.booleans() | some.floats(allow_nan=False)
)
columns = some.lists(values | some.lists(texts | some.none(), max_size=2), min_size=1, max_size=6)


@given(some.sets(some.sampled_from(QUESTIONS), min_size=1), columns)
def test_no_value_that_answers_is_skipped(asked: set[Predicate], column: list[object]) -> None:
    questions = [Predicate(q.op, q.text if q.cased else fold(q.text), q.cased) for q in asked]
    gate, matcher = Gate(questions), ValueMatcher(questions)
    answering = {row for row, value in enumerate(column) if matcher.match(value)}
    assert answering <= set(gate.admitted(column))
    assert not answering or gate.admits(column)


def test_a_column_without_the_literals_is_skipped() -> None:
    gate = Gate([Predicate(Op.CONTAINS, "needle")])
    assert not gate.admits(["nee", "dle", None, "é", ["x", None]])
    assert not list(gate.admitted(["needl", "e"]))
    assert list(gate.admitted(["x", "a Needle", None, ["needle"]])) == [1, 3]
