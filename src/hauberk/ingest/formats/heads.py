"""The start of a file, as formats look at it to recognise their own."""

import codecs

import orjson

from .lines import as_utf8, utf16_of

_SNIFFED_LINES = 8


def readable_head(head: bytes) -> bytes:
    """The start of a file in UTF-8, without byte order mark and leading white space."""
    codec = utf16_of(head)
    text = head.removeprefix(codecs.BOM_UTF8) if codec is None else as_utf8(head[2:], codec)
    return text.lstrip()


def line_objects(head: bytes) -> list[dict[str, object]]:
    """The objects among the first lines of a file; none where it is no JSON lines.

    The first line may be the end of a record whose start was rotated away.
    """
    start = readable_head(head)
    if start.startswith((b"[", b"#")):
        return []
    found = []
    for line in start.split(b"\n", _SNIFFED_LINES)[:_SNIFFED_LINES]:
        if not line.startswith(b"{"):
            continue
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if type(value) is dict and value:
            found.append(value)
    return found
