"""Many predicates asked of one value at once."""

import re
import time

import pytest

from hauberk.detect.sigma.predicate import Op, Predicate
from hauberk.detect.sigma.values import ValueMatcher

FLAGS = {"": re.RegexFlag(0), "i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
PATTERNS = [("(a|b)c", ""), ("^x$", "m"), ("[0-9]{3}", ""), ("(foo|BAR)", "i"), ("a.c", "s")]


@pytest.mark.parametrize("value", ["bc", "q\nx\nz", "1234", "bar", "a\nc", "none", "", "BC"])
def test_regular_expressions_scanned_together_answer_as_each_alone(value: str) -> None:
    predicates = [Predicate(Op.REGEX, text, True, flags) for text, flags in PATTERNS * 4]
    expected = {i for i, p in enumerate(predicates) if re.search(p.text, value, FLAGS[p.extra])}
    assert ValueMatcher(predicates).match(value) == expected


@pytest.mark.parametrize("value", ["ab", "ab\n", "ab\n\n", "b\nc", "ab\r\n"])
def test_the_end_of_a_text_is_also_before_a_last_line_end(value: str) -> None:
    found = ValueMatcher([Predicate(Op.REGEX, "b$", True)]).match(value)
    assert bool(found) == (re.search("b$", value) is not None)


def test_an_open_quotation_does_not_swallow_its_neighbours() -> None:
    predicates = [Predicate(Op.REGEX, text, True) for text in (r"\Qa|b", "[xy]")]
    assert ValueMatcher(predicates).match("x") == {1}
    assert ValueMatcher(predicates).match("a|b") == {0}


def test_an_expression_made_to_stall_others_is_linear_here() -> None:
    matcher = ValueMatcher([Predicate(Op.REGEX, "^(([a-z])+.)+[A-Z]([a-z])+$", True)])
    began = time.process_time()
    assert matcher.match("a" * 200_000) == frozenset()
    assert time.process_time() - began < 2


def test_what_is_left_open_is_settled_when_it_is_asked() -> None:
    predicates = [Predicate(Op.CONTAINS, "abc"), Predicate(Op.REGEX, "abc[0-9]", True)]
    matcher = ValueMatcher(predicates, [7, 9])
    assert matcher.judge("xABCx") == (frozenset({7}), frozenset({9}))
    assert matcher.verified("xabc1", frozenset({9})) == {9}
    assert matcher.match(["ABC", "x"]) == {7}
    assert matcher.match(["abc5", None]) == {7, 9}
