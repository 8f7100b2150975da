"""An incident told as a paragraph, from the evidence alone: each clause is a finding's own word."""

from datetime import datetime, timedelta

from hauberk.events import tactics_of, technique_name

from .weighing import Weighed, events_behind

MAX_STEPS = 7
"""Findings that the paragraph tells; the timeline has all of them."""


def title(weighed: list[Weighed], entities: list[str]) -> str:
    """What happened and where, in one line: the strongest techniques and the first entities."""
    names: list[str] = []
    for one in weighed:
        label = technique_name(one.techniques[0]) if one.techniques else one.title.rstrip(".")
        if label not in names and (one.counted > 0 or not names):
            names.append(label)
        if len(names) == 3:
            break
    return f"{_join(names)} on {_where(entities)}"


def narrate(in_time: list[Weighed], entities: list[str]) -> str:
    """The story in the order it happened. `in_time` is in time order."""
    ordered = sorted(in_time, key=lambda one: (-one.counted, -one.bits))
    telling = [one for one in ordered if one.counted > 0][:MAX_STEPS] or ordered[:1]
    chosen = {one.uid for one in telling}
    steps = [one for one in in_time if one.uid in chosen]
    start = min((one.start for one in in_time if one.start), default=None)
    end = max((one.end for one in in_time if one.end), default=None)
    sentences = [_opening(in_time, entities, start, end)]
    before: datetime | None = None
    for one in steps:
        sentences.append(_step(one, before))
        before = one.start or before
    hidden = len(in_time) - len(steps)
    if hidden > 0:
        belong = (
            "finding of less weight belongs" if hidden == 1 else "findings of less weight belong"
        )
        sentences.append(f"{hidden:,} more {belong} to the same story.")
    return " ".join(sentences)


def _opening(
    in_time: list[Weighed], entities: list[str], start: datetime | None, end: datetime | None
) -> str:
    events = events_behind(in_time)
    tactics = tactics_of(t for one in in_time if one.counted > 0 for t in one.techniques)
    when = _when(start, end)
    count = f"{len(in_time):,} finding{'s' if len(in_time) != 1 else ''}"
    basis = f"{events:,} event{'s' if events != 1 else ''}"
    aims = f", from {tactics[0].title} to {tactics[-1].title}" if len(tactics) > 1 else ""
    return f"{when}, {count} from {basis} on {_where(entities)} tell one story{aims}."


def _step(one: Weighed, before: datetime | None) -> str:
    text = (one.message or one.title).rstrip(".")
    told = str(one.count) in text.replace(",", "")
    times = f" ({one.count:,} times)" if one.count > 1 and not told else ""
    return f"{_since(one.start, before)}{text}{times}."


def _since(start: datetime | None, before: datetime | None) -> str:
    if start is None:
        return "At an unknown time: "
    if before is None or start - before >= timedelta(days=1):
        return f"On {start:%d %b at %H:%M:%S}: "
    gap = start - before
    if gap < timedelta(seconds=1):
        return "At the same time: "
    return f"{_span(gap)} later: "


def _span(gap: timedelta) -> str:
    seconds = int(gap.total_seconds())
    for unit, size in (("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return "Moments"


def _when(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None:
        return "At an unknown time"
    if end - start < timedelta(minutes=1):
        return f"On {start:%d %B %Y at %H:%M:%S} UTC"
    if start.date() == end.date():
        return f"On {start:%d %B %Y} between {start:%H:%M} and {end:%H:%M} UTC"
    return f"Between {start:%d %B %Y %H:%M} and {end:%d %B %Y %H:%M} UTC"


def _where(entities: list[str]) -> str:
    kinds: dict[str, list[str]] = {}
    for name in entities:
        kind, _, value = name.partition(":")
        kinds.setdefault(kind, []).append(value)
    parts = [_some(kinds[kind]) for kind in ("host", "user", "principal") if kind in kinds][:2]
    if not parts:
        first = next(iter(kinds.values()), ["unnamed systems"])
        parts = [_some(first)]
    return " and ".join(parts)


def _some(values: list[str]) -> str:
    if len(values) <= 2:
        return _join(values)
    return f"{values[0]}, {values[1]} and {len(values) - 2} more"


def _join(words: list[str]) -> str:
    if len(words) <= 1:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
