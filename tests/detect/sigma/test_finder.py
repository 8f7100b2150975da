"""Literals found in texts, by whichever scanner is at hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hauberk.detect.sigma import finder
from hauberk.detect.sigma.finder import FEW, LONGEST, Finder, any_literal

LETTERS = "abA\\\0 é.*?[("
literals = some.sets(some.text(LETTERS, min_size=1, max_size=4), min_size=1, max_size=3 * FEW)
texts = some.text(LETTERS, max_size=40)


def expected(known: list[str], text: str) -> frozenset[int]:
    return frozenset(number for number, literal in enumerate(known) if literal in text)


@given(literals, texts)
def test_both_scanners_find_what_stands_in_the_text(drawn: set[str], text: str) -> None:
    known = sorted(drawn)
    automaton, upgraded = Finder(known), Finder(known)
    upgraded.upgrade()
    assert automaton.inside(text) == upgraded.inside(text) == expected(known, text)


@pytest.mark.parametrize("upgrade", [False, True])
def test_long_literals_that_begin_alike_are_told_apart(upgrade: bool) -> None:
    start = "x" * LONGEST
    known = [start, start + "a", start + "b", start + "ab", "y", "z"]
    found = Finder(known)
    if upgrade:
        found.upgrade()
    for tail in ("", "a", "b", "ab", "ba"):
        assert found.inside(start + tail) == expected(known, start + tail)
        assert found.inside("x" + start + tail) == expected(known, "x" + start + tail)


def test_text_enough_brings_the_faster_scanner_and_the_same_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finder, "UPGRADE", 10)
    known = [f"literal {number}" for number in range(20)]
    found = Finder(known)
    before = found._scan
    for number in range(20):
        text = f"{'pad' * 10} LITERAL literal {number}"
        assert found.inside(text) == expected(known, text)
    assert (found._scan is not before) is (finder.vectorscan() is not None)


def test_without_vectorscan_the_automaton_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "vectorscan", lambda: None)
    known = [f"literal {number}" for number in range(20)]
    found = Finder(known)
    found.upgrade()
    assert found.inside("a literal 7") == {7}
    assert any_literal(known) is None


@pytest.mark.skipif(finder.vectorscan() is None, reason="hyperscan is not installed")
def test_any_literal_is_found_in_any_case() -> None:
    holds = any_literal(["needle", "x\0y"])
    assert holds is not None
    assert holds(b"a NeeDLE")
    assert holds(b"X\0Y")
    assert not holds(b"a need")
    assert not holds(b"")
