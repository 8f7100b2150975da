"""Features of mails: hashed words and characters beside the structure of text, sender and links.

A *view* is a group of numbers that needs one part of a mail. A recipe names the views it uses, and
training refuses a view whose part one of the sources lacks: the model would learn which source a
mail is from. Words are hashed; no word is kept.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .hashing import (
    Longs,
    Rows,
    Texts,
    counted,
    gram_hashes,
    mixed,
    pack,
    rows_of,
    text_pieces,
    unit_length,
)
from .mail import MAX_TEXT, Mail, cleaned
from .matrix import Array, Learned, Matrix

CHARACTERS = 4
_STEP = np.uint64(0x100000001B3)
_SEED = np.uint64(0x84222325CBF29CE4)
_PAIR = np.uint64(0x9E3779B97F4A7C15)
_SHARES = (0.6, 0.4)  # of a row's length: words, characters

VIEWS: dict[str, tuple[str, ...]] = {
    "text": (
        "letters", "word_length", "distinct_words", "capitals", "exclamations", "digits",
        "currency", "hidden_characters", "subject_letters", "subject_capitals",
        "subject_exclamation", "second_person",
    ),
    "sender": ("name_holds_address", "name_and_domain_differ", "sender_domain_length",
               "sender_digits"),
    "headers": ("reply_elsewhere", "not_authenticated"),
    "links": ("links", "link_domains", "links_elsewhere", "links_to_addresses"),
}  # fmt: skip

_WORD = re.compile(r"[a-z]+")
_HIDDEN = re.compile("[\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]")
_HOST = re.compile(r"^(?:https?://)?([^/?#:]{1,253})", re.IGNORECASE)
_NUMERIC = re.compile(r"^[\d.]+$")


@dataclass(frozen=True, slots=True)
class MailFeatures:
    """Words and word pairs, 4-grams of characters, and the numbers of the named views."""

    views: tuple[str, ...]
    bits: int = 17

    @property
    def names(self) -> tuple[str, ...]:
        """The named numbers of the views."""
        return tuple(name for view in self.views for name in VIEWS[view])

    def extract(self, records: Sequence[Mail]) -> Matrix:
        """One row a mail."""
        texts = [_text(mail) for mail in records]
        dense = np.array([self._numbers(mail) for mail in records], dtype=np.float32)
        return Matrix(dense.reshape(len(records), len(self.names)), self._grams(texts))

    def pieces(self, record: Mail) -> Mapping[int, tuple[str, ...]]:
        """Words, pairs and character grams of a mail by bucket."""
        text = _text(record)
        found = dict(text_pieces(text, (CHARACTERS,), self.bits))
        found = {bucket + (1 << self.bits): pieces for bucket, pieces in found.items()}
        words = text.split()
        packed = pack([text], MAX_TEXT)
        singles, pairs, _, _ = _word_hashes(packed)
        shift = np.uint64(64 - self.bits)
        for bucket, word in zip(singles >> shift, words, strict=False):
            found.setdefault(int(bucket), (word,))
        for bucket, at in zip(pairs >> shift, range(len(pairs)), strict=True):
            found.setdefault(int(bucket), (" ".join(words[at : at + 2]),))
        return found

    def learned(self) -> Learned:
        """The schema; nothing is learned from data."""
        schema = {"kind": "mail", "version": 1, "views": list(self.views), "bits": self.bits}
        return Learned(schema, {})

    @classmethod
    def load(cls, schema: Mapping[str, Any], arrays: Mapping[str, Array]) -> "MailFeatures":  # noqa: ARG003
        """From an artifact's schema. Raises KeyError for an unknown view."""
        views = tuple(str(view) for view in schema["views"])
        for view in views:
            VIEWS[view]
        bits = int(schema["bits"])
        if not 8 <= bits <= 22:
            raise ValueError(f"bits: expected 8 to 22, found {bits}")
        return cls(views, bits)

    def _grams(self, texts: Sequence[str]) -> Rows:
        packed = pack(texts, MAX_TEXT)
        width = 1 << self.bits
        shift = np.uint64(64 - self.bits)
        singles, pairs, single_rows, pair_rows = _word_hashes(packed)
        columns = (np.concatenate([singles, pairs]) >> shift).astype(np.int64)
        rows = np.concatenate([single_rows, pair_rows])
        words = unit_length(counted(rows, columns, len(texts), width))
        hashes, begins = gram_hashes(packed, CHARACTERS)
        columns = (hashes >> shift).astype(np.int64)
        characters = unit_length(counted(rows_of(packed, begins), columns, len(texts), width))
        return _beside(words, characters)

    def _numbers(self, mail: Mail) -> list[float]:
        return [number for view in self.views for number in _VIEW_NUMBERS[view](mail)]


def lacking(view: str, mail: Mail) -> bool:
    """Whether a mail lacks what a view needs."""
    if view == "links":
        return mail.links is None
    return view == "headers" and mail.reply_to is None


def _text(mail: Mail) -> str:
    subject, text = cleaned(mail)
    return " ".join([*_WORD.findall(subject), *_WORD.findall(text)])[:MAX_TEXT]


