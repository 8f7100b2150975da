"""How values of Windows fields are read into typed columns, once per distinct value."""

import html
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import polars as pl

Values = Sequence[object]

_MAX_INT = 2**63 - 1
_TEXT = {str, type(None)}
_ADDRESS = frozenset("0123456789abcdefABCDEF.:")


def as_text(value: object) -> str | None:
    """A value as text: numbers and booleans as Windows writes them, lists line by line."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "\n".join(str(member) for member in value if member is not None)
    return str(value)


def texts(values: Values) -> Sequence[str | None]:
    """Text; null where the source says nothing (empty or a hyphen)."""
    if not set(map(type, values)) <= _TEXT:
        values = [as_text(value) for value in values]
    return _said(values)


def text_series(name: str, values: Values) -> pl.Series:
    """`texts` as a column."""
    try:
        return pl.Series(name, _said(values), dtype=pl.String)
    except TypeError:  # not all of them are text
        return pl.Series(name, texts(values), dtype=pl.String)


def _said(values: Values) -> Sequence[str | None]:
    if "-" not in values and "" not in values:
        return values  # type: ignore[return-value]
    return [None if v == "-" or v == "" else v for v in values]  # type: ignore[misc]


def read(values: Values, reading: str) -> list[object]:
    """Values under one of the readings that `events.toml` names."""
    if not reading:
        return list(texts(values))
    name, _, rest = reading.partition(":")
    if name == "xml":
        return per_distinct(values, lambda text: _command(text, rest))
    return per_distinct(values, _READINGS[name])


def per_distinct(values: Values, make: Callable[[str], object]) -> list[object]:
    """`make` of every text in `values`, called once per distinct one; null stays null."""
    found = texts(values)
    table: dict[str | None, object] = {text: make(text) for text in set(found) if text is not None}
    table[None] = None
    return [table[text] for text in found]


def integer(text: str) -> int | None:
    """A decimal or `0x` number that fits 64 bits, else None."""
    digits = text.strip()
    if len(digits) > 20:
        return None
    try:
        number = int(digits, 16) if digits[:2] in {"0x", "0X"} else int(digits)
    except ValueError:
        return None
    return number if -_MAX_INT <= number <= _MAX_INT else None


def address(text: str) -> str | None:
    """An IP address without brackets, zone or the prefix of mapped IPv4; null for a name."""
    plain = text.strip().strip("[]").split("%", 1)[0]
    if plain[:7].lower() == "::ffff:" and "." in plain:
        plain = plain[7:]
    return plain if plain and set(plain) <= _ADDRESS and ("." in plain or ":" in plain) else None


def last_part(path: str) -> str | None:
    """What follows the last backslash or slash."""
    return path.replace("/", "\\").rsplit("\\", 1)[-1] or None


def all_but_last(path: str) -> str | None:
    """What comes before the last backslash."""
    return path.rsplit("\\", 1)[0] or None


def _user(text: str) -> str | None:
    r"""The account of DOMAIN\user, user@domain or CN=user,OU=... alone."""
    if text[:3].upper() == "CN=":
        return text[3:].split(",", 1)[0] or None
    return text.rsplit("\\", 1)[-1].split("@", 1)[0] or None


def _domain(text: str) -> str | None:
    domain, slash, _ = text.rpartition("\\")
    return domain if slash and domain else None


def _zero(text: str) -> int:
    return 1 if integer(text) == 0 else 2


def _several(text: str) -> list[str]:
    parts = (part.strip() for part in text.replace("\n", ";").split(";"))
    cleaned = (address(part) or part.removeprefix("type:").strip() for part in parts)
    return [part for part in cleaned if part]


def _threat_path(text: str) -> str | None:
    """The first path of a Defender resource list, without its kind (`file:_`)."""
    first = text.split(";", 1)[0].strip()
    kind, mark, path = first.partition(":_")
    return path if mark and kind.isalpha() else first or None


def _share(text: str) -> str | None:
    return text.removeprefix("\\\\*\\") or None


def _host(text: str) -> str | None:
    try:
        return urlsplit(text).hostname
    except ValueError:
        return None


def _command(xml: str, tag: str) -> str | None:
    """The text of the first element `tag` and of its <Arguments>, from a task's XML."""
    parts = [_element(xml, tag), _element(xml, "Arguments")]
    return " ".join(part for part in parts if part) or None


def _element(xml: str, tag: str) -> str | None:
    start = xml.find(f"<{tag}>")
    if start == -1:
        return None
    start += len(tag) + 2
    end = xml.find("<", start)
    return html.unescape(xml[start : end if end != -1 else None]).strip()


_READINGS: dict[str, Callable[[str], object]] = {
    "name": last_part,
    "parent": all_but_last,
    "user": _user,
    "domain": _domain,
    "ip": address,
    "int": integer,
    "zero": _zero,
    "list": _several,
    "share": _share,
    "threat": _threat_path,
    "host": _host,
}
