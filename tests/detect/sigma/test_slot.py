"""One question of a plan: long texts are searched first, and answered as short ones are."""

from collections.abc import Mapping, Sequence

import pytest

from hauberk.detect.sigma.memory import LONGEST_KEPT, Budget
from hauberk.detect.sigma.predicate import Op, Predicate
from hauberk.detect.sigma.slot import Question, Slot
from hauberk.detect.sigma.taxonomy import Source

LONG = "q" * (2 * LONGEST_KEPT)
WORDS = (Predicate(Op.CONTAINS, "evil", False), Predicate(Op.ENDSWITH, ".dll", False))


class _Column:
    """`hauberk.events.Fields` of a single column."""

    def __init__(self, values: Sequence[object]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def names(self) -> list[str]:
        return ["Text"]

    def column(self, name: str) -> Sequence[object] | None:
        return self._values if name == "Text" else None

    def has(self, name: str) -> Sequence[bool]:
        return [name == "Text"] * len(self)

    def row(self, index: int) -> Mapping[str, object]:
        return {"Text": self._values[index]}


def _true(predicates: Sequence[Predicate], values: Sequence[object]) -> list[set[int]]:
    asked = {predicate: number for number, predicate in enumerate(predicates)}
    slot = Slot(Question("value", Source(("Text",))), asked, {}, Budget(1 << 20))
    found = slot.signatures(_Column(values))
    settled = [slot.settled(v, one, one.unsure) for v, one in zip(values, found, strict=True)]
    return [set(one.true) for one in settled]


def test_a_long_text_answers_whatever_stands_anywhere_in_it() -> None:
    values = [LONG, LONG + "EVIL" + LONG, LONG + ".DLL", "evil" + LONG + ".dll", "evil.dll", None]
    assert _true(WORDS, values) == [set(), {0}, {1}, {0, 1}, {0, 1}, set()]


def test_a_long_text_beyond_ascii_is_folded_before_it_is_searched() -> None:
    # U+212A, the sign of kelvin, is a k in lower case.
    predicate = Predicate(Op.CONTAINS, "katz", False)
    assert _true([predicate], [LONG + "\u212aatz", LONG + "é"]) == [{0}, set()]


@pytest.mark.parametrize("shares", [(0, 1), (1, 0), (1, 1)])
def test_long_texts_are_answered_alike_however_many_before_them_held_something(
    shares: tuple[int, int],
) -> None:
    values = [f"{LONG}{n}" for n in range(200 * shares[0])]
    values += [f"{LONG}evil{n}" for n in range(200 * shares[1])]
    asked = [*values, LONG + "evil", LONG]
    assert _true(WORDS, asked) == [{0} if "evil" in value else set() for value in asked]


def test_what_long_texts_answer_without_any_word_is_not_passed_over() -> None:
    predicates = [*WORDS, Predicate(Op.PRESENT, "", False)]
    assert _true(predicates, [LONG, LONG + "evil"]) == [{2}, {0, 2}]


def test_an_expression_that_needs_single_letters_is_tried_where_one_stands() -> None:
    predicates = [Predicate(Op.REGEX, "(?i)(a`|#[0-9]+)$", True)]
    assert _true(predicates, ["x#12", "xA`", "x12", "`a", "x#"]) == [{0}, {0}, set(), set(), set()]
