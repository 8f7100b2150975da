"""What people merged and took apart, as the ledger holds it, read on from where it was last read.

An act names incidents, and findings of them; which findings that comes to is noted beside it in the
ledger when it is taken into the home, from what the home holds and not from what the console says.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl

from hauberk.detect import State
from hauberk.errors import UsageError
from hauberk.store import Home
from hauberk.triage import (
    ANCHORS,
    GROUPING_SCHEMA,
    MOST_KEPT,
    GroupingKind,
    Groupings,
    Incident,
)

from .incidents import load_incident

GROUPED = {f"console.{kind.value}": kind for kind in GroupingKind}
"""Types of ledger entries by which people group findings."""

PARTS = "groupings.parts"
"""Type of the ledger entry that says which findings a grouping is about."""

STATE = "groupings"
READ_AGAIN = 2000
"""Ledger entries that each ranking may read again before it is noted how far they were read."""

MOST_NAMED = 1000
"""Groupings that a ranking names, the newest; its state holds all of them."""

_GIVEN, _UNTIL = "given", "until"


def parts(home: Home, entry: Mapping[str, object]) -> dict[str, object]:
    """The entry that says what a grouping is about; without findings where it is about nothing."""
    said: dict[str, object] = {"type": PARTS, "act": entry.get("act")}
    kind = GROUPED.get(str(entry.get("type")))
    incident = holder(home, str(entry.get("incident") or ""))
    if kind is None or kind is GroupingKind.UNDONE or incident is None:
        return said
    said["incident"] = incident.uid
    if kind is GroupingKind.MERGED:
        other = holder(home, str(entry.get("other") or ""))
        if other is None or other.uid == incident.uid:
            return said
        kept, named = _strongest(incident)[:ANCHORS], _strongest(other)[:ANCHORS]
        return {**said, "other": other.uid, "named": named, "kept": kept}
    wanted = set(str(entry.get("findings") or "").split())
    named = [uid for uid in incident.findings if uid in wanted][:MOST_KEPT]
    kept = [uid for uid in _strongest(incident) if uid not in wanted][:MOST_KEPT]
    return {**said, "named": named, "kept": kept} if named and kept else said


def holder(home: Home, uid: str) -> Incident | None:
    """The incident with this uid, or the one that it goes on in."""
    if not uid:
        return None
    try:
        stored = home.records.incident(uid)
    except UsageError:  # the start of several: nobody's uid
        return None
    if stored is not None and stored.uid == uid:
        return load_incident(stored)
    for one in home.records.each_incident():
        former = one.body.get("supersedes")
        if isinstance(former, list) and uid in former:
            return load_incident(one)
    return None


def _strongest(incident: Incident) -> list[str]:
    """Its findings, the strongest first; those that stand beside the story are none of it."""
    bits = {one.finding_uid: one.bits for one in incident.reasons if one.finding_uid}
    beside = set(incident.context)
    own = [uid for uid in incident.findings if uid not in beside]
    return sorted(own, key=lambda uid: (-bits.get(uid, 0.0), uid))


def groupings_of(home: Home, *, until: int | None = None) -> Groupings:
    """The groupings of a home, or those before a position of its ledger.

    What the last ranking knew is taken from its state, and only what came later is read.
    """
    known = ranked_groupings(home)
    if until is not None and until < known.until:
        known = Groupings()
    stop = home.ledger.size if until is None else until
    given: dict[str, dict[str, object]] = {}
    for position, entry in enumerate(home.ledger.entries(known.until, stop), known.until):
        kind = GROUPED.get(str(entry.get("type")))
        act = str(entry.get("act"))
        if kind is not None:
            given[act] = _row(position, kind, entry)
        elif entry.get("type") == PARTS and act in given:
            given[act] |= _found(entry)
    rows = pl.DataFrame(list(given.values()), schema=GROUPING_SCHEMA, orient="row")
    return Groupings(pl.concat([known.given, rows]), stop, known.until)


def ranked_groupings(home: Home) -> Groupings:
    """The groupings that the last ranking knew."""
    state = home.records.state(STATE)
    return _loaded(state) if state else Groupings()


def grouping_facts(groupings: Groupings) -> dict[str, object]:
    """What a ranking says of the groupings it rests on: how far the ledger was read, and which."""
    positions = [one.position for one in groupings.standing]
    return {"until": groupings.until, "used": len(positions), "positions": positions[-MOST_NAMED:]}


def states_of_groupings(groupings: Groupings) -> dict[str, State]:
    """The state to keep, where it holds more than what is kept, or saves much reading."""
    fresh = (groupings.given["position"] >= groupings.known).any()
    if not fresh and groupings.until - groupings.known < READ_AGAIN:
        return {}
    until = pl.DataFrame({_UNTIL: [groupings.until]}, schema={_UNTIL: pl.Int64})
    return {STATE: {_GIVEN: groupings.given, _UNTIL: until}}


def _loaded(state: State) -> Groupings:
    given = state[_GIVEN]
    if given.schema != GROUPING_SCHEMA:
        return Groupings()  # an older version's: the ledger is read anew
    return Groupings(given, int(state[_UNTIL][_UNTIL][0]))


def _row(position: int, kind: GroupingKind, entry: Mapping[str, object]) -> dict[str, object]:
    lifts = kind is GroupingKind.UNDONE
    return {
        "position": position,
        "act": str(entry.get("act", "")),
        "at": _time(entry.get("at")),
        "by": str(entry.get("by", "")),
        "kind": kind.value,
        "incident": str(entry.get("incident", "")),
        "other": str(entry.get("undoes" if lifts else "other") or ""),
        "named": [],
        "kept": [],
    }


def _found(entry: Mapping[str, object]) -> dict[str, object]:
    found: dict[str, object] = {
        name: str(entry[name]) for name in ("incident", "other") if entry.get(name)
    }
    for name in ("named", "kept"):
        uids = entry.get(name)
        found[name] = [str(one) for one in uids] if isinstance(uids, list) else []
    return found


def _time(said: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(said))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
