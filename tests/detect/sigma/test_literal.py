"""Literals that regular expressions cannot do without."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hauberk.detect.sigma.literal import required_literal
from hauberk.detect.sigma.predicate import fold

PATTERNS = [
    r"^\\\\[a-z]+\\admin\$$", "abc", "abcd?", "ab*cd", "(x|y)abc", "[abc]def", r"\d+foo\.exe",
    "ab{2}cd", "ab{0,1}cd", "a(?:bc)?def", r"foo\s+bar", "(?i)Foo.*Bar", "x[]a]yz", r"a\(b\)c",
    r"[\]]abc", "foo+bar", "foo+?bar", r"\tab", "abc$", "..ab", r"[[:alpha:]]abc",
]  # fmt: skip


@pytest.mark.parametrize("pattern", [p for p in PATTERNS if "[[:" not in p])
@given(data=some.data())
def test_every_match_holds_the_literal(pattern: str, data: some.DataObject) -> None:
    matching = data.draw(some.from_regex(pattern))
    assert required_literal(pattern) in fold(matching)


@pytest.mark.parametrize(
    ("pattern", "literal"),
    [
        ("abc", "abc"), ("abcd?", "abc"), ("ab*cd", "cd"), ("(x|y)abc", "abc"), ("abc|d", ""),
        (r"\d+foo\.exe", "foo.exe"), ("foo+bar", "foo"), ("[ab]", ""), ("(?i)Foo", "foo"),
        (r"\x41bc", ""), (r"\Qa*b\E", ""), ("(?-i:x)abc", ""), ("a{2}", ""), ("foo(", ""),
        ("[[:alpha:]]abc", "abc"), ("ſtx", "tx"), ("", ""),
    ],
)  # fmt: skip
def test_the_longest_certain_literal_is_found(pattern: str, literal: str) -> None:
    assert required_literal(pattern) == literal
