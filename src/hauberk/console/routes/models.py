"""Models: the registry, one version whole, the policy and persons in force."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hauberk.console.console import Console
from hauberk.console.guard import Here, Who, needs
from hauberk.console.models_drift import HEIGHT, WIDTH, charts_of
from hauberk.console.models_reading import Standing
from hauberk.console.models_signing import days_of, signer_of
from hauberk.console.pages import page
from hauberk.console.permissions import Permission
from hauberk.models import RAISES, Check, Clearance, GateResult, Registry, Stage, Task, Version
from hauberk.reports import lineage, number, when

router = APIRouter()

LADDER = (Stage.CANDIDATE, Stage.SHADOW, Stage.CANARY, Stage.LIVE)
REFUSED_SHOWN, REFUSED_LASTS = 5, timedelta(days=1)

Uid = Annotated[str, Path(max_length=64, pattern=r"^[0-9A-Za-z_.:-]+$")]


@router.get("/models", dependencies=needs(Permission.READ_MODELS))
def listed(request: Request, console: Here, who: Who) -> Response:
    """What judges each task, and all versions."""
    return shown_list(request, console, who.name)


@router.get("/models/policy", dependencies=needs(Permission.READ_MODELS))
def policy(request: Request, console: Here) -> Response:
    """The policy in force."""
    standing = console.models.standing()
    return page(
        request, "models_policy.html.j2", standing=standing,
        policy=standing.registry.authority.policy, now=console.clock(),
        policies=standing.registry.authority.policies,
    )  # fmt: skip


@router.get("/models/versions/{uid}", dependencies=needs(Permission.READ_MODELS))
def version(request: Request, console: Here, who: Who, uid: Uid) -> Response:
    """A version whole: gates, risk, board, drift, lineage, card."""
    return shown_version(request, console, uid, who.name)


def found(standing: Standing, uid: str) -> Version:
    """A version by its whole digest; 404 where there is none."""
    known = standing.registry.versions.get(uid)
    if known is None:
        raise HTTPException(404)
    return known


def shown_list(
    request: Request, console: Console, name: str, notice: str = "", status: int = 200
) -> Response:
    """The first page of models."""
    standing = console.models.standing()
    registry = standing.registry
    slots = [(task, registry.slot(task)) for task in Task]
    return page(
        request,
        "models.html.j2",
        status,
        standing=standing,
        registry=registry,
        versions=[(one, console.models.answer(registry, one)) for one in _newest(registry)],
        slots=[(task, slot) for task, slot in slots if slot.history or slot.canary],
        waiting=console.signing.waiting(),
        refused=_refused(standing, name, console.clock()),
        notice=notice,
        when=when,
    )


def shown_version(
    request: Request, console: Console, uid: str, name: str, notice: str = "", status: int = 200
) -> Response:
    """The page of a version, for somebody of that name."""
    standing = console.models.standing()
    one = found(standing, uid)
    registry = standing.registry
    answer = console.models.answer(registry, one)
    return page(
        request,
        "model.html.j2",
        status,
        one=one,
        answer=answer,
        registry=registry,
        slot=registry.slot(one.model.task),
        policy=registry.authority.policy,
        ladder=LADDER,
        next_stage=RAISES.get(one.stage),
        hindrances=hindrances(console, registry, one, answer),
        gates=_gates(registry, one),
        failures=[one for one in answer.failures if one.check is not Check.APPROVAL],
        axes=(answer.risk.likelihood, answer.risk.impact, answer.risk.detectability),
        conflict=_conflict(registry, one, answer, name),
        signer=signer_of(registry, name),
        days=days_of(registry),
        charts=charts_of(console.models.measures(one)),
        lines=lineage(registry, one),
        card=console.models.card(one),
        verdict=registry.verdict(one),
        waiting=console.signing.waiting(),
        refused=_refused(standing, name, console.clock()),
        now=console.clock(),
        width=WIDTH,
        height=HEIGHT,
        number=number,
        notice=notice,
    )


def hindrances(console: Console, registry: Registry, one: Version, answer: Clearance) -> list[str]:
    """Why a version cannot rise by one stage now; nothing where it can."""
    after = RAISES.get(one.stage)
    if after is None or one.revoked is not None:
        return ["There is no step up from where it stands."]
    said = [
        str(failure)
        for failure in answer.failures
        if after is not Stage.SHADOW or failure.check not in (Check.APPROVAL, Check.EXPIRED)
    ]
    policy, slot = registry.authority.policy, registry.slot(one.model.task)
    if not policy.promotes_at(console.clock()):
        said.append(
            f"hours: promotions are on {', '.join(policy.promotion_days)},"
            f" {policy.promotion_from:%H:%M} to {policy.promotion_until:%H:%M} UTC"
        )
    if after is Stage.CANARY and slot.canary is not None:
        said.append(f"canary: there is one already, {registry.versions[slot.canary].name}")
    if after is Stage.LIVE and slot.live is not None and policy.rollout.must_be_good:
        verdict = registry.verdict(one)
        if verdict != "good":
            said.append(f"canary: it was judged {verdict or 'never'}, not good")
    return said


def _newest(registry: Registry) -> list[Version]:
    return sorted(registry.versions.values(), key=lambda one: -one.position)


def _refused(standing: Standing, name: str, now: datetime) -> list[dict[str, str]]:
    """Statements that somebody sent and the home did not take, newest first."""
    since = now - REFUSED_LASTS
    own = [one for one in reversed(standing.refused) if one.body.get("by") == name]
    return [
        {"at": when(one.time), "reason": str(one.body.get("reason", ""))}
        for one in own[:REFUSED_SHOWN]
        if one.time > since
    ]


def _gates(registry: Registry, one: Version) -> list[tuple[GateResult, str]]:
    """Results of a report, each with what the policy demands of it beyond its recipe."""
    bounds = {gate.name: gate for gate in registry.authority.policy.gates_for(one.model.task)}
    made = []
    for result in one.report.gates:
        bound = bounds.get(result.gate)
        said = ""
        if bound is not None and bound.measure is not None:
            side = {"value": "", "low": " (lower end)", "high": " (upper end)"}[bound.use]
            least, most = bound.at_least, bound.at_most
            said = f"{bound.measure}{side}"
            said += f" at least {least:g}" if least is not None else ""
            said += f" at most {most:g}" if most is not None else ""
        made.append((result, said))
    return made


def _conflict(registry: Registry, one: Version, answer: Clearance, name: str) -> str:
    """In which relation somebody stands that leaves them no vote; empty where in none."""
    relations = {
        "owner": (one.owner,),
        "trainer": one.trainers,
        "signer": (answer.signed_by.holder,) if answer.signed_by else (),
    }
    conflict = registry.authority.policy.conflict
    return next((kind for kind in conflict if name in relations[kind]), "")
