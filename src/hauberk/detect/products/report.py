"""A judged tile as a finding that a person can read."""

from datetime import timedelta

import numpy as np

from hauberk.detect.interface import DetectorSpec
from hauberk.events import EntityKind, entity, finding_uid

from .baseline import Judgement
from .memory import Memory
from .techniques import known_techniques, techniques_of_title
from .tiles import MAX_NAMES

_FALLBACK_SEVERITY = 2  # low: the product said nothing


def finding_row(
    spec: DetectorSpec, memory: Memory, row: int, judgement: Judgement, index: int, *, late: bool
) -> dict[str, object]:
    """The finding of tile `row`, judged as number `index` of its hour.

    `late` says that the hour had ended before: its alerts are told apart from those of then.
    """
    tile = memory.tiles.row(row, named=True)
    product, analytic = str(tile["product"]), str(tile["analytic"])
    place = str(tile["entity"]) or "no host in particular"
    count, surprise = int(tile["count"]), float(judgement.surprise[index])
    rule = f"{product}/{analytic}"
    telling = [str(tile["tellings"])] if tile["tellings"] else []
    if late:
        telling += ["late", *tile["evidence"][:1]]
    title = str(tile["title"]) or analytic or f"alert of {product}"
    return {
        "uid": finding_uid(spec.name, rule, str(tile["entity"]), str(tile["hour"]), *telling),
        "time": tile["first"],
        "end_time": tile["last"],
        "detector": spec.name,
        "detector_version": spec.version,
        "kind": spec.kind.value,
        "rule_uid": rule,
        "title": title,
        "message": (
            f"{product} raised '{title}' {_times(count)} on {place}"
            f"{_within(tile['last'] - tile['first'])}."
        ),
        "severity_id": int(np.clip(int(tile["severity"]) or _FALLBACK_SEVERITY, 1, 5)),
        "techniques": known_techniques(tile["techniques"]) or techniques_of_title(title),
        "entities": _entities(tile),
        "evidence": tile["evidence"],
        "count": count,
        "surprise": surprise,
        "reasons": _reasons(memory, row, judgement, index, place),
    }


def _reasons(
    memory: Memory, row: int, judgement: Judgement, index: int, place: str
) -> list[dict[str, object]]:
    """Why: how often this type does this here, less what many unusual findings take away."""
    tile = memory.tiles.row(row, named=True)
    known = memory.baseline
    pair, analytic = int(tile["pair"]), int(tile["analytic_at"])
    count, hours = int(tile["count"]), float(judgement.hours[index])
    own, surprise = float(judgement.own[index]), float(judgement.surprise[index])
    watched = f"after {_span(hours)} of watching it" if hours >= 1 else "as its watch began"
    seen_here, seen = int(known.pair_seen[pair]), int(known.analytic_seen[analytic])
    seats = int(known.analytic_seats[analytic])
    if seen == 0:
        text = f"first time this alert was raised anywhere, {watched}"
    elif seen_here == 0:
        text = (
            f"first time this alert was raised on {place}, {watched}; "
            f"it was raised in {_hours(seen)} on {seats} other host{'s' * (seats != 1)}"
        )
    else:
        as_busy = float(judgement.here[index])
        share = f"about {as_busy:.0f}" if as_busy >= 1 else "less than one"
        text = (
            f"raised {_times(count)} in this hour; {share} of {_span(hours)} of {place} had as many"
        )
    reasons: list[dict[str, object]] = [
        {"text": text, "value": str(count), "bits": float(-np.log2(own))}
    ]
    if surprise > own:
        strong = float(judgement.strong[index])
        reasons.append(
            {
                "text": f"{tile['product']} has raised {strong:.0f} alerts as unusual as this here",
                "value": f"{strong:.0f}",
                "bits": float(np.log2(own) - np.log2(surprise)),
            }
        )
    return reasons


def _entities(tile: dict[str, object]) -> list[str]:
    """Host, addresses, users; the one that the tile is about first."""
    named: list[tuple[EntityKind, str]] = []
    for kind, name in (
        (EntityKind.HOST, "hosts"),
        (EntityKind.IP, "addresses"),
        (EntityKind.USER, "users"),
    ):
        values = tile[name]
        if isinstance(values, list):
            named += [(kind, str(value)) for value in values]
    about = str(tile["entity"])
    spelled = [
        canonical
        for kind, value in sorted(named, key=lambda pair: pair[1].lower() != about)
        if (canonical := entity(kind, value))
    ]
    return list(dict.fromkeys(spelled))[:MAX_NAMES]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _hours(count: int) -> str:
    return "1 hour" if count == 1 else f"{count:,} hours"


def _span(hours: float) -> str:
    return _hours(round(hours)) if hours < 72 else f"{hours / 24:.0f} days"


def _within(length: timedelta) -> str:
    """How long it took, in the unit that a person would say it in."""
    seconds = round(length.total_seconds())
    if seconds < 1:
        return ""
    amount, unit = (seconds, "second") if seconds < 120 else (round(seconds / 60), "minute")
    return f" within {amount} {unit}{'s' * (amount != 1)}"
