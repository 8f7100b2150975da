"""Names asked of the DNS: which domain somebody registered, and whether it looks made up.

A name looks made up when its letters are told better by a machine that draws them all alike than by
people who write words. The table of letters is that of English text (as in every book on ciphers),
the steps between vowels, consonants and digits are coarse shares of ordinary words; neither was
fitted to any list of domains.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

_LETTERS = {
    "e": 12.7, "t": 9.1, "a": 8.2, "o": 7.5, "i": 7.0, "n": 6.7, "s": 6.3, "h": 6.1, "r": 6.0,
    "d": 4.3, "l": 4.0, "c": 2.8, "u": 2.8, "m": 2.4, "w": 2.4, "f": 2.2, "g": 2.0, "y": 2.0,
    "p": 1.9, "b": 1.5, "v": 1.0, "k": 0.8, "j": 0.15, "x": 0.15, "q": 0.1, "z": 0.07,
}  # fmt: skip

# Shares of the next character's class in ordinary words: vowel, consonant, digit, other.
_STEPS = np.array(
    [
        [0.12, 0.83, 0.02, 0.03],
        [0.55, 0.40, 0.02, 0.03],
        [0.10, 0.20, 0.65, 0.05],
        [0.35, 0.60, 0.04, 0.01],
    ]
)
_WIDTH = 40  # characters of a label that are looked at
_LONG_ENOUGH = 6

_SECOND_LEVELS = ["co", "com", "net", "org", "gov", "edu", "ac", "or", "ne", "go", "gob", "mil"]
_LOCAL = r"\.(arpa|local|lan|home|internal|intranet|localdomain|corp|test|invalid|private|onion)$"


def split_names(names: pl.Series) -> pl.DataFrame:
    """What each name is made of; one row a distinct name.

    Columns: `query` (the name), `domain` (as somebody registered it: two labels, three where the
    second is one like `co.uk`), `sub` (what stands before it, "" for nothing), `random` (whether
    the domain's own label looks made up). Names of one label and of local zones are left out.
    """
    distinct = pl.DataFrame({"query": names.drop_nulls().unique()}).with_columns(
        pl.col("query").str.to_lowercase().str.strip_chars_end(".").str.slice(0, 255).alias("name")
    )
    labels = pl.col("name").str.split(".")
    country = (labels.list.get(-1, null_on_oob=True).str.len_chars() == 2) & labels.list.get(
        -2, null_on_oob=True
    ).is_in(_SECOND_LEVELS)
    own = pl.when(country).then(3).otherwise(2)
    split = (
        distinct.filter(
            pl.col("name").str.contains(".", literal=True)
            & ~pl.col("name").str.contains(_LOCAL)
            & ~pl.col("name").str.contains(r"^[0-9.]+$|\.\.|^\.|[/:\s]")
        )
        .with_columns(own.alias("own"), labels.alias("labels"))
        .filter(pl.col("labels").list.len() >= pl.col("own"))
        .with_columns(
            pl.col("labels").list.tail(pl.col("own")).list.join(".").alias("domain"),
            pl.col("labels")
            .list.head(pl.col("labels").list.len() - pl.col("own"))
            .list.join(".")
            .alias("sub"),
        )
    )
    label = split["domain"].str.extract(r"^([^.]*)")
    return split.select("query", "domain", "sub").with_columns(
        pl.Series("random", looks_made_up(label), dtype=pl.Boolean)
    )


def looks_made_up(labels: pl.Series) -> npt.NDArray[np.bool_]:
    """Whether each label (lower case) looks drawn by a machine; short ones never do."""
    if labels.is_empty():
        return np.zeros(0, dtype=np.bool_)
    bounded = labels.str.slice(0, _WIDTH).fill_null("")
    text = np.array(bounded.to_list(), dtype=f"S{_WIDTH}" if _ascii(bounded) else f"U{_WIDTH}")
    if text.dtype.kind == "U":
        text = np.char.encode(text, "ascii", "replace")
    codes = text.astype(f"S{_WIDTH}").view(np.uint8).reshape(len(text), _WIDTH)
    present = codes > 0
    words, machine = _WORDS[codes], _MACHINE[codes]
    kinds = _KINDS[codes]
    steps = np.log2(_STEPS[kinds[:, :-1], kinds[:, 1:]] / _CHANCE[kinds[:, 1:]])
    both = present[:, :-1] & present[:, 1:]
    told = np.where(present, words - machine, 0).sum(axis=1) + np.where(both, steps, 0).sum(axis=1)
    length = present.sum(axis=1)
    return np.asarray((length >= _LONG_ENOUGH) & (told < 0))


def _ascii(labels: pl.Series) -> bool:
    return bool((labels.str.len_bytes() == labels.str.len_chars()).all())


def _tables() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """By byte: log2 of its share within its class in words, and for a machine; and its class."""
    words, machine = np.zeros(256), np.zeros(256)
    kinds = np.full(256, 3)
    groups = ("aeiou", "".join(letter for letter in _LETTERS if letter not in "aeiou"))
    for kind, group in enumerate(groups):
        total = sum(_LETTERS[letter] for letter in group)
        for letter in group:
            words[ord(letter)] = np.log2(_LETTERS[letter] / total)
            machine[ord(letter)] = np.log2(1 / len(group))
            kinds[ord(letter)] = kind
    kinds[ord("0") : ord("9") + 1] = 2
    return words, machine, kinds


_WORDS, _MACHINE, _KINDS = _tables()
_CHANCE = np.array([5, 21, 4, 0.5]) / 30.5
