"""What people say of how findings belong together: two incidents are one story, these are another.

Fusion joins what it can see; who investigates sees more. A grouping names findings that must be one
story (*merged*), or that are none of a story's (*split*, *detached*). Groupings are applied in the
order in which they were said, to what fusion makes of all findings, so that later ones hold against
earlier ones, and each ranking that knows the same groupings is the same.

They change which findings stand together, and never what a finding is worth: base rates and whole
days are learned from what fusion alone joined. Nor can they hide: see `guarded`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from hauberk.events import TIME

from .fusion import FusionSettings, cluster, entity_weights
from .interface import Incident, Reason
from .ranking import SUPPORT_BITS, log_odds, within_budget

ANCHORS = 20
"""Findings of each incident that a merge holds together, the strongest."""

MOST_KEPT = 500
"""Findings that stay where others are taken out, as noted then, the strongest."""

GROUPING_SCHEMA = pl.Schema(
    {
        "position": pl.Int64(),  # in the ledger
        "act": pl.String(),
        "at": TIME,
        "by": pl.String(),
        "kind": pl.String(),  # one of GroupingKind
        "incident": pl.String(),
        "other": pl.String(),  # merged: what went in; undone: the act that is lifted
        "named": pl.List(pl.String()),  # findings that went in, or were taken out
        "kept": pl.List(pl.String()),  # findings of the incident that they joined, or left
    }
)
"""One row is one grouping as the ledger holds it."""


class GroupingKind(StrEnum):
    """What somebody did to a story."""

    MERGED = "merged"
    SPLIT = "split"
    DETACHED = "detached"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Grouping:
    """One that holds: `named` joined `kept`, or was taken away from them."""

    act: str
    position: int
    kind: GroupingKind
    incident: str
    other: str
    named: Sequence[str]
    kept: Sequence[str]


@dataclass(frozen=True)
class Groupings:
    """The groupings of a home, up to a position of its ledger.

    `given` is GROUPING_SCHEMA; `until` is the first position not looked at, `known` that of what
    the home's state holds already.
    """

    given: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=GROUPING_SCHEMA))
    until: int = 0
    known: int = 0

    @cached_property
    def _lifted_acts(self) -> frozenset[str]:
        return frozenset(self.given.filter(pl.col("kind") == GroupingKind.UNDONE)["other"])

    @cached_property
    def _all(self) -> Sequence[Grouping]:
        return [
            Grouping(
                row["act"], row["position"], GroupingKind(row["kind"]), row["incident"],
                row["other"], row["named"] or [], row["kept"] or [],
            )
            for row in self.given.sort("position").iter_rows(named=True)
            if row["kind"] != GroupingKind.UNDONE
        ]  # fmt: skip

    @cached_property
    def standing(self) -> Sequence[Grouping]:
        """Those that hold, in the order in which they were said."""
        return [one for one in self._all if one.act not in self._lifted_acts]

    @cached_property
    def lifted(self) -> Sequence[Grouping]:
        """Those that somebody lifted: they say no more than which part had which uid."""
        return [one for one in self._all if one.act in self._lifted_acts]


@dataclass(frozen=True, slots=True)
class Placed:
    """Where findings stand once people were heard; arrays in row order.

    `labels` are the stories, `unmerged` the same had nobody merged any; `apart` are findings that
    were taken out of a story, `touched` those of any story that a grouping changed.
    """

    labels: npt.NDArray[np.int64]
    unmerged: npt.NDArray[np.int64]
    apart: npt.NDArray[np.bool_]
    touched: npt.NDArray[np.bool_]


def placed(
    findings: pl.DataFrame,
    labels: npt.NDArray[np.int64],
    standing: Sequence[Grouping],
    settings: FusionSettings,
) -> Placed:
    """The stories of `labels` as the groupings that hold leave them.

    A grouping of which one side is no longer there changes nothing.
    """
    none = np.zeros(len(labels), dtype=np.bool_)
    if not standing:
        return Placed(labels, labels, none, none)
    wanted = {uid for one in standing for uid in (*one.named, *one.kept)}
    found = findings.select("uid", pl.int_range(pl.len()).alias("row")).filter(
        pl.col("uid").is_in(list(wanted))
    )
    rows = {uid: row for uid, row in found.iter_rows() if labels[row] >= 0}
    kneading = _Kneading(findings, labels, rows, settings)
    for one in standing:
        kneading.apply(one)
    unmerged = kneading.labels
    if any(one.kind is GroupingKind.MERGED for one in standing):
        alone = _Kneading(findings, labels, rows, settings)
        for one in standing:
            if one.kind is not GroupingKind.MERGED:
                alone.apply(one)
        unmerged = alone.labels
    changed = {*kneading.changed}
    touched = np.isin(labels, [*{int(labels[row]) for row in changed}]) | np.isin(
        kneading.labels, [*{int(kneading.labels[row]) for row in changed}]
    )
    none[[*kneading.apart]] = True
    return Placed(kneading.labels, unmerged, none, touched)


class _Kneading:
    """Labels on which groupings are applied one after the other."""

    def __init__(
        self,
        findings: pl.DataFrame,
        labels: npt.NDArray[np.int64],
        rows: Mapping[str, int],
        settings: FusionSettings,
    ) -> None:
        self._findings = findings
        self.labels = labels.copy()
        self._rows = rows
        self._settings = settings
        self._next = int(labels.max(initial=-1)) + 1
        self.apart: set[int] = set()
        self.changed: set[int] = set()

    @cached_property
    def _weights(self) -> pl.DataFrame:
        return entity_weights(self._findings.with_row_index("row"), self._settings)

    def apply(self, one: Grouping) -> None:
        named = [self._rows[uid] for uid in one.named if uid in self._rows]
        kept = [self._rows[uid] for uid in one.kept if uid in self._rows]
        if not named or not kept:
            return
        self.changed.update(named, kept)
        if one.kind is GroupingKind.MERGED:
            stories = sorted({int(self.labels[row]) for row in (*kept, *named)})
            self.labels[np.isin(self.labels, stories)] = self.labels[kept[0]]
            self.apart.difference_update(named)
            return
        stories = sorted({int(self.labels[row]) for row in named})
        members = np.flatnonzero(np.isin(self.labels, stories))
        going = [*named, *self._company(members, named, kept)]
        self.labels[going] = self._next
        self._next += 1
        self.apart.update(named)

    def _company(
        self, members: npt.NDArray[np.int64], named: Sequence[int], kept: Sequence[int]
    ) -> list[int]:
        """Findings that hang on nothing but those that are taken out, and came after them."""
        left = np.setdiff1d(members, named)
        stories = self._fused(left)
        holding = {stories[row] for row in kept if row in stories}
        loose = [row for row in left.tolist() if stories[row] not in holding]
        if not loose:
            return []
        again = self._fused(np.array(sorted({*loose, *named}), dtype=np.int64))
        theirs = {again[row] for row in named}
        staying = set(kept)
        return [row for row in loose if again[row] in theirs and row not in staying]

    def _fused(self, rows: npt.NDArray[np.int64]) -> dict[int, int]:
        """What fusion makes of some findings without the others, by row."""
        made = cluster(self._findings[rows], self._settings, self._weights)
        return dict(zip(rows.tolist(), made.tolist(), strict=True))


def guarded(
    incidents: Sequence[Incident],
    merged_from: Sequence[Incident],
    split_from: Sequence[Incident],
    standing: Sequence[Grouping],
    budget: float,
    floor: float,
) -> list[Incident]:
    """Incidents that no grouping can hide, ranked anew.

    What was merged is never less likely than any of its parts (`merged_from`). What was split from
    an incident that would be shown (`split_from`) is shown, and so is what is left of it; of single
    findings that were detached only those that say something.
    """
    likeliest = _by_finding(merged_from)
    raised = [_raised(one, likeliest) for one in incidents]
    raised.sort(key=lambda one: (-one.probability, -one.severity_id, one.start, one.uid))
    ranked = within_budget(raised, budget, floor)
    held = _shown_anyway(ranked, split_from, standing, budget, floor)
    return [replace(one, above_budget=True) if one.uid in held else one for one in ranked]


def _by_finding(incidents: Iterable[Incident]) -> dict[str, float]:
    return {uid: one.probability for one in incidents for uid in one.findings}


def _raised(incident: Incident, likeliest: Mapping[str, float]) -> Incident:
    least = max((likeliest.get(uid, 0.0) for uid in incident.findings), default=0.0)
    if least <= incident.probability:
        return incident
    bits = log_odds(least) - log_odds(incident.probability)
    said = "as likely as the likeliest of what was merged here"
    return replace(incident, probability=least, reasons=[*incident.reasons, Reason(said, "", bits)])


def _shown_anyway(
    ranked: Sequence[Incident],
    wholes: Sequence[Incident],
    standing: Sequence[Grouping],
    budget: float,
    floor: float,
) -> set[str]:
    """Uids of incidents that are parts of one that would be shown, had nobody taken it apart."""
    cuts = [one for one in standing if one.kind is not GroupingKind.MERGED]
    if not cuts or not wholes:
        return set()
    of_wholes = {uid for one in wholes for uid in one.findings}
    others = [one for one in ranked if of_wholes.isdisjoint(one.findings)]
    order = sorted(
        [*others, *wholes], key=lambda one: (-one.probability, -one.severity_id, one.start, one.uid)
    )
    whole_uids = {id(one) for one in wholes}
    would = {
        uid
        for before, one in zip(order, within_budget(order, budget, floor), strict=True)
        if one.above_budget and id(before) in whole_uids
        for uid in one.findings
    }
    holder = {uid: one for one in ranked for uid in one.findings}
    shown: set[str] = set()
    for cut in cuts:
        for uid in (*cut.named, *cut.kept):
            part = holder.get(uid)
            if part is None or uid not in would:
                continue
            single = cut.kind is GroupingKind.DETACHED and uid in cut.named
            if not single or _bits(part) >= SUPPORT_BITS:
                shown.add(part.uid)
    return shown


def _bits(incident: Incident) -> float:
    return sum(one.bits for one in incident.reasons if one.finding_uid)
