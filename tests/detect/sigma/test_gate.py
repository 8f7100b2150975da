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


def test_only_three_letters_beyond_ascii_fold_to_ascii_ones() -> None:
    everything = (chr(code) for code in range(128, 0x110000))
    spread = {letter for letter in everything if any(map(str.isascii, fold(letter)))}
    assert spread == {"\u0130", "\u017f", "\u212a"}


def test_a_column_of_one_value_or_of_short_ones_is_idle() -> None:
    gate = Gate([Predicate(Op.CONTAINS, "needle")])
    assert gate.is_idle(["abc"] * 100)
    assert gate.is_idle([str(number) for number in range(100)])
    assert not gate.is_idle(["a needle"] * 100)
    assert not gate.is_idle(["ab", *["a needle"] * 98, "ab"])


def test_rows_of_long_columns_are_told_by_their_places() -> None:
    gate = Gate([Predicate(Op.CONTAINS, "needle")])
    column = ["x" * 1000 + (" Needle" if number % 97 == 0 else "") for number in range(500)]
    assert list(gate.admitted(column)) == [number for number in range(500) if number % 97 == 0]
