"""An incident: what happened, why it is believed, and what people decide about it."""

import re
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from hauberk.console import ranking
from hauberk.console.accounts import Refused
from hauberk.console.cases import NEEDS_REASON, State, Verdict
from hauberk.console.console import Console
from hauberk.console.guard import Here, Sent, Who, needs, visitor_of
from hauberk.console.pages import page
from hauberk.console.permissions import Permission
from hauberk.console.playbooks import filled, library, proposed, steps
from hauberk.console.questions import as_asked
from hauberk.pipeline import MAX_ALERTS
from hauberk.reports import HEIGHT, WIDTH, draw, evidence_row, weight_bars
from hauberk.triage import Incident, log_odds

router = APIRouter()

MAX_FINDINGS = 200
"""Findings of the timeline, those of most weight."""

MAX_EVENTS = 20
"""Events that are shown of one finding."""

_UID = re.compile(r"[0-9A-Za-z_-]{1,64}")
Uid = Annotated[str, Path(max_length=64, pattern=r"^[0-9A-Za-z_-]+$")]


@router.get("/incidents/{uid}", dependencies=needs(Permission.READ_INCIDENTS))
def shown(
    request: Request,
    console: Here,
    uid: Uid,
    was: Annotated[str, Query(max_length=400)] = "",
) -> Response:
    """The page."""
    notice = f"{was} goes on in this incident." if _UID.fullmatch(was) else ""
    return shown_page(request, console, uid, notice, 200)


@router.get("/incidents/{uid}/findings/{finding}", dependencies=needs(Permission.READ_EVIDENCE))
def evidence(request: Request, console: Here, uid: Uid, finding: Uid) -> Response:
    """The events behind a finding, each with its record as it came."""
    incident = console.reading.incident(uid)
    if incident is None or finding not in incident.findings:
        raise HTTPException(404)
    row = console.reading.finding(incident, finding)
    if row is None:
        raise HTTPException(404)
    named, number = row["evidence"], row["count"]
    uids = [str(one) for one in named] if isinstance(named, list) else []
    known = console.reading.events(uids[:MAX_EVENTS])
    events = [evidence_row(known[one]) for one in uids if one in known]
    part = "HX-Request" in request.headers
    return page(
        request,
        "_evidence.html.j2" if part else "evidence.html.j2",
        events=events,
        incident=incident,
        row=row,
        more=max(0, (number if isinstance(number, int) else 0) - len(events)),
    )


@router.get("/incidents/{uid}/around", dependencies=needs(Permission.READ_INCIDENTS))
def around(request: Request, console: Here, uid: Uid) -> Response:
    """What other products said of its hosts from the day before it to the day after."""
    incident = console.reading.incident(uid)
    if incident is None:
        raise HTTPException(404)
    part = "HX-Request" in request.headers
    alerts = console.reading.alerts_around(incident)
    return page(
        request,
        "_around.html.j2" if part else "around.html.j2",
        one=incident,
        alerts=alerts.to_dicts(),
        most=MAX_ALERTS,
    )


@router.get("/incidents/{uid}/playbooks/{name}", dependencies=needs(Permission.READ_INCIDENTS))
def playbook(console: Here, uid: Uid, name: Uid) -> Response:
    """A playbook with this incident's entities in it, as CACAO 2.0 JSON."""
    incident, found = console.reading.incident(uid), library().get(name)
    if incident is None or found is None:
        raise HTTPException(404)
    headers = {"Content-Disposition": f'attachment; filename="{found.name}-{uid[:12]}.json"'}
    return JSONResponse(filled(found, incident, console.clock()), headers=headers)


@router.post("/incidents/{uid}/verdict", dependencies=needs(Permission.JUDGE_INCIDENTS))
def judge(request: Request, console: Here, sent: Sent, who: Who, uid: Uid) -> Response:
    """Give a verdict."""

    def done(incident: Incident) -> None:
        if sent.one("verdict") not in set(Verdict):
            raise Refused("Choose a verdict.")
        verdict, reason = Verdict(sent.one("verdict")), sent.one("reason")
        if console.questions.of(who) == uid:
            if not reason.strip():
                raise Refused(NEEDS_REASON)
            console.cases.answer(uid, verdict, who.name, console.clock(), reason)
            return
        console.cases.judge(
            uid, verdict, reason, who.name, sent.number("seen"), console.clock(),
            findings=len(incident.findings) - len(incident.context),
            odds=log_odds(incident.probability),
        )  # fmt: skip

    return act_on(request, console, uid, done)


