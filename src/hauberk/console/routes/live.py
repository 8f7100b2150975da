"""Server-sent events: pages are told when what they show has changed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from hauberk.console.console import Console
from hauberk.console.guard import Here, Who, needs
from hauberk.console.permissions import Permission
from hauberk.console.sessions import Visitor

router = APIRouter()

LOOK_SECONDS = 0.5
CHECK_EVERY = 30
"""Looks between two checks that the session still stands, and signs of life."""

MAX_OPEN = 12
"""Pages that one account keeps open."""


@router.get("/live", dependencies=needs(Permission.OWN_ACCOUNT))
async def live(request: Request, console: Here, who: Who) -> Response:
    """An endless answer: `changed` with a version, whenever there is another one."""
    open_by: Counter[str] = request.app.state.open_by
    if open_by[who.name] >= MAX_OPEN:
        return PlainTextResponse("Too many pages are open.", 429)
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(
        _changes(console, who, open_by), media_type="text/event-stream", headers=headers
    )


async def _changes(console: Console, who: Visitor, open_by: Counter[str]) -> AsyncIterator[str]:
    open_by[who.name] += 1
    try:
        said, looks = "", 0
        while not console.stopping.is_set():
            if console.version != said:
                said = console.version
                yield f"event: changed\ndata: {said}\n\n"
            looks += 1
            if looks % CHECK_EVERY == 0:
                if not await run_in_threadpool(console.sessions.lives, who, console.clock()):
                    yield "event: ended\ndata: session\n\n"
                    return
                yield ": here\n\n"
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        open_by[who.name] -= 1
