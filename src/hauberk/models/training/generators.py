"""Names by many made-up generators: what a name looks like when a program makes it.

Real families are few and share their shapes, so that a model of them knows little about the next
one. A sweep draws the parameters of hundreds of small generators (alphabet, length, pattern,
words) and takes a few names of each. No real family's algorithm, seed or word list is used, and
every sweep says so in the data manifest (synthetic share 1).
"""

from collections.abc import Callable, Sequence

import numpy as np

Draw = Callable[[int], str]

LETTERS = "abcdefghijklmnopqrstuvwxyz"
DIGITS = "0123456789"
VOWELS = "aeiouy"
CONSONANTS = "".join(letter for letter in LETTERS if letter not in VOWELS)
KINDS = ("uniform", "subset", "alphanumeric", "hexadecimal", "spoken", "words", "skewed")
SHARES = (0.15, 0.20, 0.10, 0.10, 0.20, 0.15, 0.10)
PATTERNS = ("cv", "cvc", "vc", "cvcv", "ccv", "cvv")


def sweep(count: int, generators: int, words: Sequence[str], seed: int) -> list[str]:
    """About `count` names from this many generators, under `.com`."""
    random = np.random.default_rng(seed)
    names: list[str] = []
    for _ in range(generators):
        kind = str(random.choice(KINDS, p=SHARES))
        if kind == "words" and len(words) < 100:
            kind = "uniform"
        draw = _spoken(random) if kind == "spoken" else None
        draw = draw or (_words(random, words) if kind == "words" else _letters(random, kind))
        shortest = int(random.integers(5, 24))
        longest = shortest + int(random.integers(0, 8))
        lengths = random.integers(shortest, longest + 1, count // generators)
        names.extend(draw(int(length))[:63] + ".com" for length in lengths)
    return names


def _letters(random: np.random.Generator, kind: str) -> Draw:
    alphabet = list(LETTERS)
    if kind == "subset":
        alphabet = list(random.permutation(alphabet)[: random.integers(8, 22)])
    elif kind == "alphanumeric":
        alphabet = list(LETTERS + DIGITS)
    elif kind == "hexadecimal":
        alphabet = list("abcdef" + DIGITS)
    shares = np.full(len(alphabet), 1 / len(alphabet))
    if kind == "skewed":
        shares = random.dirichlet(np.full(len(alphabet), 1.5))
    return lambda length: "".join(random.choice(alphabet, size=length, p=shares))


def _spoken(random: np.random.Generator) -> Draw:
    consonants = list(random.permutation(list(CONSONANTS))[: random.integers(8, 21)])
    vowels = list(random.permutation(list(VOWELS))[: random.integers(3, 7)])
    pattern = str(random.choice(PATTERNS))

    def draw(length: int) -> str:
        size = 6 + length % 11
        shape = (pattern * size)[:size]
        return "".join(str(random.choice(consonants if at == "c" else vowels)) for at in shape)

    return draw


def _words(random: np.random.Generator, words: Sequence[str]) -> Draw:
    pool = list(random.permutation(list(words))[: random.integers(100, 1500)])
    size = int(random.integers(3, 6))
    return lambda length: "".join(random.choice(pool, size=size))  # noqa: ARG005
