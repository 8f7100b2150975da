"""How a version rises and falls: candidate, shadow, canary, live, retired.

Up takes a person's signature, the gates and, from the canary on, the board's grant; down may be
taken by anybody, by Hauberk itself too. Every step is one commit of a ledger entry and an event:
a process that dies in it leaves the stage before or the stage after.

A canary judges a share of the entities, chosen by a hash of entity and salt: the same entity gets
the same arm every time, on every machine, and anybody can check it later.
"""

import hashlib
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import polars as pl

from hauberk.errors import RefusedError
from hauberk.governance import PersonalKey, Rollout, entry
from hauberk.store import Home

from .clearance import cleared
from .documents import Task
from .loading import Refusal, admit
from .registering import founded, said, told
from .registry import MACHINE, Registry, read_registry
from .sequential import Comparison, Rate, compare
from .telemetry import Occurrence, keep
from .versions import CANARY_JUDGED, LOWERS, MOVED, RAISES, ROLLED_BACK, Stage, Version

RULES = None
"""Where a rollback leads when no former model may stand: rules alone."""


def arm(entities: pl.Series, share: float, salt: str) -> pl.Series:
    """Which entities the canary judges (Boolean, in order); null goes to the live model.

    The first 8 bytes of SHA-256(salt, NUL, entity) as a fraction, below `share`. One hash for each
    distinct entity.
    """
    distinct = entities.unique().drop_nulls()
    limit = math.ceil(share * 2**64)
    chosen = [
        int.from_bytes(hashlib.sha256(f"{salt}\0{entity}".encode()).digest()[:8]) < limit
        for entity in distinct
    ]
    table = pl.DataFrame({"entity": distinct, "canary": pl.Series(chosen, dtype=pl.Boolean)})
    joined = (
        entities.rename("entity")
        .to_frame()
        .join(table, on="entity", how="left", maintain_order="left")
    )
    return joined["canary"].fill_null(value=False).rename("canary")


def promote(
    home: Home,
    person: PersonalKey,
    version: Version,
    *,
    share: float | None = None,
    reason: str = "",
) -> Stage:
    """Raise a version by one stage; the stage it reached.

    A refusal is stored as an event and raised as RefusedError, with every check that failed.
    """
    now = home.clock()
    registry = read_registry(home)
    version = registry.versions[version.artifact]
    before = version.stage
    after, statement = promotion(home, registry, version, now, share=share, reason=reason)
    body = entry(MOVED, statement, [person.sign(MOVED, statement)])
    tells = told(
        version, "promote", now, actor=person.person, before=before, after=after, message=reason
    )
    try:
        still_whole(home, registry, version, after)
        founded(home, body, now)
    except RefusedError as error:
        refused = told(
            version, "promote", now, actor=person.person, before=before, after=after,
            succeeded=False, message=str(error),
        )  # fmt: skip
        keep(home, (), [refused])
        raise
    keep(home, [body], [tells, *threshold_moved(registry, version, after, tells)])
    return after


def promotion(
    home: Home,
    registry: Registry,
    version: Version,
    now: datetime,
    *,
    share: float | None = None,
    reason: str = "",
) -> tuple[Stage, dict[str, Any]]:
    """The next stage up, and the statement of that step before anybody signed it.

    Raises RefusedError where there is no step up.
    """
    before = version.stage
    after = RAISES.get(before)
    if after is None:
        raise RefusedError(f"{version.name} is {before}: there is no step up from there")
    statement = said(
        home, now, artifact=version.artifact, **{"from": before, "to": after}, reason=reason
    )
    if after is Stage.CANARY:
        policy = registry.authority.policy
        most = cleared(registry.authority, registry.keys, version, after, now).conditions
        statement["share"] = min(share or policy.rollout.canary_share, most.max_canary_share or 1.0)
        statement["salt"] = secrets.token_hex(16)
    return after, statement


def threshold_moved(
    registry: Registry, version: Version, after: Stage, step: Occurrence
) -> list[Occurrence]:
    """An event of its own where a new live model alerts from another score on."""
    live = registry.slot(version.model.task).live
    if after is not Stage.LIVE or live is None:
        return []
    was = registry.versions[live].model.thresholds["alert"]
    now = version.model.thresholds["alert"]
    if was == now:
        return []
    return [
        told(version, "threshold", step.at, actor=step.actor, before=f"{was:g}", after=f"{now:g}",
             metric="threshold", value=now, bound=was)
    ]  # fmt: skip


def still_whole(home: Home, registry: Registry, version: Version, stage: Stage) -> None:
    """Refuse to raise what could not be loaded afterwards."""
    found = admit(home, registry, version, stage, home.clock())
    if isinstance(found, Refusal):
        raise RefusedError(
            f"{version.name} cannot become {stage}: {'; '.join(map(str, found.failures))}"
        )


def lower(
    home: Home, version: Version, to: Stage, *, reason: str, person: PersonalKey | None = None
) -> None:
    """Take a version down (canary to shadow, anything to retired). Raises RefusedError."""
    now = home.clock()
    version = read_registry(home).versions[version.artifact]
    if to not in LOWERS[version.stage]:
        raise RefusedError(f"{version.name} is {version.stage}: no step leads down to {to}")
    before = version.stage
    statement = said(
        home, now, artifact=version.artifact, **{"from": before, "to": to}, reason=reason
    )
    body = entry(MOVED, statement, [person.sign(MOVED, statement)] if person else [])
    founded(home, body, now)
    by = person.person if person else MACHINE
    tells = told(version, "retire", now, actor=by, before=before, after=to, message=reason)
    keep(home, [body], [tells])


