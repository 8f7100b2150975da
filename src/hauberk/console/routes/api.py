"""The API (`/api/v1`): what the pages show and do, as JSON, for programs with a token.

Each route does what a page does, by the same functions, and names one permission; a token has
that permission where it is among its scopes and its owner still has it.
"""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from hauberk import __version__
from hauberk.console import ranking
from hauberk.console.accounts import Refused
from hauberk.console.cases import State
from hauberk.console.console import Console
from hauberk.console.guard import Here, Who, needs
from hauberk.console.permissions import Permission
from hauberk.console.ranking import Filter
from hauberk.console.rulebook import PAGE, RuleFilter, chosen
from hauberk.reports import Question, cell, evidence_row
from hauberk.triage import Incident, log_odds

from . import api_shapes as shapes
from .incident import MAX_EVENTS, MAX_FINDINGS, Uid

MAX_SOURCES = 100

_SAID = {
    400: "A token and a session together, or what was asked cannot be answered",
    401: "No token and no session, or one that has ended",
    403: "The permission is lacking",
    404: "No such thing",
    409: "It changed meanwhile, or may not be done",
    422: "Not as it should be",
    429: "Too many failed tokens",
    503: "The home cannot be read",
}
router = APIRouter(
    prefix="/api/v1",
    responses={
        status: {
            "description": said,
            "content": {"application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
            }},
        }
        for status, said in _SAID.items()
    },
)  # fmt: skip

Number = Annotated[int, Query(ge=1, le=1_000_000)]
Words = Annotated[str, Query(max_length=200)]
FindingUid = Annotated[str, Path(max_length=64, pattern=r"^[0-9A-Za-z_-]+$")]


@router.get("/openapi.json", dependencies=needs(Permission.OWN_ACCOUNT), include_in_schema=False)
def document() -> Response:
    """The API as OpenAPI 3.1 describes it."""
    return JSONResponse(openapi())


def openapi() -> dict[str, Any]:  # a document of OpenAPI
    """The document."""
    made = get_openapi(
        title="Hauberk", version=__version__, routes=router.routes,
        description="Send `Authorization: Bearer hbk_...`; tokens are made at /account/tokens.",
    )  # fmt: skip
    parts = made.setdefault("components", {})
    parts.setdefault("schemas", {})["Problem"] = shapes.Problem.model_json_schema()
    parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    made["security"] = [{"token": []}]
    for unused in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(unused, None)
    return made


@router.get("/incidents", dependencies=needs(Permission.READ_INCIDENTS))
def incidents(
    console: Here,
    asks: Who,
    state: Annotated[str, Query(max_length=40)] = ranking.OPEN,
    who: Annotated[str, Query(max_length=64)] = ranking.ANYBODY,
    least: Annotated[int, Query(ge=0, le=100, description="per cent")] = 0,
    text: Words = "",
    below: Annotated[bool, Query(description="also those below the budget")] = False,
    page: Number = 1,
) -> shapes.IncidentList:
    """Incidents, most probable first."""
    wanted = Filter(state, who, least, text, below, page)
    index = console.reading.index
    found = ranking.queue(index.incidents, console.cases.all(), wanted, asks.name)
    rows = [shapes.IncidentBrief.model_validate(row) for row in found.rows]
    return shapes.IncidentList(
        incidents=rows, found=found.found, page=found.page, pages=found.pages
    )


@router.get("/incidents/{uid}", dependencies=needs(Permission.READ_INCIDENTS))
def incident(console: Here, uid: Uid) -> shapes.IncidentWhole:
    """An incident whole."""
    return _whole(console, _incident(console, uid))


@router.get("/incidents/{uid}/findings", dependencies=needs(Permission.READ_INCIDENTS))
def findings(console: Here, uid: Uid) -> shapes.FindingList:
    """Its findings of most weight, in order of time."""
    one = _incident(console, uid)
    worth = {reason.finding_uid: reason.bits for reason in one.reasons}
    strongest = sorted(one.findings, key=lambda each: -worth.get(each, 0.0))[:MAX_FINDINGS]
    rows = console.reading.timeline(one, strongest).to_dicts()
    return shapes.FindingList(
        findings=[shapes.FindingBrief.model_validate(row) for row in rows],
        left_out=len(one.findings) - len(rows),
    )


@router.get("/incidents/{uid}/findings/{finding}", dependencies=needs(Permission.READ_EVIDENCE))
def evidence(console: Here, uid: Uid, finding: FindingUid) -> shapes.Evidence:
    """The events behind a finding, each with its record as it came."""
    one = _incident(console, uid)
    row = console.reading.finding(one, finding) if finding in one.findings else None
    if row is None:
        raise HTTPException(404)
    named, number = row["evidence"], row["count"]
    uids = [str(each) for each in named] if isinstance(named, list) else []
    known = console.reading.events(uids[:MAX_EVENTS])
    shown = [evidence_row(known[each]) for each in uids if each in known]
    events = [
        shapes.EventShape(
            uid=each.uid, time=each.time, kind=each.kind, fields=dict(each.fields),
            source=each.source, offset=each.offset, length=each.length, raw=each.raw,
        )
        for each in shown
    ]  # fmt: skip
    more = max(0, (number if isinstance(number, int) else 0) - len(events))
    return shapes.Evidence(events=events, more=more)


@router.post("/incidents/{uid}/verdict", dependencies=needs(Permission.JUDGE_INCIDENTS))
def judge(console: Here, asks: Who, uid: Uid, sent: shapes.VerdictSent) -> shapes.IncidentWhole:
    """Give a verdict, which closes the incident."""
    return _act(console, uid, lambda one: console.cases.judge(
        uid, sent.verdict, sent.reason, asks.name, sent.seen, console.clock(),
        findings=len(one.findings) - len(one.context), odds=log_odds(one.probability),
    ))  # fmt: skip


