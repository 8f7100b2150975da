"""The queue: incidents ranked, filtered, with the budget meter."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from hauberk.console import ranking
from hauberk.console.cases import State
from hauberk.console.guard import Here, Who, needs
from hauberk.console.incoming import Incoming, incoming
from hauberk.console.pages import page
from hauberk.console.permissions import Permission
from hauberk.console.ranking import Filter

router = APIRouter()


@router.get("/", dependencies=needs(Permission.READ_INCIDENTS))
def shown(  # a parameter for each filter
    request: Request,
    console: Here,
    who_asks: Who,
    state: Annotated[str, Query(max_length=24)] = ranking.OPEN,
    who: Annotated[str, Query(max_length=64)] = ranking.ANYBODY,
    least: Annotated[str, Query(max_length=3)] = "0",
    text: Annotated[str, Query(max_length=200)] = "",
    below: Annotated[str, Query(max_length=1)] = "",
    page_number: Annotated[str, Query(alias="page", max_length=8)] = "1",
) -> Response:
    """The queue, or for htmx the part of it that filters change."""
    wanted = Filter(state, who, _number(least), text, bool(below), _number(page_number))
    index = console.reading.index
    asked = console.questions.of(who_asks)
    incidents, cases = console.questions.index(asked), console.questions.cases(asked)
    found = ranking.queue(incidents, cases, wanted, who_asks.name)
    part = "HX-Request" in request.headers
    return page(
        request,
        "_queue.html.j2" if part else "queue.html.j2",
        queue=found,
        incoming=Incoming() if found.rows else incoming(console.reading),
        wanted=wanted,
        fault=index.fault,
        commit=index.commit,
        states=[*(one.value for one in State), ranking.GROWN],
        least_choices=ranking.LEAST,
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0
