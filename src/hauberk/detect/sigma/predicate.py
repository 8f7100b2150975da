"""Predicates: what a rule asks of one value, apart from the field that holds it.

A predicate is a small tuple of plain values, so that a compiled rule set is JSON. Text is compared
folded (case-insensitively) unless `cased`.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite
from typing import NamedTuple


class Op(StrEnum):
    """The questions that can be asked of a value."""

    EQUALS = "eq"
    CONTAINS = "contains"
    STARTSWITH = "startswith"
    ENDSWITH = "endswith"
    LIKE = "like"  # wildcards inside; the text is in Sigma's escaping, see `like_parts`
    PRESENT = "present"  # any value that is not null
    NULL = "null"  # null, or the field is missing
    REGEX = "re"  # `extra` holds the flags, a subset of "ims"
    CIDR = "cidr"
    LESS = "lt"
    LESS_EQUAL = "lte"
    GREATER = "gt"
    GREATER_EQUAL = "gte"
    TIME_PART = "part"  # `extra` names the part
    EXISTS = "exists"  # of the field, not of its value
    FIELD = "fieldref"  # `text` names another field, `extra` how the two compare

    __hash__ = str.__hash__  # an enumeration's own is written in Python


class Predicate(NamedTuple):
    """One question: the operator, its operand as text, and what qualifies it."""

    op: Op
    text: str = ""
    cased: bool = False
    extra: str = ""


NUMERIC = frozenset({Op.LESS, Op.LESS_EQUAL, Op.GREATER, Op.GREATER_EQUAL})

WILDCARD = "*"
SINGLE = "?"

_DECIMAL = re.compile(r"[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,4})?", re.ASCII)
_HEXADECIMAL = re.compile(r"0[xX][0-9a-fA-F]{1,64}", re.ASCII)


def fold(text: str) -> str:
    """The spelling in which two texts are equal when they differ in case alone.

    Letters whose lower case depends on what stands beside them, or that regular expressions fold
    though `lower` does not, have one spelling too.
    """
    lower = text.lower()
    return lower if lower.isascii() else lower.replace("ς", "σ").replace("ſ", "s")


def value_text(value: object) -> str | None:
    """A value as the text that rules compare; None for null. 5.0 reads "5", True "true"."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return value_text(int(value))
        case int() if value.bit_length() > 1024:  # Python refuses to spell longer ones
            return hex(value)
        case _:
            return str(value)


def value_number(value: object) -> float | int | None:
    """A value as a number, also from decimal or 0x text; None where it is no number."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    text = str(value).strip()
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 16)
    if not _DECIMAL.fullmatch(text):
        return None
    try:
        return int(text)
    except ValueError:
        number = float(text)
        return number if isfinite(number) else None


def compares(op: Op, left: float, right: float) -> bool:
    """Whether `left op right` for an operator of NUMERIC."""
    if op is Op.LESS:
        return left < right
    if op is Op.LESS_EQUAL:
        return left <= right
    if op is Op.GREATER:
        return left > right
    return left >= right


def value_time(value: object) -> datetime | None:
    """A value as a moment: ISO text, or seconds or milliseconds since 1970; None otherwise."""
    number = value_number(value)
    if number is not None:
        try:
            seconds = number / 1000 if abs(number) > 1e11 else number
            return datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError):
            return None
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        return None


def time_part(moment: datetime, part: str) -> int:
    """Minute, hour, day (of the month), week (ISO), month or year of a moment."""
    if part == "week":
        return moment.isocalendar().week
    number: int = getattr(moment, part)
    return number


def like_parts(text: str) -> list[str]:
    """A pattern cut into literals and the wildcards `*` and `?`; literals carry a leading `=`."""
    parts: list[str] = []
    literal: list[str] = []
    characters = iter(text)
    for character in characters:
        if character in (WILDCARD, SINGLE):
            if literal:
                parts.append("=" + "".join(literal))
                literal = []
            parts.append(character)
        else:
            literal.append(next(characters, "\\") if character == "\\" else character)
    if literal:
        parts.append("=" + "".join(literal))
    return parts


def like_text(parts: list[str]) -> str:
    """The pattern of which `like_parts` are the parts: wildcards and backslashes are escaped."""
    return "".join(
        re.sub(r"([\\*?])", r"\\\1", part[1:]) if part.startswith("=") else part for part in parts
    )


def like_regex(text: str) -> str:
    """A pattern as a regular expression over the whole value, `.` matching line ends too."""
    spelled = {WILDCARD: "(?:.*)", SINGLE: "(?:.)"}
    body = "".join(
        spelled.get(part) or re.sub(r"([^A-Za-z0-9_\x80-\U0010ffff])", _escaped, part[1:])
        for part in like_parts(text)
    )
    return rf"(?s)\A{body}\z"


def _escaped(found: re.Match[str]) -> str:
    character = found.group()
    return f"\\x{{{ord(character):x}}}" if ord(character) < 32 else "\\" + character