def _word_hashes(
    texts: Texts,
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], Longs, Longs]:
    """Hashes of words (runs without a space) and of neighbouring pairs, with their rows."""
    space = texts.data == ord(" ")
    starting = np.ones(len(texts.data), dtype=bool)
    if len(texts.data):
        starting[1:] = space[:-1]
        inner = texts.starts[1:-1]
        starting[inner[inner < len(starting)]] = True
    begins = np.flatnonzero(starting & ~space)
    if len(begins) == 0:
        empty = np.zeros(0, dtype=np.uint64)
        return empty, empty, np.zeros(0, np.int64), np.zeros(0, np.int64)
    # A word's hash is the sum of its bytes, each times a power by its place in the word.
    place = np.arange(len(texts.data)) - np.repeat(
        begins, np.diff(np.concatenate([begins, [len(texts.data)]]))
    ) if begins[0] == 0 else _places(texts, begins)  # fmt: skip
    powers = _powers(64)[np.minimum(place, 63)]
    products = np.where(space, np.uint64(0), (texts.data + np.uint64(1)) * powers)
    hashes = mixed(np.add.reduceat(products, begins) ^ _SEED)
    rows = rows_of(texts, begins)
    paired = rows[1:] == rows[:-1]
    pairs = mixed(hashes[:-1] * _PAIR + hashes[1:])[paired]
    return hashes, pairs, rows, rows[:-1][paired]


def _places(texts: Texts, begins: Longs) -> Longs:
    place = np.zeros(len(texts.data), dtype=np.int64)
    lengths = np.diff(np.concatenate([begins, [len(texts.data)]]))
    place[begins[0] :] = np.arange(begins[0], len(texts.data)) - np.repeat(begins, lengths)
    return place


def _powers(count: int) -> NDArray[np.uint64]:
    found: NDArray[np.uint64] = np.cumprod(np.full(count, _STEP, dtype=np.uint64), dtype=np.uint64)
    return found


def _beside(left: Rows, right: Rows) -> Rows:
    """Two sparse matrices side by side, scaled by their shares."""
    height = left.height
    rows = np.concatenate([left.row_of(), right.row_of()])
    columns = np.concatenate([left.columns.astype(np.int64), right.columns + np.int64(left.width)])
    values = np.concatenate([left.values * _SHARES[0], right.values * _SHARES[1]])
    order = np.lexsort((columns, rows))
    starts = np.searchsorted(rows[order], np.arange(height + 1)).astype(np.int64)
    return Rows(
        starts, columns[order].astype(np.int32), values[order].astype(np.float32),
        left.width + right.width,
    )  # fmt: skip


def _text_numbers(mail: Mail) -> list[float]:
    text = mail.text[:MAX_TEXT]
    words = text.lower().split()
    size = max(len(text), 1)
    subject = max(len(mail.subject), 1)
    address = ("you", "your", "dear", "customer", "user")
    return [
        np.log1p(len(text)),
        sum(map(len, words)) / max(len(words), 1),
        len(set(words)) / max(len(words), 1),
        sum(map(str.isupper, text)) / size,
        100 * text.count("!") / size,
        sum(map(str.isdigit, text)) / size,
        100 * sum(text.count(sign) for sign in "$€£") / size,
        float(len(_HIDDEN.findall(text))),
        float(len(mail.subject)),
        sum(map(str.isupper, mail.subject)) / subject,
        float("!" in mail.subject),
        sum(word.strip(".,:;") in address for word in words) / max(len(words), 1),
    ]


def _sender_numbers(mail: Mail) -> list[float]:
    name, address = parseaddr(mail.sender)
    domain = address.rpartition("@")[2].lower()
    stem = domain.split(".")[-2] if domain.count(".") else domain
    words = [word for word in _WORD.findall(name.lower()) if len(word) >= 4]
    differ = bool(words) and not any(word in domain or stem in word for word in words)
    return [
        float("@" in name),
        float(differ),
        float(len(domain)),
        float(sum(map(str.isdigit, address))),
    ]


def _header_numbers(mail: Mail) -> list[float]:
    own = parseaddr(mail.sender)[1].rpartition("@")[2].lower()
    back = parseaddr(mail.reply_to or "")[1].rpartition("@")[2].lower()
    return [float(bool(back) and back != own), float(mail.passed is False)]


def _link_numbers(mail: Mail) -> list[float]:
    links = mail.links or ()
    hosts = {found[1].lower() for link in links if (found := _HOST.match(link))}
    own = parseaddr(mail.sender)[1].rpartition("@")[2].lower()
    elsewhere = [host for host in hosts if own and not host.endswith(own)]
    return [
        float(min(len(links), 50)),
        float(min(len(hosts), 50)),
        len(elsewhere) / max(len(hosts), 1),
        float(any(_NUMERIC.match(host) for host in hosts)),
    ]


_VIEW_NUMBERS = {
    "text": _text_numbers,
    "sender": _sender_numbers,
    "headers": _header_numbers,
    "links": _link_numbers,
}
