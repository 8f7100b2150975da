"""Techniques by the words of an alert's title, for products that name none."""

import tomllib
from functools import cache
from importlib import resources

from hauberk.events import technique_of

MOST = 3
"""Techniques that a title can suggest."""


def techniques_of_title(title: str) -> list[str]:
    """ATT&CK ids that the words of the title suggest, most telling first, at most MOST."""
    text = title.lower()
    return [
        technique
        for technique, choices in _table()
        if any(all(word in text for word in choice) for choice in choices)
    ][:MOST]


def known_techniques(ids: list[str]) -> list[str]:
    """Those of `ids` that any ATT&CK version has, in its spelling, without repeats."""
    return list(dict.fromkeys(one for id_ in ids if technique_of(one := id_.strip().upper())))


@cache
def _table() -> tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]:
    text = resources.files(__package__).joinpath("techniques.toml").read_text("utf-8")
    return tuple(
        (entry["id"], tuple(tuple(words.split("+")) for words in entry["words"]))
        for entry in tomllib.loads(text)["technique"]
    )
