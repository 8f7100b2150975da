"""Features of URLs: how the address looks, cut into host and rest; nothing is ever fetched.

The scheme and a leading `www.` are left out: lists of URLs differ in whether they keep them, and
a model would learn the list.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .domain import registered
from .hashing import hashed_grams, pack, text_pieces, unit_length
from .matrix import Array, Learned, Matrix

LONGEST = 300
SIZES = (3, 4)
NAMES = (
    "length", "host_length", "labels", "path_depth", "path_length", "query_length", "digits",
    "host_digits", "hyphens", "escapes", "numeric_host", "at_sign", "distinct_share", "long_token",
    "port", "brand_elsewhere",
)  # fmt: skip

_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]{0,15}:/{0,3}", re.IGNORECASE)
_NUMERIC = re.compile(r"^[\d.]{7,15}$|^0x[0-9a-f]+$|^\[?[0-9a-f:]{6,}\]?$")
_TOKEN = re.compile(r"[a-z0-9]+")
_BRAND_WORDS = frozenset(
    "login signin secure account verify update bank webmail wallet password confirm".split()  # noqa: SIM905
)


def without_scheme(url: str) -> str:
    """The URL as features see it: lower case, cut, without scheme and `www.`."""
    text = _SCHEME.sub("", url.strip()[: LONGEST * 2]).lower()
    return text.removeprefix("www.")[:LONGEST]


def host_of(url: str) -> str:
    """The host part, without port and user; any text has one, if only an empty one."""
    text = without_scheme(url)
    authority = re.split(r"[/?#\\]", text, maxsplit=1)[0]
    return authority.rpartition("@")[2].partition(":")[0]


@dataclass(frozen=True, slots=True)
class UrlFeatures:
    """Hashed character grams of the whole, and its structure."""

    bits: int = 17

    @property
    def names(self) -> tuple[str, ...]:
        """The named numbers."""
        return NAMES

    def extract(self, records: Sequence[str]) -> Matrix:
        """One row a URL; never raises on odd ones."""
        texts = [without_scheme(url) for url in records]
        hosts = [host_of(url) for url in records]
        labels = registered(hosts)["label"].to_list()
        dense = [_numbers(*row) for row in zip(texts, hosts, labels, strict=True)]
        packed = pack([f"^{text}$" for text in texts], LONGEST + 2)
        return Matrix(
            np.array(dense, dtype=np.float32).reshape(len(texts), len(NAMES)),
            unit_length(hashed_grams(packed, SIZES, self.bits)),
        )

    def pieces(self, record: str) -> Mapping[int, tuple[str, ...]]:
        """The grams of a URL by bucket."""
        return text_pieces(f"^{without_scheme(record)}$", SIZES, self.bits)

    def learned(self) -> Learned:
        """The schema; nothing is learned from data."""
        return Learned({"kind": "url", "version": 1, "names": list(NAMES), "bits": self.bits}, {})

    @classmethod
    def load(cls, schema: Mapping[str, Any], arrays: Mapping[str, Array]) -> "UrlFeatures":  # noqa: ARG003
        """From an artifact's schema."""
        bits = int(schema["bits"])
        if not 8 <= bits <= 22:
            raise ValueError(f"bits: expected 8 to 22, found {bits}")
        return cls(bits)


def _numbers(text: str, host: str, label: str) -> list[float]:
    rest = text[len(host) :]
    path, _, query = rest.partition("?")
    tokens = _TOKEN.findall(text)
    size = max(len(text), 1)
    salient = [token for token in tokens if token in _BRAND_WORDS and token != label]
    return [
        float(len(text)),
        float(len(host)),
        float(host.count(".") + 1),
        float(path.count("/")),
        float(len(path)),
        float(len(query)),
        sum(map(str.isdigit, text)) / size,
        float(sum(map(str.isdigit, host))),
        float(text.count("-")),
        float(text.count("%")),
        float(bool(_NUMERIC.match(host))),
        float("@" in text),
        len(set(text)) / size,
        float(max(map(len, tokens), default=0)),
        float(bool(re.match(r":\d", rest))),
        float(len(salient)),
    ]
