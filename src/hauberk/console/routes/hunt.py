"""Hunting: a question in SQL, its answer as a table and a chart, saved questions."""

import io
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from hauberk.console.accounts import Refused
from hauberk.console.charts import HEIGHT, WIDTH, chart_of
from hauberk.console.guard import Form, Here, Sent, Who, needs
from hauberk.console.hunts import BOUNDS
from hauberk.console.pages import page
from hauberk.console.permissions import Permission
from hauberk.reports import CATALOGUE, Answer, Question, cell, write_csv, write_rows

router = APIRouter()

EXAMPLES = (
    (
        "Rarest parents of a shell",
        "SELECT process.parent_process.name AS parent, count(*) AS n, max(time) AS last\n"
        "FROM process_activity\nWHERE lower(process.name) IN ('cmd.exe', 'powershell.exe')\n"
        "GROUP BY ALL ORDER BY n LIMIT 20",
    ),
    (
        "Events an hour",
        "SELECT date_trunc('hour', time) AS hour, count(*) AS events\n"
        "FROM events GROUP BY ALL ORDER BY hour",
    ),
    (
        "Talkers to the outside",
        "SELECT src_endpoint.ip AS source, sum(traffic.bytes_out) AS bytes\n"
        "FROM network_activity\nGROUP BY ALL ORDER BY bytes DESC LIMIT 20",
    ),
    (
        "What detectors say",
        "SELECT detector, count(*) AS findings, min(surprise) AS least\n"
        "FROM findings GROUP BY ALL ORDER BY findings DESC",
    ),
)
SHOWN_ROWS = 500

Uid = Annotated[str, Path(max_length=32, pattern=r"^[0-9a-f]+$")]


@router.get("/hunt", dependencies=needs(Permission.HUNT))
def shown(
    request: Request, console: Here, saved: Annotated[str, Query(max_length=32)] = ""
) -> Response:
    """The page, with a saved question where one is named."""
    found = console.hunts.find(saved) if saved else None
    return _page(request, console, found.sql if found else "", title=found.title if found else "")


@router.post("/hunt", dependencies=needs(Permission.HUNT))
def asked(request: Request, console: Here, sent: Sent, who: Who) -> Response:
    """Ask, and show or hand out the answer."""
    sql = sent.one("sql")
    try:
        answer = console.hunts.ask(_question(sent), who.name)
    except Refused as refused:
        return _page(request, console, sql, notice=str(refused), status=400, sent=sent)
    if sent.one("as") in ("csv", "json"):
        return _file(answer, sent.one("as"))
    return _page(request, console, sql, answer=answer, sent=sent)


@router.post("/hunt/saved", dependencies=needs(Permission.HUNT))
def save(request: Request, console: Here, sent: Sent, who: Who) -> Response:
    """Keep a question under a name."""
    try:
        uid = console.hunts.save(sent.one("title"), sent.one("sql"), who.name)
    except Refused as refused:
        return _page(request, console, sent.one("sql"), notice=str(refused), status=400)
    return RedirectResponse(f"/hunt?saved={uid}", 303)


@router.post("/hunt/saved/{uid}/forget", dependencies=needs(Permission.HUNT))
def forget(request: Request, console: Here, who: Who, uid: Uid) -> Response:
    """Delete a saved question."""
    try:
        console.hunts.forget(uid, who.name)
    except Refused as refused:
        return _page(request, console, "", notice=str(refused), status=409)
    return RedirectResponse("/hunt", 303)


def _question(sent: Form) -> Question:
    return Question(sent.one("sql"), _time(sent.one("since")), _time(sent.one("until")))


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(f"{text[:40]} is no time; write it like 2026-03-14T09:30.") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def _file(answer: Answer, kind: str) -> Response:
    stream = io.StringIO()
    (write_csv if kind == "csv" else write_rows)(answer, stream)
    return Response(
        stream.getvalue(),
        media_type="text/csv" if kind == "csv" else "application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="hunt.{kind}"'},
    )


def _page(  # what a form held is shown again
    request: Request,
    console: Here,
    sql: str,
    *,
    answer: Answer | None = None,
    notice: str = "",
    status: int = 200,
    title: str = "",
    sent: Form | None = None,
) -> Response:
    return page(
        request,
        "hunt.html.j2",
        status,
        sql=sql,
        answer=answer,
        rows=[[cell(value) for value in row] for row in answer.rows[:SHOWN_ROWS]] if answer else [],
        chart=chart_of(answer) if answer else None,
        width=WIDTH,
        height=HEIGHT,
        notice=notice,
        title=title,
        since=sent.one("since") if sent else "",
        until=sent.one("until") if sent else "",
        saved=console.hunts.saved(),
        examples=EXAMPLES,
        tables=list(CATALOGUE.values()),
        limits=BOUNDS,
        shown=SHOWN_ROWS,
    )