@router.post("/incidents/{uid}/state", dependencies=needs(Permission.WORK_INCIDENTS))
def move(request: Request, console: Here, sent: Sent, who: Who, uid: Uid) -> Response:
    """Move the work on, or open it again."""

    def done(_: Incident) -> None:
        if sent.one("state") not in set(State):
            raise Refused("Choose a state.")
        state = State(sent.one("state"))
        console.cases.set_state(uid, state, who.name, sent.number("seen"), console.clock())

    return act_on(request, console, uid, done)


@router.post("/incidents/{uid}/assign", dependencies=needs(Permission.WORK_INCIDENTS))
def assign(request: Request, console: Here, sent: Sent, who: Who, uid: Uid) -> Response:
    """Say who works on it."""

    def done(_: Incident) -> None:
        console.cases.assign(
            uid, sent.one("assignee"), who.name, sent.number("seen"), console.clock()
        )

    return act_on(request, console, uid, done)


@router.post("/incidents/{uid}/comment", dependencies=needs(Permission.WORK_INCIDENTS))
def comment(request: Request, console: Here, sent: Sent, who: Who, uid: Uid) -> Response:
    """Say something about it."""

    def done(_: Incident) -> None:
        console.cases.comment(uid, sent.one("text"), who.name, console.clock())

    return act_on(request, console, uid, done)


def act_on(
    request: Request, console: Console, uid: str, act: Callable[[Incident], None]
) -> Response:
    """Do something about an incident, and show it again, or say why it was refused."""
    incident = console.reading.incident(uid)
    if incident is None:
        heir = console.reading.index.heirs.get(uid, "")
        moved = f"{uid} goes on in this incident. Nothing was done: look at it first."
        return shown_page(request, console, heir, moved, 409)
    try:
        act(incident)
    except Refused as refused:
        return shown_page(request, console, uid, str(refused), 409)
    console.changes += 1
    return RedirectResponse(f"/incidents/{uid}", 303)


def shown_page(request: Request, console: Console, uid: str, notice: str, status: int) -> Response:
    """The page of an incident, or of the one that it goes on in."""
    incident = console.reading.incident(uid)
    index = console.reading.index
    if incident is None:
        heir = index.heirs.get(uid, "")
        if not heir or console.reading.incident(heir) is None:
            raise HTTPException(404)
        return RedirectResponse(f"/incidents/{heir}?was={uid}", 303)
    who = visitor_of(request)
    asked = console.questions.of(who)
    worth = {one.finding_uid: one.bits for one in incident.reasons}
    strongest = sorted(incident.findings, key=lambda one: -worth.get(one, 0.0))[:MAX_FINDINGS]
    findings = console.reading.timeline(incident, strongest)
    case, history = as_asked(
        *console.cases.case(uid, incident.supersedes), who.name, asked=asked == uid
    )
    return page(
        request,
        "incident.html.j2",
        status,
        one=incident,
        timeline=[(row, worth.get(row["uid"])) for row in findings.to_dicts()],
        context=frozenset(incident.context),
        left_out=len(incident.findings) - findings.height,
        graph=draw(incident.links),
        width=WIDTH,
        height=HEIGHT,
        bars=weight_bars(incident),
        case=case,
        grown=case.has_grown(
            len(incident.findings) - len(incident.context), log_odds(incident.probability)
        ),
        history=history,
        regrouped=console.stories.of(uid, incident.supersedes, index.groupings),
        merged_into=console.stories.merged_into(case),
        alike=_alike(console, uid, asked),
        playbooks=[(one, steps(one.playbook, incident)) for one in proposed(incident)],
        waiting=console.handover.standing(),
        notice=notice,
        verdicts=[one.value for one in Verdict],
        states=[one.value for one in State if one is not State.CLOSED],
        workers=[
            one.name
            for one in console.accounts.all()
            if one.disabled is None and Permission.WORK_INCIDENTS in one.permissions
        ],
    )


def _alike(console: Console, uid: str, asked: str) -> list[dict[str, object]]:
    """Similar incidents: what both have, where they stand, and why people decided so."""
    index = console.reading.index
    found = index.likeness.to(uid) if index.likeness is not None else []
    uids = [one.uid for one in found]
    rows = ranking.rows_of(index.incidents, console.questions.cases(asked), uids)
    reasons = console.cases.reasons([one for one in uids if one != asked])
    return [
        {**rows[one.uid], "like": one, "reason": reasons.get(one.uid, "")}
        for one in found
        if one.uid in rows
    ]
