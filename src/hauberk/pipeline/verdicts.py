"""Verdicts as the ledger holds them, read on from where they were last read.

A verdict names an incident; what it was a verdict on (the odds, and each analytic's share of the
evidence) is noted beside it in the ledger when it is taken into the home, from what the home holds
and not from what the console says.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl

from hauberk.detect import State
from hauberk.store import Home
from hauberk.triage import (
    GOLD_SCHEMA,
    VERDICT_SCHEMA,
    Incident,
    Verdicts,
    analytic_of,
    odds_before,
)

from .incidents import load_incident

VERDICT, ANSWER = "console.verdict", "console.answer"
GOLD, GROUNDS = "labels.gold", "labels.grounds"
"""Types of ledger entries: a verdict, an answer to a gold question, a known truth, and on what."""

STATE = "verdicts"

READ_AGAIN = 2000
"""Ledger entries that each ranking may read again before it is noted how far they were read."""

MOST_NAMED = 1000
"""Verdicts that a ranking names, the newest; its state holds all of them."""

_GIVEN, _GOLD, _UNTIL = "given", "gold", "until"


def grounds(home: Home, entry: Mapping[str, object]) -> dict[str, object]:
    """The entry that says what a verdict was given on; without odds where nothing is known."""
    said: dict[str, object] = {
        "type": GROUNDS,
        "act": entry.get("act"),
        "incident": entry.get("incident"),
    }
    stored = home.records.incident(str(entry.get("incident") or "-"))
    if stored is None or stored.uid != entry.get("incident"):
        return said
    incident = load_incident(stored)
    return {**said, "odds": odds_before(incident), "analytics": _shares(home, incident)}


def _shares(home: Home, incident: Incident) -> list[list[object]]:
    """Each analytic with its share of the evidence, the largest first."""
    bits = {one.finding_uid: one.bits for one in incident.reasons if one.finding_uid}
    total = sum(one for one in bits.values() if one > 0)
    if total <= 0:
        return []
    columns = ("kind", "rule_uid", "detector")
    found = home.records.findings_within(bits, columns, incident.start, incident.end)
    named = found.select("uid", analytic_of().alias("analytic"))
    shares: dict[str, float] = {}
    for uid, analytic in named.iter_rows():
        shares[analytic] = shares.get(analytic, 0.0) + max(0.0, bits[uid]) / total
    return [
        [name, round(share, 6)]
        for name, share in sorted(shares.items(), key=lambda item: (-item[1], item[0]))
        if share > 0
    ]


def verdicts_of(home: Home, *, until: int | None = None) -> Verdicts:
    """The verdicts of a home, or those before a position of its ledger.

    What the last ranking knew is taken from its state, and only what came later is read.
    """
    state = home.records.state(STATE)
    known = _loaded(state) if state else Verdicts()
    if until is not None and until < known.until:
        known = Verdicts()
    stop = home.ledger.size if until is None else until
    given: dict[str, dict[str, object]] = {}
    gold = []
    for position, entry in enumerate(home.ledger.entries(known.until, stop), known.until):
        match entry.get("type"):
            case kind if kind in (VERDICT, ANSWER):
                given[str(entry.get("act"))] = _verdict(position, entry)
            case kind if kind == GROUNDS and entry.get("act") in given:
                given[str(entry["act"])] |= _grounds(entry)
            case kind if kind == GOLD:
                gold.append(_gold(position, entry))
    return Verdicts(
        pl.concat(
            [known.given, pl.DataFrame(list(given.values()), schema=VERDICT_SCHEMA, orient="row")]
        ),
        pl.concat([known.gold, pl.DataFrame(gold, schema=GOLD_SCHEMA, orient="row")]),
        stop,
        known.until,
    )


def verdict_facts(verdicts: Verdicts) -> dict[str, object]:
    """What a ranking says of the verdicts it rests on: how far the ledger was read, and which."""
    positions = verdicts.standing["position"].to_list()
    return {"until": verdicts.until, "used": len(positions), "positions": positions[-MOST_NAMED:]}


def states_of(verdicts: Verdicts) -> dict[str, State]:
    """The state to keep, where it holds more than what is kept, or saves much reading."""
    fresh = pl.concat([verdicts.given["position"], verdicts.gold["position"]]) >= verdicts.kept
    if not fresh.any() and verdicts.until - verdicts.kept < READ_AGAIN:
        return {}
    until = pl.DataFrame({_UNTIL: [verdicts.until]}, schema={_UNTIL: pl.Int64})
    return {STATE: {_GIVEN: verdicts.given, _GOLD: verdicts.gold, _UNTIL: until}}


def _loaded(state: State) -> Verdicts:
    given, gold = state[_GIVEN], state[_GOLD]
    if given.schema != VERDICT_SCHEMA or gold.schema != GOLD_SCHEMA:
        return Verdicts()  # an older version's: the ledger is read anew
    return Verdicts(given, gold, int(state[_UNTIL][_UNTIL][0]))


def _verdict(position: int, entry: Mapping[str, object]) -> dict[str, object]:
    return {
        "position": position,
        "act": str(entry.get("act", "")),
        "at": _time(entry.get("at")),
        "by": str(entry.get("by", "")),
        "incident": str(entry.get("incident", "")),
        "verdict": str(entry.get("verdict", "")),
        "question": entry.get("type") == ANSWER,
        "odds": None,
        "analytics": [],
    }


def _grounds(entry: Mapping[str, object]) -> dict[str, object]:
    odds, shares = entry.get("odds"), entry.get("analytics")
    return {
        "odds": float(odds) if isinstance(odds, int | float) else None,
        "analytics": [
            {"analytic": str(name), "share": float(share)}
            for name, share in (shares if isinstance(shares, list) else [])
        ],
    }


def _gold(position: int, entry: Mapping[str, object]) -> dict[str, object]:
    return {
        "position": position,
        "incident": str(entry.get("incident", "")),
        "threat": entry.get("truth") == "true",
        "by": str(entry.get("by", "")),
        "reason": str(entry.get("reason", "")),
    }


def _time(said: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(said))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
