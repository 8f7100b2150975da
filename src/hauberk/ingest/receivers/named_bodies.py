"""Which bodies are kept, by the names that their senders gave them, so that none is kept twice.

A sender whose answer was lost cannot know whether its body was taken in, and sends it again. With
the header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) it says that it is the same
one. What is kept follows from the spool's own lines, whose envelopes name the body
(`https/5f1c0e5d2a9b4c37...`): a new reader knows those of the newest spool files.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from .positions import words
from .spool import newest_files

LONGEST_KEY = 255
MAX_NAMES = 1 << 16
"""Bodies of a source that are remembered."""


def name_of(key: str, lines: Sequence[bytes]) -> str:
    """A body as the spool names it: by its key and by what it holds.

    So who guesses the keys of others cannot have their bodies taken for known ones.
    """
    named = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16)
    for line in lines:
        named.update(b"\n")
        named.update(line)
    return named.hexdigest()


class NamedBodies:
    """Bodies of one source, whose spool folder is `folder`: how many records of each are kept."""

    def __init__(self, folder: Path) -> None:
        self._kept: OrderedDict[str, int] = OrderedDict()
        for path in newest_files(folder):
            for word in words(path, 0):
                scheme, _, name = word.partition(b"/")
                if scheme in (b"http", b"https") and len(name) == 32:
                    text = name.decode("ascii", "replace")
                    self.keep(text, self.kept(text) + 1)

    def kept(self, name: str) -> int:
        """How many records of a body are in the spool, or on their way there."""
        return self._kept.get(name, 0)

    def keep(self, name: str, records: int) -> None:
        """Note that so many are."""
        self._kept[name] = records
        self._kept.move_to_end(name)
        if len(self._kept) > MAX_NAMES:
            self._kept.popitem(last=False)
