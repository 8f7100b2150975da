"""Which incident of now is which of before: a story keeps its uid while it grows, merges, splits.

Verdicts, assignees and comments hang on uids. A former incident goes on in the one of now that
holds most of it. Where several former ones would go on in one, the one that brings the most weight
keeps its uid and the others are superseded; where one falls apart, its heaviest part keeps the
uid. What follows depends on nothing but the two answers, so a replay of the same scans names the
same incidents.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from hauberk.events import finding_uid

from .grouping import GroupingKind, Groupings
from .interface import Incident

MOST = 0.5
"""Share of the former's weight, or of the new one's, above which it is the same story."""

BARE_WEIGHT = 1e-3
"""Weight in bits of a finding that counts for nothing: enough to tell stories of such apart."""

MAX_SUPERSEDED = 200
"""Former uids that an incident remembers, the latest."""


def identified(
    incidents: Sequence[Incident], former: Sequence[Incident], groupings: Groupings | None = None
) -> list[Incident]:
    """The incidents in their order, under the uids of the former ones that go on in them.

    `supersedes` names former incidents whose story goes on in another; who returns is no longer
    superseded. What people grouped goes before weight: what was merged goes on under the uid that
    it was merged into and has its own back once that is lifted; what was taken out of an incident
    leaves it its uid.
    """
    if not former:
        return list(incidents)
    found = list(_claims(incidents, former))
    at = {uid: place for place, one in enumerate(incidents) for uid in one.findings}
    groupings = groupings or Groupings()
    yielding = _yielding(at, {(uid, new) for _, _, uid, _, new in found}, groupings)
    claims = sorted(found, key=lambda one: ((one[2], one[4]) in yielding, *one))
    heir_of: dict[int, int] = {}
    taken: dict[int, int] = {}
    for _, _, _, old, new in claims:
        if old not in heir_of and new not in taken:
            heir_of[old], taken[new] = new, old
    absorbed: dict[int, list[str]] = {}
    for _, _, _, old, new in claims:
        if old not in heir_of:
            heir_of[old] = new
            absorbed.setdefault(new, []).append(former[old].uid)
    uids = _uids(incidents, former, taken, _returning(at, groupings))
    living = set(uids)
    named = []
    for place, one in enumerate(incidents):
        before = former[taken[place]].supersedes if place in taken else ()
        known = dict.fromkeys([*before, *absorbed.get(place, ())])
        gone = [uid for uid in known if uid not in living][-MAX_SUPERSEDED:]
        named.append(replace(one, uid=uids[place], supersedes=gone))
    return named


def _yielding(
    at: Mapping[str, int], claims: set[tuple[str, int]], groupings: Groupings
) -> set[tuple[str, int]]:
    """Claims (uid of the former, place of the new) that others go before, whatever they weigh."""
    found: set[tuple[str, int]] = set()
    merged = [one for one in groupings.standing if one.kind is GroupingKind.MERGED]
    apart = [one for one in groupings.standing if one.kind is not GroupingKind.MERGED]
    apart += [one for one in groupings.lifted if one.kind is GroupingKind.MERGED]
    into = {(one.other, one.incident) for one in merged}
    for other, incident in into:
        found |= {
            (other, place) for uid, place in claims if uid == other and (incident, place) in claims
        }
    for one in apart:
        left = {at[uid] for uid in one.kept if uid in at}
        gone = {at[uid] for uid in one.named if uid in at}
        found |= {(one.incident, place) for place in gone - left}
    return found


def _returning(at: Mapping[str, int], groupings: Groupings) -> dict[int, str]:
    """The uid that a story had before it was merged, by its place, where that was lifted."""
    return {
        place: one.other
        for one in groupings.lifted
        if one.kind is GroupingKind.MERGED
        for place in [next((at[uid] for uid in one.named if uid in at), None)]
        if place is not None and place not in {at.get(uid) for uid in one.kept}
    }


def _uids(
    incidents: Sequence[Incident],
    former: Sequence[Incident],
    taken: Mapping[int, int],
    returning: Mapping[int, str],
) -> list[str]:
    """A uid for each: the one it keeps, else its own, unless that names another story."""
    used = {one.uid for one in former}
    uids = []
    for place, one in enumerate(incidents):
        uid = former[taken[place]].uid if place in taken else one.uid
        if place not in taken and returning.get(place, uid) not in used:
            uid = returning.get(place, uid)
        again = 0
        while place not in taken and uid in used:
            again += 1
            uid = finding_uid("incident", one.findings[0], str(again))
        used.add(uid)
        uids.append(uid)
    return uids


def _claims(
    incidents: Sequence[Incident], former: Sequence[Incident]
) -> Iterator[tuple[float, float, str, int, int]]:
    """Pairs of one story: (-weight brought, -weight held, uid, place of former, place of new)."""
    at = {uid: place for place, one in enumerate(incidents) for uid in one.findings}
    now = [_weights(one) for one in incidents]
    totals = [sum(weights.values()) for weights in now]
    for old, one in enumerate(former):
        before = _weights(one)
        brought: dict[int, float] = {}
        held: dict[int, float] = {}
        for uid in one.findings:
            new = at.get(uid)
            if new is not None:
                brought[new] = brought.get(new, 0.0) + before[uid]
                held[new] = held.get(new, 0.0) + now[new][uid]
        whole = sum(before.values())
        for new, weight in brought.items():
            if weight > MOST * whole or held[new] > MOST * totals[new]:
                yield -round(weight, 6), -round(held[new], 6), one.uid, old, new


def _weights(incident: Incident) -> dict[str, float]:
    """What each finding counts for in the incident, in bits."""
    weights = dict.fromkeys(incident.findings, BARE_WEIGHT)
    for reason in incident.reasons:
        if reason.finding_uid in weights:
            weights[reason.finding_uid] += max(0.0, reason.bits)
    return weights
