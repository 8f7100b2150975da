"""A mail as a message: what its sender wrote, without what its way and its collector left on it.

Taken out before anything is learned: the recipient's address, its local part and its domain
wherever they stand (a collector's own address is in a quarter of some corpora), list tags and
footers, quoted lines, all addresses, and digits' values. Times and relays never become features:
corpora differ in era and route, and a model would learn that.

Parsing is bounded (bytes, parts, depth) and never raises: a mail is what a stranger sent.
"""

import email
import email.errors
import email.header
import re
import unicodedata
from dataclasses import dataclass
from email.message import Message
from email.utils import parseaddr
from html import unescape

MAX_BYTES = 1 << 20
MAX_PARTS = 64
MAX_TEXT = 20_000

_SCRIPTS = re.compile(r"<(script|style)\b[^>]{0,500}>.{0,20000}?</\1>", re.DOTALL | re.IGNORECASE)
_TAGS = re.compile(r"<[^<>]{0,2000}>")
_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w.-]{1,253}")
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"')\]]{1,2000}", re.IGNORECASE)
_HREF = re.compile(r"href\s*=\s*[\"']?([^\s\"'>]{1,2000})", re.IGNORECASE)
_HIDDEN = re.compile("[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_ALIKE = str.maketrans("\u0430\u0435\u043e\u0456\u0441\u0440\u0445\u0443\u03bf\u03b1", "aeoicpxyoa")
"""Cyrillic and Greek letters that are read as Latin ones (Unicode TR39 confusables)."""
_LIST_TAG = re.compile(r"^\s*(?:(?:re|fwd?|aw)\s*:\s*|\[[^\]]{1,40}\]\s*)+", re.IGNORECASE)
_FOOTER = re.compile(r"\n(?:_{8,}|-{20,}|-- ?\n|={20,})")
_DIGITS = re.compile(r"\d+")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail's parts as plain text; `links` is None where the source does not keep them.

    `sender` and `reply_to` are as written (`Name <address>`); `passed` says of SPF, DKIM and DMARC
    what the receiving server wrote, None where nothing did.
    """

    subject: str
    text: str
    sender: str
    recipient: str = ""
    reply_to: str | None = None
    links: tuple[str, ...] | None = None
    passed: bool | None = None


def read_mail(data: bytes) -> Mail:
    """A mail from its RFC 5322 bytes; what cannot be decoded is left out."""
    if data.startswith(b"From "):
        data = data.partition(b"\n")[2]
    try:
        message = email.message_from_bytes(data[:MAX_BYTES])
    except (ValueError, LookupError, RecursionError, email.errors.MessageError):
        return Mail("", data[:MAX_TEXT].decode("latin-1"), "")
    plain: list[str] = []
    marked: list[str] = []
    size = 0
    for count, part in enumerate(message.walk()):
        if count >= MAX_PARTS or size > MAX_TEXT * 4:
            break
        if part.get_content_maintype() != "text":
            continue
        text = _decoded(part)
        size += len(text)
        (marked if part.get_content_subtype() == "html" else plain).append(text)
    markup = "\n".join(marked)[: MAX_TEXT * 4]
    text = "\n".join(plain) if plain else visible(markup)
    return Mail(
        subject=_header(message, "subject"),
        text=text[:MAX_TEXT],
        sender=_header(message, "from"),
        recipient=_header(message, "delivered-to") or _header(message, "to"),
        reply_to=_header(message, "reply-to"),
        links=tuple(_HREF.findall(markup)[:200] + _LINK.findall(text[:MAX_TEXT])[:200]),
        passed=_passed(_header(message, "authentication-results").lower()),
    )


def visible(markup: str) -> str:
    """The text that a reader of HTML sees, roughly: tags, scripts and styles removed."""
    return unescape(_TAGS.sub(" ", _SCRIPTS.sub(" ", markup)))[:MAX_TEXT]


def cleaned(mail: Mail) -> tuple[str, str]:
    """Subject and text as a model may see them: lower case, one space, fingerprints removed."""
    return _clean(mail.subject, mail.recipient), _clean(mail.text, mail.recipient)


def _clean(text: str, recipient: str) -> str:
    text = _HIDDEN.sub("", text[:MAX_TEXT])
    text = _LIST_TAG.sub("", unicodedata.normalize("NFKC", text))
    text = _FOOTER.split(text, maxsplit=1)[0]
    kept = [line for line in text.split("\n") if not line.lstrip().startswith((">", "|"))]
    text = _LINK.sub(" urltoken ", " ".join(kept).lower().translate(_ALIKE))
    for piece in _own_words(recipient):
        text = text.replace(piece, " ")
    text = _ADDRESS.sub(" ", text)
    return _SPACE.sub(" ", _DIGITS.sub("0", text)).strip()


def _own_words(recipient: str) -> list[str]:
    """The recipient's address and its parts, longest first; short parts would eat other words."""
    address = parseaddr(recipient.lower())[1] or recipient.lower()
    local, _, domain = address.partition("@")
    pieces = {address, local, domain, domain.rpartition(".")[0]}
    return sorted((piece for piece in pieces if len(piece) >= 4), key=len, reverse=True)


def _decoded(part: Message) -> str:
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        return ""
    if not isinstance(payload, bytes):
        return ""
    try:
        return payload[:MAX_BYTES].decode(part.get_content_charset("latin-1"), "replace")
    except (LookupError, ValueError):
        return payload[:MAX_BYTES].decode("latin-1")


def _header(message: Message, name: str) -> str:
    try:
        found = message.get(name, "")
        return str(email.header.make_header(email.header.decode_header(str(found)[:2000])))[:1000]
    except (ValueError, LookupError, email.errors.MessageError):
        return str(message.get(name, ""))[:1000]


def _passed(results: str) -> bool | None:
    if not results:
        return None
    return all(f"{check}=pass" in results for check in ("spf", "dkim", "dmarc"))
