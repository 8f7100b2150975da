"""A mail's parts under strict bounds: headers by the standard library, bodies cut by hand.

The standard library's parser of whole messages takes time that grows with lines times nesting, and
recurses; here every level is cut by its boundary in one pass, levels and parts are counted, and
what lies beyond a bound is left unread. Nothing raises, whatever a stranger sent.

Source: RFC 5322 (message format), RFC 2045 and 2046 (MIME), RFC 8601 (Authentication-Results).
"""

import base64
import binascii
import contextlib
import email.errors
import hashlib
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses
from html import unescape

MAX_HEADERS = 256 << 10
"""Bytes of one header block that are read."""

MAX_PARTS, MAX_DEPTH = 256, 8
MAX_VALUE = 2_000
"""Characters of a header's value that are decoded."""

MAX_TEXT = 1 << 18
"""Bytes of text, over all parts, that links and the readable body are taken from."""

MAX_BODY = 20_000
MAX_URLS, MAX_FILES, MAX_ADDRESSES = 100, 100, 50

_HEADER_END = re.compile(rb"\r?\n\r?\n")
_LINK = re.compile(r"(?:https?|ftp)://[^\s<>\"')\]]{1,1000}", re.IGNORECASE)
_HREF = re.compile(r"href\s{0,20}=\s{0,20}[\"']?([^\s\"'>]{1,1000})", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,2000}>")
_RESULT = re.compile(r"\b(spf|dkim|dmarc)\s{0,5}=\s{0,5}([a-z]{2,16})", re.IGNORECASE)
_HEADER = BytesHeaderParser()


@dataclass(slots=True)
class Contents:
    """What the parts of a message hold: readable text, links, attachments, and what was left."""

    body: str = ""
    urls: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    parts: int = 0
    beyond: bool = False  # a bound was reached: there is more than what is told


def head_and_body(message: bytes) -> tuple[Message, bytes]:
    """The headers of a message (or part) and the bytes behind them."""
    if message.startswith((b"\n", b"\r\n")):
        return Message(), message
    end = _HEADER_END.search(message)
    stop = end.start() if end else len(message)
    try:
        headers = _HEADER.parsebytes(message[: min(stop, MAX_HEADERS)] + b"\n\n")
    except (ValueError, LookupError, RecursionError, email.errors.MessageError):
        headers = Message()
    return headers, message[end.end() :] if end else b""


def value(headers: Message, name: str) -> str:
    """The first header of that name, decoded, in one line; "" where there is none."""
    found = str(headers.get(name, ""))[:MAX_VALUE]
    if "=?" in found:
        with contextlib.suppress(
            ValueError, LookupError, email.errors.MessageError, binascii.Error
        ):
            found = str(make_header(decode_header(found)))
    return printable(" ".join(found.split()))[:MAX_VALUE]


def printable(text: str) -> str:
    """Text that can be stored: no lone surrogates, no NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def addresses(headers: Message, *names: str) -> list[str]:
    """Addresses in headers of these names, lower case, in order, each once."""
    raw = [str(one)[: MAX_HEADERS // 8] for name in names for one in headers.get_all(name, [])[:20]]
    try:
        pairs = getaddresses(raw)
    except (ValueError, IndexError, RecursionError):
        pairs = []
    found = [printable(address.strip().lower()) for _, address in pairs]
    return list(dict.fromkeys(one[:320] for one in found if "@" in one))


def authentication(headers: Message) -> dict[str, str]:
    """What the receiving server wrote of SPF, DKIM and DMARC: its own header, the topmost, alone.

    Those further down came with the message, and say what its sender likes.
    """
    said = str(headers.get("authentication-results", ""))[:MAX_VALUE]
    found: dict[str, str] = {}
    for check, result in _RESULT.findall(said):
        found.setdefault(check.lower(), result.lower())
    spf = str(headers.get("received-spf", "")).strip().split(" ", 1)[0].lower()
    if "spf" not in found and spf.isalpha() and len(spf) <= 16:
        found["spf"] = spf
    return found


def contents(headers: Message, body: bytes) -> Contents:
    """Walk the parts of a message."""
    made = Contents()
    texts: list[str] = []
    marked: list[str] = []
    room = MAX_TEXT
    for part, blob in _leaves(headers, body, 0, made):
        kind = part.get_content_type()
        name = _file_name(part)
        if name or not kind.startswith("text/"):
            if kind.startswith("multipart/") or not blob:
                continue
            if len(made.files) >= MAX_FILES:
                made.beyond = True
                continue
            made.files.append(name or f"({kind})"[:100])
            made.hashes.append(hashlib.sha256(_decoded(part, blob)).hexdigest())
        elif room > 0:
            text = _text(part, _decoded(part, blob[: 2 * room]))[:room]
            room -= len(text)
            (marked if kind == "text/html" else texts).append(text)
    markup = "\n".join(marked)
    plain = "\n".join(texts) or unescape(_TAG.sub(" ", markup))
    links = [unescape(one) for one in _HREF.findall(markup)] + _LINK.findall("\n".join(texts))
    links = [printable(one) for one in links if ":" in one]
    made.urls = list(dict.fromkeys(links))[:MAX_URLS]
    made.body = printable(plain[:MAX_BODY])
    return made


def _leaves(
    headers: Message, body: bytes, depth: int, made: Contents
) -> Iterator[tuple[Message, bytes]]:
    """Parts that hold no others, in order; bounded in number and depth."""
    made.parts += 1
    if made.parts > MAX_PARTS or depth > MAX_DEPTH:
        made.beyond = True
        return
    kind = headers.get_content_maintype()
    boundary = _boundary(headers) if kind == "multipart" else None
    if boundary:
        pieces = (b"\n" + body).split(b"\n--" + boundary, MAX_PARTS)
        for piece in pieces[1:]:
            if piece.startswith(b"--") or made.parts > MAX_PARTS:
                break
            inner, rest = head_and_body(piece.partition(b"\n")[2])
            yield from _leaves(inner, rest, depth + 1, made)
    elif headers.get_content_type() == "message/rfc822":
        inner, rest = head_and_body(body.lstrip(b"\r\n"))
        yield from _leaves(inner, rest, depth + 1, made)
    else:
        yield headers, body


def _boundary(headers: Message) -> bytes | None:
    try:
        found = headers.get_boundary()
    except (ValueError, LookupError, TypeError):
        return None
    return found.encode("latin-1", "replace")[:200] if found else None


def _file_name(part: Message) -> str:
    try:
        name = part.get_filename() or ""
        if "=?" in name:
            name = str(make_header(decode_header(name[:MAX_VALUE])))
    except (ValueError, LookupError, TypeError, email.errors.MessageError):
        name = "(unreadable name)"
    return printable(name)[:255]


def _decoded(part: Message, blob: bytes) -> bytes:
    """A body without its transfer encoding, as far as it can be read."""
    match str(part.get("content-transfer-encoding", "")).strip().lower():
        case "base64":
            clean = re.sub(rb"[^A-Za-z0-9+/]", b"", blob)
            whole = clean[:-1] if len(clean) % 4 == 1 else clean
            return base64.b64decode(whole + b"=" * (-len(whole) % 4))
        case "quoted-printable":
            return quopri.decodestring(blob)
        case _:
            return blob


def _text(part: Message, blob: bytes) -> str:
    try:
        return blob.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError, UnicodeError):
        return blob.decode("latin-1")
