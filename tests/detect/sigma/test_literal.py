"""Literals that regular expressions cannot do without."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from hauberk.detect.sigma.literal import required_literals
from hauberk.detect.sigma.predicate import fold

PATTERNS = [
    r"^\\\\[a-z]+\\admin\$$", "abc", "abcd?", "ab*cd", "(x|y)abc", "[abc]def", r"\d+foo\.exe",
    "ab{2}cd", "ab{0,1}cd", "a(?:bc)?def", r"foo\s+bar", "(?i)Foo.*Bar", "x[]a]yz", r"a\(b\)c",
    r"[\]]abc", "foo+bar", "foo+?bar", r"\tab", "abc$", "..ab", "(ab|cd)+ef", "(ab?){2,3}cd",
    r"\b(copy|move)(\.exe)?\s", "(a|bc|)de", "((ab|c)x|yz)w", "(?P<n>ab|cd)", "x{3}ab", "(ab){0}cd",
    "a[b-d]e(f|g){2}", "(?i)(Get|Set)-Item", r"(^|/)john(\s|$)", "(?:ab)*?cdef", "[Tt]est",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=20)
@given(data=some.data())
def test_every_match_holds_one_of_the_literals(pattern: str, data: some.DataObject) -> None:
    literals = required_literals(pattern)
    matching = fold(data.draw(some.from_regex(pattern)))
    assert literals
    for texts in literals:
        assert any(text in matching for text in texts)


_LETTERS = some.text("abK. ", min_size=1, max_size=3).map(re.escape)
_TIMES = ["*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "+?"]
_TREES = some.recursive(
    _LETTERS | some.sampled_from([r"\d", ".", "^", "$", r"\b", "[ab]", "[^a]", "é"]),
    lambda inner: (
        some.lists(inner, min_size=1, max_size=4).map(lambda some: f"(?:{'|'.join(some)})")
        | some.lists(inner, min_size=1, max_size=4).map("".join)
        | some.tuples(inner, some.sampled_from(_TIMES)).map(lambda pair: f"(?:{pair[0]}){pair[1]}")
    ),
    max_leaves=12,
)


@given(pattern=_TREES, data=some.data())
def test_every_match_of_any_pattern_holds_one(pattern: str, data: some.DataObject) -> None:
    literals = required_literals(pattern)
    text = data.draw(some.text("abkK. 1é", max_size=24))
    if re.search(pattern, text):
        for texts in literals:
            assert any(one in fold(text) for one in texts)


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("abc", {"abc"}), ("abcd?", {"abc"}), ("ab*cd", {"cd"}), ("(x|y)abc", {"xabc", "yabc"}),
        ("abc|d", set()), (r"\d+foo\.exe", {"foo.exe"}), ("foo+bar", {"obar"}), ("[ab]", set()),
        ("(?i)Foo", {"foo"}), (r"\x41bc", set()), (r"\Qa*b\E", set()), ("(?-i:x)abc", set()),
        ("a{2}", set()), ("foo(", set()), ("foo)", set()), ("[[:alpha:]]abc", {"abc"}),
        ("ſtx", {"tx"}), ("", set()), ("(copy|move)\\s", {"copy", "move"}), ("(ab|cd)?", set()),
        (r"\b(7z|rar)(\.exe)?\s.*\ba\s", {"7z", "rar"}), ("(?=ab)cd", set()), ("(?<!a)bc", set()),
    ],
)  # fmt: skip
def test_the_most_telling_literals_are_found(pattern: str, literals: set[str]) -> None:
    found = [texts for texts in required_literals(pattern) if min(map(len, texts)) > 1]
    assert next(iter(found), set()) == literals


def test_every_word_of_a_sequence_is_asked_for() -> None:
    found = required_literals(r"(?i)\bnet1?(\.exe)?\s+(user|group)\b.*/do")
    assert [set(texts) for texts in found] == [{"user", "group"}, {"/do"}, {"net"}]


def test_a_pattern_nested_without_end_is_given_up() -> None:
    assert required_literals("(" * 5000 + "abc" + ")" * 5000) == ()
