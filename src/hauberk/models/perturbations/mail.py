"""What the writer of a mail can change while the reader still does what it asks.

Passages of ordinary mails appended, letters swapped for look-alikes in salient words, words
misspelt, the subject made plain, exclamation marks and capitals dropped, the sender's name left
out. The request itself and its link stay.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hauberk.models.features.mail import Mail

_ALIKE = {"a": "\u0430", "e": "\u0435", "o": "\u043e", "i": "\u0456", "c": "\u0441"}
_PASSAGE = 600
_PLAIN = ("question", "notes from today", "the list you asked for", "tomorrow", "follow up")


def perturb_mails(
    records: Sequence[Any], donors: Sequence[Any], random: np.random.Generator
) -> list[Any]:
    """One variant a mail: two to four changes drawn at random; passages are of donors."""
    return [_variant(mail, donors, random) for mail in records]


def _variant(mail: Mail, donors: Sequence[Any], random: np.random.Generator) -> Mail:
    for kind in random.choice(6, size=int(random.integers(2, 5)), replace=False):
        mail = _changed(mail, int(kind), donors, random)
    return mail


def _changed(mail: Mail, kind: int, donors: Sequence[Any], random: np.random.Generator) -> Mail:
    if kind == 0:
        if not donors:
            return mail
        chosen = [donors[int(at)].text for at in random.integers(0, len(donors), 2)]
        begins = [int(random.integers(0, max(len(text) - _PASSAGE, 1))) for text in chosen]
        added = "\n".join(
            text[begin : begin + _PASSAGE] for text, begin in zip(chosen, begins, strict=True)
        )
        return replace(mail, text=f"{mail.text}\n{added}")
    if kind == 1:
        return replace(mail, text=_disguised(mail.text, 0.15, random, alike=True))
    if kind == 2:
        return replace(mail, text=_disguised(mail.text, 0.15, random, alike=False))
    if kind == 3:
        return replace(mail, subject=str(random.choice(_PLAIN)))
    if kind == 4:
        return replace(mail, text=mail.text.replace("!", ".").lower())
    address = mail.sender.rpartition("<")[2].strip("<> ")
    return replace(mail, sender=address)


def _disguised(text: str, share: float, random: np.random.Generator, *, alike: bool) -> str:
    """A share of the longer words with one letter exchanged or dropped."""
    words = text.split(" ")
    chosen = random.random(len(words)) < share
    for at in np.flatnonzero(chosen):
        word = words[at]
        if len(word) < 5 or "/" in word:
            continue
        place = int(random.integers(1, len(word) - 1))
        letter = _ALIKE.get(word[place], word[place]) if alike else ""
        words[at] = word[:place] + letter + word[place + 1 :]
    return " ".join(words)