def rollback(
    home: Home,
    task: Task,
    *,
    reason: str,
    person: PersonalKey | None = None,
    to_rules: bool = False,
) -> Version | None:
    """Put back what was live before, if it may still be loaded; else rules alone (None).

    A canary is taken down with it. One commit.
    """
    now = home.clock()
    registry = read_registry(home)
    slot = registry.slot(task)
    target, statement = way_back(home, registry, task, now, reason=reason, to_rules=to_rules)
    body = entry(ROLLED_BACK, statement, [person.sign(ROLLED_BACK, statement)] if person else [])
    founded(home, body, now)
    by = person.person if person else MACHINE
    was = registry.versions[slot.live].name if slot.live else "rules"
    now_live = target.name if target else "rules"
    tells = Occurrence(
        "rollback", now, actor=by, task=task, before=was, after=now_live, message=reason,
        model=was.partition("@")[0], digest=slot.live or "",
    )  # fmt: skip
    keep(home, [body], [tells])
    return target


def way_back(
    home: Home,
    registry: Registry,
    task: Task,
    now: datetime,
    *,
    reason: str,
    to_rules: bool = False,
) -> tuple[Version | None, dict[str, Any]]:
    """Where a rollback leads (None: rules alone), and its statement. Raises RefusedError."""
    slot = registry.slot(task)
    if slot.live is None and slot.canary is None:
        raise RefusedError(f"no model judges {task}: there is nothing to roll back")
    target = None if to_rules else _former(home, registry, task)
    statement = said(
        home, now, task=task, **{"from": slot.live, "to": target.artifact if target else RULES},
        reason=reason,
    )  # fmt: skip
    return target, statement


def _former(home: Home, registry: Registry, task: Task) -> Version | None:
    """The newest former live version that every check would still let through."""
    slot = registry.slot(task)
    for _, _, artifact in reversed(slot.history):
        if artifact is None or artifact == slot.live:
            continue
        version = registry.versions[artifact]
        if version.revoked is None and not isinstance(
            admit(home, registry, version, Stage.LIVE, home.clock()), Refusal
        ):
            return version
    return None


class Verdict(StrEnum):
    """What is to become of a canary."""

    HARMFUL = "harmful"
    GOOD = "good"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The canary against the live model, metric by metric, and the verdict."""

    verdict: Verdict
    comparisons: Mapping[str, Comparison]

    @property
    def worst(self) -> str:
        """The metric with the strongest evidence of harm."""
        return min(self.comparisons, key=lambda name: self.comparisons[name].p_value)


def judge_canary(
    rollout: Rollout,
    canary: Mapping[str, Rate],
    live: Mapping[str, Rate],
    before: Mapping[str, float] | None = None,
) -> Judgement:
    """Judge the agreed metrics together (Bonferroni over the metrics).

    Good takes enough entities and, for every metric that was counted, a bound of the excess within
    what is tolerated and the policy's margin.
    """
    alpha = rollout.alpha / len(rollout.harm)
    comparisons = {
        name: compare(
            canary.get(name, Rate()), live.get(name, Rate()), tolerated=tolerated, alpha=alpha,
            before=(before or {}).get(name, 1.0),
        )
        for name, tolerated in rollout.harm.items()
    }  # fmt: skip
    seen = min((canary.get(name, Rate()).seen for name in ("error", "flagged")), default=0)
    if any(one.harmful for one in comparisons.values()):
        return Judgement(Verdict.HARMFUL, comparisons)
    measured = [name for name in rollout.harm if canary.get(name, Rate()).seen]
    good = seen >= rollout.min_entities and all(
        comparisons[name].bound <= rollout.harm[name] + rollout.margin for name in measured
    )
    return Judgement(Verdict.GOOD if good else Verdict.UNDECIDED, comparisons)


def watch_canary(
    home: Home, task: Task, canary: Mapping[str, Rate], live: Mapping[str, Rate]
) -> Judgement | None:
    """Judge a task's canary on counts since it began, and roll it back by itself when harmful.

    The looks' p-values are kept in the ledger, so that every look counts. None without a canary.
    """
    registry = read_registry(home)
    slot = registry.slot(task)
    if slot.canary is None:
        return None
    version = registry.versions[slot.canary]
    before: dict[str, float] = {}
    for look in registry.judgements:
        statement = look.body["statement"]
        if statement["canary"] == slot.canary and look.position > version.moves[-1].position:
            before = {name: float(value) for name, value in statement["p_values"].items()}
    judgement = judge_canary(registry.authority.policy.rollout, canary, live, before)
    now = home.clock()
    statement = said(
        home, now, canary=slot.canary, live=slot.live, verdict=judgement.verdict,
        p_values={name: one.p_value for name, one in judgement.comparisons.items()},
        counts={
            name: [canary.get(name, Rate()).bad, canary.get(name, Rate()).seen,
                   live.get(name, Rate()).bad, live.get(name, Rate()).seen]
            for name in judgement.comparisons
        },
    )  # fmt: skip
    bodies = [entry(CANARY_JUDGED, statement)]
    worst = judgement.worst
    tells = [
        told(version, "measure", now, metric=f"canary {worst}", after=judgement.verdict,
             value=judgement.comparisons[worst].excess,
             samples=canary.get(worst, Rate()).seen)
    ]  # fmt: skip
    if judgement.verdict is Verdict.HARMFUL:
        reason = f"its rate of {worst} exceeds the live model's by more than is tolerated"
        down = said(
            home, now, artifact=version.artifact,
            **{"from": Stage.CANARY, "to": Stage.SHADOW}, reason=reason,
        )  # fmt: skip
        bodies.append(entry(MOVED, down))
        tells.append(
            told(version, "rollback", now, actor=MACHINE, before=Stage.CANARY, after=Stage.SHADOW,
                 message=reason)
        )  # fmt: skip
    keep(home, bodies, tells)
    return judgement
