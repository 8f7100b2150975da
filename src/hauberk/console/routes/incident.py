"""An incident: what happened, why it is believed, and what people decide about it."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from hauberk.console.accounts import Refused
from hauberk.console.cases import State, Verdict
from hauberk.console.console import Console
from hauberk.console.guard import Here, Sent, Who, needs
from hauberk.console.pages import page
from hauberk.console.permissions import Permission
from hauberk.reports import HEIGHT, WIDTH, draw, evidence_row, weight_bars

router = APIRouter()

MAX_FINDINGS = 200
"""Findings of the timeline, those of most weight."""

MAX_EVENTS = 20
"""Events that are shown of one finding."""

Uid = Annotated[str, Path(max_length=64, pattern=r"^[0-9A-Za-z_-]+$")]


@router.get("/incidents/{uid}", dependencies=needs(Permission.READ_INCIDENTS))
def shown(request: Request, console: Here, uid: Uid) -> Response:
    """The page."""
    return _page(request, console, uid, "", 200)


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


@router.post("/incidents/{uid}/verdict", dependencies=needs(Permission.JUDGE_INCIDENTS))
def judge(request: Request, console: Here, sent: Sent, who: Who, uid: Uid) -> Response:
    """Give a verdict."""

    def done() -> None:
        if sent.one("verdict") not in set(Verdict):
            raise Refused("Choose a verdict.")
        verdict = Verdict(sent.one("verdict"))
        console.cases.judge(
            uid, verdict, sent.one("reason"), who.name, sent.number("seen"), console.clock()
        )

    return _act(request, console, uid, done)


@router.post("/incidents/{uid}/state", dependencies=needs(Permission.WORK_INCIDENTS))
def move(request: Request, console: Here, sent: Sent, who: Who, uid: Uid) -> Response:
    """Move the work on, or open it again."""

    def done() -> None:
        if sent.one("state") not in set(State):
            raise Refused("Choose a state.")
        state = State(sent.one("state"))
        console.cases.set_state(uid, state, who.name, sent.number("seen"), console.clock())

    return _act(request, console, uid, done)


@router.post("/incidents/{uid}/assign", dependencies=needs(Permission.WORK_INCIDENTS))
def assign(request: Request, console: Here, sent: Sent, who: Who, uid: Uid) -> Response:
    """Say who works on it."""

    def done() -> None:
        console.cases.assign(
            uid, sent.one("assignee"), who.name, sent.number("seen"), console.clock()
        )

    return _act(request, console, uid, done)


@router.post("/incidents/{uid}/comment", dependencies=needs(Permission.WORK_INCIDENTS))
def comment(request: Request, console: Here, sent: Sent, who: Who, uid: Uid) -> Response:
    """Say something about it."""

    def done() -> None:
        console.cases.comment(uid, sent.one("text"), who.name, console.clock())

    return _act(request, console, uid, done)


def _act(request: Request, console: Console, uid: str, act: Callable[[], None]) -> Response:
    if console.reading.incident(uid) is None:
        raise HTTPException(404)
    try:
        act()
    except Refused as refused:
        return _page(request, console, uid, str(refused), 409)
    console.changes += 1
    return RedirectResponse(f"/incidents/{uid}", 303)


def _page(request: Request, console: Console, uid: str, notice: str, status: int) -> Response:
    incident = console.reading.incident(uid)
    if incident is None:
        raise HTTPException(404)
    worth = {one.finding_uid: one.bits for one in incident.reasons}
    strongest = sorted(incident.findings, key=lambda one: -worth.get(one, 0.0))[:MAX_FINDINGS]
    findings = console.reading.timeline(incident, strongest)
    case, history = console.cases.case(uid)
    return page(
        request,
        "incident.html.j2",
        status,
        one=incident,
        timeline=[(row, worth.get(row["uid"])) for row in findings.to_dicts()],
        left_out=len(incident.findings) - findings.height,
        graph=draw(incident.links),
        width=WIDTH,
        height=HEIGHT,
        bars=weight_bars(incident),
        case=case,
        history=history,
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
