"""How values read: numbers, times, entities. Text from telemetry is made harmless here."""

import unicodedata
from collections.abc import Sequence
from datetime import datetime

from hauberk.events import Tactic

_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


def plain(value: object, limit: int = 400) -> str:
    """Any value as one line that cannot steer a terminal: no control or direction characters."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    clipped = text[: limit + 1]
    safe = "".join(
        " "
        if one in "\r\n\t"
        else f"\\u{ord(one):04x}"
        if one in _DIRECTION or unicodedata.category(one) in {"Cc", "Cs", "Co", "Cn"}
        else one
        for one in clipped
    )
    return safe[:limit] + "…" if len(clipped) > limit else safe


def block(text: str) -> str:
    """Text of many lines that somebody else wrote: no line of it can turn what others say."""
    return "\n".join(plain(line, len(line)) for line in text.splitlines())


def moment(time: datetime | None) -> str:
    """A time to the second, in UTC."""
    return f"{time:%Y-%m-%d %H:%M:%S}" if time else "no time"


def span(start: datetime, end: datetime) -> str:
    """A span of time, saying nothing twice."""
    if start == end:
        return f"{start:%Y-%m-%d %H:%M:%S} UTC"
    if start.date() == end.date():
        return f"{start:%Y-%m-%d %H:%M:%S} – {end:%H:%M:%S} UTC"
    return f"{start:%Y-%m-%d %H:%M} – {end:%Y-%m-%d %H:%M} UTC"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """`1 file`, `2,310 files`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def percent(probability: float) -> str:
    """A probability that never claims to be certain."""
    if probability > 0.995:
        return ">99 %"
    if probability < 0.01:
        return "<1 %"
    return f"{probability * 100:.0f} %"


def entity_phrases(entities: Sequence[str], each: int = 3) -> list[str]:
    """Entities by kind: `host ws1, srv2 and 3 more`."""
    kinds: dict[str, list[str]] = {}
    for name in entities:
        kind, _, value = name.partition(":")
        kinds.setdefault(kind, []).append(plain(value, 80))
    phrases = []
    for kind, values in kinds.items():
        more = f" and {len(values) - each:,} more" if len(values) > each else ""
        phrases.append(f"{kind} {', '.join(values[:each])}{more}")
    return phrases


def tactic_titles(tactics: Sequence[str]) -> list[str]:
    """Tactics as ATT&CK writes them, in the order given."""
    return [Tactic(tactic).title for tactic in tactics]


def bits(value: float) -> str:
    """Weight of a reason."""
    return f"{value:+.1f} bits"
