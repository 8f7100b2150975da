"""What the maker of a generated name can change at no cost, the name staying registrable.

A letter changed, added or dropped; a hyphen; vowels put between consonants; an ordinary word in
front or behind; a digit for a letter; another top-level domain. The bot computes the same change.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

_VOWELS = "aeiou"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ENDINGS = ("com", "net", "org", "info", "de", "ru", "co.uk", "fr", "nl", "it")
_DIGITS = {"o": "0", "i": "1", "e": "3", "a": "4", "s": "5"}


def perturb_domains(
    records: Sequence[Any], donors: Sequence[Any], random: np.random.Generator
) -> list[Any]:
    """One variant a name: one to three changes drawn at random; words are pieces of donors."""
    words = [piece for name in donors[:400] for piece in str(name).partition(".")[0].split("-")]
    kept = [word for word in words if 3 <= len(word) <= 7] or ["web"]
    return [_variant(str(name), kept, random) for name in records]


def _variant(name: str, words: list[str], random: np.random.Generator) -> str:
    label, _, ending = name.partition(".")
    for _ in range(int(random.integers(1, 4))):
        label = _changed(label or "a", int(random.integers(0, 7)), words, random)
    if random.random() < 0.5:
        ending = str(random.choice(_ENDINGS))
    return f"{label.strip('-')[:63] or 'a'}.{ending or 'com'}"


def _changed(label: str, kind: int, words: list[str], random: np.random.Generator) -> str:
    at = int(random.integers(0, len(label)))
    letter = _LETTERS[int(random.integers(0, 26))]
    if kind == 0:
        return label[:at] + letter + label[at + 1 :]
    if kind == 1:
        return label[:at] + "-" + label[at:]
    if kind == 2 and len(label) > 6:
        return label[:at] + label[at + 1 :]
    if kind == 3:
        return _spoken(label, random)
    if kind == 4:
        return str(random.choice(words)) + label
    if kind == 5:
        return label + str(random.choice(words))
    return label[:at] + _DIGITS.get(label[at], letter) + label[at + 1 :]


def _spoken(label: str, random: np.random.Generator) -> str:
    """A vowel instead of every second consonant of a run."""
    made: list[str] = []
    run = 0
    for letter in label:
        run = 0 if letter in _VOWELS else run + 1
        made.append(_VOWELS[int(random.integers(0, 5))] if run == 2 else letter)
        run = 0 if run == 2 else run
    return "".join(made)
