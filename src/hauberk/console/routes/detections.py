"""Detections: rules and what this estate taught of each, detectors, coverage, suppressions."""

from pathlib import Path as File
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from hauberk.console.accounts import Refused
from hauberk.console.console import Console
from hauberk.console.guard import Here, Sent, Who, needs
from hauberk.console.pages import page
from hauberk.console.permissions import Permission
from hauberk.console.rulebook import LEVELS, PAGE, Book, RuleFilter, chosen, matrix
from hauberk.console.suppressing import DAYS
from hauberk.detect.sigma import Rule
from hauberk.pipeline import Trial
from hauberk.reports import coverage, navigator_layer

router = APIRouter()

MAX_TEXT = 64 << 10
"""Bytes of a rule file that are shown."""

Uid = Annotated[str, Path(max_length=64, pattern=r"^[0-9A-Za-z_.:-]+$")]
Text = Annotated[str, Query(max_length=200)]


@router.get("/detections", dependencies=needs(Permission.READ_DETECTIONS))
def rules(  # a parameter for each filter
    request: Request,
    console: Here,
    text: Text = "",
    level: Annotated[str, Query(max_length=20)] = "",
    technique: Annotated[str, Query(max_length=12)] = "",
    here: Annotated[str, Query(max_length=12)] = "",
    page_number: Annotated[str, Query(alias="page", max_length=6)] = "1",
) -> Response:
    """Rules, those that fire here first."""
    book = _book(console)
    number = int(page_number) if page_number.isascii() and page_number.isdecimal() else 1
    wanted = RuleFilter(text, level, technique.strip(), here, max(1, number))
    found = chosen(book, wanted)
    pages = max(1, -(-len(found) // PAGE))
    start = (min(wanted.page, pages) - 1) * PAGE
    return page(
        request,
        "detections.html.j2",
        book=book,
        wanted=wanted,
        found=len(found),
        rules=[(one, book.records.get(one.uid)) for one in found[start : start + PAGE]],
        suppressed={one.rule for one, _ in book.suppressions},
        pages=pages,
        levels=LEVELS,
    )


@router.get("/detections/coverage", dependencies=needs(Permission.READ_DETECTIONS))
def covered(request: Request, console: Here) -> Response:
    """Techniques by tactic: how many rules name each, and what was found under it here."""
    return page(request, "coverage.html.j2", matrix=matrix(_book(console)))


@router.get("/detections/coverage.json", dependencies=needs(Permission.READ_DETECTIONS))
def layer(console: Here) -> Response:
    """The same as a layer of the ATT&CK Navigator."""
    made = navigator_layer(coverage(one.techniques for one in _book(console).rules.rules))
    kept = {"Content-Disposition": 'attachment; filename="hauberk-coverage.json"'}
    return JSONResponse(made, headers=kept)


@router.get("/detections/suppressions", dependencies=needs(Permission.READ_DETECTIONS))
def suppressions(request: Request, console: Here) -> Response:
    """What is kept out of incidents, by whom, why, and until when."""
    return _suppressions(request, console, "", 200)


@router.post("/detections/suppressions/{uid}/lift", dependencies=needs(Permission.SUPPRESS))
def lift(request: Request, console: Here, sent: Sent, who: Who, uid: Uid) -> Response:
    """End a suppression."""
    try:
        console.suppressing.lift(_book(console), uid, sent.one("reason"), who.name)
    except Refused as refused:
        return _suppressions(request, console, str(refused), 409)
    _changed(console)
    return RedirectResponse("/detections/suppressions", 303)


@router.get("/detections/rules/{uid}", dependencies=needs(Permission.READ_DETECTIONS))
def rule(request: Request, console: Here, uid: Uid) -> Response:
    """A rule whole: its text, what it is worth here, its suppressions."""
    return _rule(request, console, uid)


@router.post("/detections/rules/{uid}/suppress", dependencies=needs(Permission.SUPPRESS))
def suppress(request: Request, console: Here, sent: Sent, who: Who, uid: Uid) -> Response:
    """Try a suppression on history; put it in force where that was seen and confirmed."""
    book = _book(console)
    found = _found(book, uid)
    form = {name: sent.one(name) for name in ("tests", "days", "reason")}
    try:
        made = console.suppressing.draft(
            found, form["tests"], sent.number("days"), form["reason"], who.name
        )
        trial = console.suppressing.trial(book, made)
    except Refused as refused:
        return _rule(request, console, uid, notice=str(refused), form=form, status=400)
    if sent.one("confirmed") != "1":
        return _rule(request, console, uid, trial=trial, form=form)
    console.suppressing.enforce(made, trial, who.name)
    _changed(console)
    return RedirectResponse("/detections/suppressions", 303)


def _book(console: Console) -> Book:
    return console.rulebook.book(console.reading.index.commit)


def _found(book: Book, uid: str) -> Rule:
    found = book.rule(uid)
    if found is None:
        raise HTTPException(404)
    return found


def _changed(console: Console) -> None:
    console.handover.hand_over()
    console.rulebook.forget()
    console.changes += 1


def _suppressions(request: Request, console: Console, notice: str, status: int) -> Response:
    book = _book(console)
    return page(
        request,
        "suppressions.html.j2",
        status,
        book=book,
        now=console.clock(),
        waiting=console.handover.standing(),
        notice=notice,
    )


def _rule(  # what a form held is shown again
    request: Request,
    console: Console,
    uid: str,
    *,
    trial: Trial | None = None,
    notice: str = "",
    form: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    book = _book(console)
    one = _found(book, uid)
    return page(
        request,
        "rule.html.j2",
        status,
        rule=one,
        record=book.records.get(uid),
        text=_text(one.path),
        suppressions=[(made, hid) for made, hid in book.suppressions if made.rule == uid],
        now=console.clock(),
        trial=trial,
        form=form or {"tests": "", "days": "7", "reason": ""},
        days=DAYS,
        notice=notice,
    )


def _text(path: str) -> str:
    """The rule's file as it is now; empty where it is gone."""
    try:
        with File(path).open("rb") as file:
            return file.read(MAX_TEXT).decode("utf-8", "replace")
    except OSError:
        return ""
