"""What the owner of a phishing page can change: path, query, subdomain, escapes, another host.

The page answers at any path that its owner likes; the host can be a rented or a broken-into one.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from hauberk.models.features.url import host_of, without_scheme

_WORD = re.compile(r"[a-z]{3,12}")


def perturb_urls(
    records: Sequence[Any], donors: Sequence[Any], random: np.random.Generator
) -> list[Any]:
    """One variant a URL: one to three changes drawn at random; words are of donors' paths."""
    paths = (without_scheme(str(url)).partition("/")[2] for url in donors[:400])
    words = [word for path in paths for word in _WORD.findall(path)] or ["page"]
    return [_variant(str(url), words, random) for url in records]


def _variant(url: str, known: list[str], random: np.random.Generator) -> str:
    host = host_of(url)
    rest = without_scheme(url).partition(host)[2]
    for kind in random.choice(5, size=int(random.integers(1, 4)), replace=False):
        words = [str(word) for word in random.choice(known, int(random.integers(1, 5)))]
        if kind == 0:
            rest = "/" + "/".join(words)
        elif kind == 1:
            rest = "/" + "/".join(words) + rest
        elif kind == 2:
            host = ".".join(host.split(".")[-2:])
        elif kind == 3:
            rest = rest.partition("?")[0]
        else:
            rest = "/" + "-".join(words) + f"-{int(random.integers(100, 99999))}.html"
    return f"http://{host}{rest}"
