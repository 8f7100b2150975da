"""The formats at hand: found by entry point, chosen by content."""

import codecs
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import PurePath

from hauberk.errors import UsageError

from .interface import Format

GROUP = "hauberk.formats"

_SURE_ENOUGH = 0.2
_TEXT_CONTROLS = frozenset(b"\t\r\n\x0c\x1b")


@cache
def installed_formats() -> Mapping[str, Format]:
    """Every installed format by name, one instance each."""
    found: dict[str, Format] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        instance: Format = point.load()()
        found[instance.name] = instance
    return found


def format_named(name: str) -> Format:
    """The format of that name. Raises UsageError where there is none."""
    try:
        return installed_formats()[name]
    except KeyError:
        raise UsageError(
            f"no format is called {name!r}",
            hint=f"Known are {', '.join(sorted(installed_formats()))}",
        ) from None


def recognise(head: bytes, path: PurePath | None) -> Format | None:
    """The format that is surest of `head` (up to 64 KiB of a file's start), or None.

    Of several that are equally sure, the first by name.
    """
    best: Format | None = None
    surest = _SURE_ENOUGH
    for _, known in sorted(installed_formats().items()):
        try:
            sure = known.sniff(head, path)
        except Exception:  # noqa: BLE001  # what a format fails on is surely not of it
            sure = 0.0
        if sure > surest:
            best, surest = known, sure
    return best


def why_unrecognised(head: bytes) -> str:
    """What a file that no format recognised looks like, in a sentence for its owner."""
    if not head:
        return "empty; expected a log"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not text:
        return "nothing but white space; expected a log"
    controls = sum(byte < 32 and byte not in _TEXT_CONTROLS for byte in head[:4096])
    if controls * 20 > min(len(head), 4096):
        return "binary data of no known format"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError as error:
        where = f"byte 0x{head[error.start]:02x} at {error.start}"
        return f"text that is not UTF-8 ({where}); convert it, for instance with iconv"
    if text[:1] in b"{[":
        return "JSON, but of no shape that a known format writes"
    return "text, but of no shape that a known format writes"