@router.post("/incidents/{uid}/state", dependencies=needs(Permission.WORK_INCIDENTS))
def move(console: Here, asks: Who, uid: Uid, sent: shapes.StateSent) -> shapes.IncidentWhole:
    """Move the work on, or open it again."""
    return _act(console, uid, lambda _: console.cases.set_state(
        uid, sent.state, asks.name, sent.seen, console.clock()
    ))  # fmt: skip


@router.post("/incidents/{uid}/assign", dependencies=needs(Permission.WORK_INCIDENTS))
def assign(console: Here, asks: Who, uid: Uid, sent: shapes.AssigneeSent) -> shapes.IncidentWhole:
    """Say who works on it."""
    return _act(console, uid, lambda _: console.cases.assign(
        uid, sent.assignee, asks.name, sent.seen, console.clock()
    ))  # fmt: skip


@router.post("/incidents/{uid}/comment", dependencies=needs(Permission.WORK_INCIDENTS))
def comment(console: Here, asks: Who, uid: Uid, sent: shapes.CommentSent) -> shapes.IncidentWhole:
    """Say something about it."""
    return _act(
        console, uid, lambda _: console.cases.comment(uid, sent.text, asks.name, console.clock())
    )


@router.post("/hunt", dependencies=needs(Permission.HUNT))
def hunt(console: Here, asks: Who, sent: shapes.Question) -> shapes.Found:
    """Ask the lake in SQL."""
    try:
        question = Question(sent.sql, _in_utc(sent.since), _in_utc(sent.until))
        answer = console.hunts.ask(question, asks.name)
    except Refused as refused:
        raise HTTPException(400, str(refused)) from refused
    return shapes.Found(
        columns=[shapes.ColumnShape.model_validate(one) for one in answer.columns],
        rows=[[None if one is None else cell(one) for one in row] for row in answer.rows],
        cut=answer.cut,
        seconds=answer.seconds,
    )


@router.get("/detections", dependencies=needs(Permission.READ_DETECTIONS))
def detections(
    console: Here,
    text: Words = "",
    level: shapes.RuleLevel = "",
    technique: Annotated[str, Query(max_length=12)] = "",
    here: shapes.Here = "",
    page: Number = 1,
) -> shapes.RuleList:
    """Rules, those that fire here first."""
    book = console.rulebook.book(console.reading.index.commit)
    found = chosen(book, RuleFilter(text, level, technique, here, page))
    pages = max(1, -(-len(found) // PAGE))
    at = min(page, pages)
    suppressed = {one.rule for one, _ in book.suppressions}
    rules = []
    for one in found[(at - 1) * PAGE : at * PAGE]:
        record = book.records.get(one.uid)
        rules.append(
            shapes.RuleShape(
                uid=one.uid, title=one.title, level=one.level, techniques=list(one.techniques),
                firings=record.firings if record else 0, bits=record.bits if record else None,
                last=record.last if record else None, suppressed=one.uid in suppressed,
            )
        )  # fmt: skip
    return shapes.RuleList(rules=rules, found=len(found), page=at, pages=pages)


@router.get("/health", dependencies=needs(Permission.READ_HEALTH))
def health(console: Here) -> shapes.Health:
    """What came, what became of it, and what does not work."""
    with console.reading.open() as home:
        formats, sources = home.records.accounting(), home.records.sources(MAX_SOURCES)
        commits, events = home.records.last_commit(), home.lake.count()
    return shapes.Health(
        formats=[shapes.FormatAccount.model_validate(one) for one in formats],
        sources=[shapes.SourceShape.model_validate(one) for one in sources],
        events=events,
        commits=commits,
        acts_waiting=console.handover.standing().waiting,
        fault=console.reading.index.fault,
    )


@router.get("/measures", dependencies=needs(Permission.READ_HEALTH))
def measures(console: Here, asks: Who) -> shapes.Measures:
    """The budget, and the work: numbers alone."""
    cases = console.cases.all()
    index = console.reading.index.incidents
    meter = ranking.queue(index, cases, Filter(), asks.name).meter
    touched = cases.join(index.select("uid"), on="uid", how="semi")
    states = Counter(touched["state"].to_list())
    states[State.NEW.value] += index.height - touched.height
    verdicts = Counter(one for one in touched["verdict"].to_list() if one)
    return shapes.Measures(
        within_budget=meter.within, decided=meter.decided, below_budget=meter.below,
        expected_below=meter.cost, by_state=dict(states), verdicts=dict(verdicts),
    )  # fmt: skip


def _incident(console: Console, uid: str) -> Incident:
    found = console.reading.incident(uid)
    if found is None:
        raise HTTPException(404)
    return found


def _act(console: Console, uid: str, act: Callable[[Incident], None]) -> shapes.IncidentWhole:
    one = _incident(console, uid)
    try:
        act(one)
    except Refused as refused:
        raise HTTPException(409, str(refused)) from refused
    console.changes += 1
    return _whole(console, one)


def _whole(console: Console, one: Incident) -> shapes.IncidentWhole:
    case, history = console.cases.case(one.uid, one.supersedes)
    told = {name: getattr(one, name, None) for name in shapes.IncidentWhole.model_fields}
    told["case"] = case
    told["history"] = [
        {
            "number": act.number, "kind": act.kind, "by": str(act.body["by"]), "at": act.at,
            "said": act.said, "in_ledger": act.entered is not None,
        }
        for act in history
    ]  # fmt: skip
    return shapes.IncidentWhole.model_validate(told)


def _in_utc(time: datetime | None) -> datetime | None:
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time
