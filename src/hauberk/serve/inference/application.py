"""Models over HTTP.

    POST /v1/judge/TASK       one JSON object, or one a line; answered likewise, in order
    GET  /v1/models           what may judge now, and what was refused and why
    GET  /v1/openapi.json     this, for machines
    GET  /health              whether anything may judge

Nothing of a body, a header, a token or an answer is ever logged. Where no model may judge, or
requests cannot be counted, nobody is answered (503).

Source: RFC 9110, RFC 6750.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from math import ceil, isfinite

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from hauberk.detect.models import TASKS
from hauberk.errors import HauberkError
from hauberk.ingest.receivers import Tokens
from hauberk.ingest.receivers.bodies import BodyError, read_body, unpacked
from hauberk.models import LoadedModel, Refusal, Task

from .following import Bench, Following, answers
from .judging import MOST_REASONS, Answer, Judges, NobodyMayJudgeError
from .limits import Rate
from .records import PLURALS, Record, records_of

MOST_WAITING = 32
"""Requests that wait for their turn; more are sent away."""

_JSON, _LINES = "application/json", "application/x-ndjson"


@dataclass(slots=True)
class Counts:
    """What came of the requests to one process."""

    answered: int = 0
    records: int = 0
    refused: int = 0  # by their own fault, or for want of room
    nobody: int = 0  # because no model may judge


@dataclass(slots=True)
class Serving:
    """All that answering needs."""

    judges: Judges
    tokens: Tokens
    rate: Rate
    clock: Callable[[], datetime]
    at_once: int
    counts: Counts = field(default_factory=Counts)
    waiting: int = 0
    turns: asyncio.Semaphore | None = None  # of the loop that serves

    @property
    def following(self) -> Following:
        """Who may judge."""
        return self.judges.following


def application(serving: Serving) -> Starlette:
    """The application of one listener."""
    answering = _Answering(serving)
    return Starlette(
        routes=[
            Route("/v1/judge/{task}", answering.judge, methods=["POST"]),
            Route("/v1/models", answering.models, methods=["GET"]),
            Route("/v1/openapi.json", _openapi, methods=["GET"]),
            Route("/health", answering.health, methods=["GET"]),
        ]
    )


class _Answering:
    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    async def judge(self, request: Request) -> Response:
        """Judge the records of a body."""
        serving = self._serving
        try:
            client = self._client(request)
            task = _task(request)
            reasons = _wanted(request)
            if serving.waiting >= MOST_WAITING:
                raise BodyError(429, "too many requests wait; try again later")
            serving.waiting += 1
            try:
                return await self._judged(request, task, client, reasons)
            finally:
                serving.waiting -= 1
        except BodyError as error:
            serving.counts.refused += 1
            return _refused(error)
        except NobodyMayJudgeError as error:
            serving.counts.nobody += 1
            return _answer(503, {"error": str(error)}, {"retry-after": "60"})
        except ClientDisconnect:
            return _answer(400, {"error": "the sender left"})

    async def _judged(self, request: Request, task: Task, client: str, reasons: int) -> Response:
        serving = self._serving
        behind = serving.judges.requests.behind
        if behind:
            raise NobodyMayJudgeError(f"no model may judge {PLURALS[task]}: {behind}")
        standing = serving.following.panel(task)
        if isinstance(standing, str):  # told before anything is read
            raise NobodyMayJudgeError(standing)
        body = await read_body(request)
        serving.turns = serving.turns or asyncio.Semaphore(serving.at_once)
        async with serving.turns:
            found, single = await asyncio.to_thread(_read, request, task, body)
            seconds = serving.rate.wait(client, len(found))
            if seconds:
                raise _TooMuchError(seconds, serving.rate.per_minute)
            said = await asyncio.to_thread(
                serving.judges.judge, task, found, client, serving.clock(), reasons
            )
        if all("model" not in one for one in said):
            raise NobodyMayJudgeError(str(said[0]["error"]))
        serving.counts.answered += 1
        serving.counts.records += len(said)
        if single:
            return _answer(200, said[0])
        lines = b"".join(orjson.dumps(one) + b"\n" for one in said)
        return Response(lines, 200, media_type=_LINES)

    async def models(self, request: Request) -> Response:
        """What may judge."""
        try:
            self._client(request)
        except BodyError as error:
            return _refused(error)
        following = self._serving.following
        nobody = {task: said for task in TASKS if isinstance(said := following.panel(task), str)}
        told = _told(following.bench(), nobody)
        return _answer(200, told)

    async def health(self, _request: Request) -> Response:
        """Whether anything may judge; nothing else, since anybody may ask."""
        following = self._serving.following
        some = any(not isinstance(following.panel(task), str) for task in TASKS)
        return _answer(200 if some else 503, {"judges": some})

    def _client(self, request: Request) -> str:
        """Whose token it is. Raises BodyError (401, 503)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            name = self._serving.tokens.source_of(token) if scheme.lower() == "bearer" else None
        except HauberkError as error:
            raise BodyError(503, error.what) from error
        if name is None:
            raise BodyError(401, "expected a bearer token; `hauberk serve token NAME` makes one")
        return name


class _TooMuchError(BodyError):
    """More records than a client's share."""

    def __init__(self, seconds: float, most: int) -> None:
        super().__init__(429, f"expected at most {most:,} records a minute")
        self.seconds = seconds


def _read(request: Request, task: Task, body: bytes) -> tuple[list[Record], bool]:
    return records_of(task, unpacked(body, request))


def _task(request: Request) -> Task:
    name = request.path_params["task"]
    if name not in [str(one) for one in TASKS]:
        raise BodyError(404, f"no such task; expected {', '.join(map(str, TASKS))}")
    return Task(name)


def _wanted(request: Request) -> int:
    text = request.query_params.get("reasons", str(MOST_REASONS))
    if text not in [str(one) for one in range(MOST_REASONS + 1)]:
        raise BodyError(400, f"reasons: expected 0 to {MOST_REASONS}")
    return int(text)


def _refused(error: BodyError) -> Response:
    headers = {}
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    if error.status == 429:
        seconds = error.seconds if isinstance(error, _TooMuchError) else 1.0
        headers |= {"retry-after": str(ceil(seconds))} if isfinite(seconds) else {}
    if error.status in (408, 413):
        headers["connection"] = "close"  # whoever sends too much is not read to the end
    return _answer(error.status, {"error": error.why}, headers)


def _told(bench: Bench | None, nobody: Mapping[Task, str]) -> Answer:
    if bench is None:
        return {"models": [], "refused": [], "nobody": {str(k): v for k, v in nobody.items()}}
    seats = [(task, seat.loaded) for task, known in bench.seated.items()
             if known.panel is not None for seat in known.panel.seats]  # fmt: skip
    refused = {one: None for known in bench.seated.values() for one in known.refusals}
    return {
        "models": [_model(task, loaded, task not in nobody) for task, loaded in seats],
        "refused": [_refusal(one) for one in refused],
        "nobody": {str(task): said for task, said in nobody.items()},
    }


def _model(task: Task, loaded: LoadedModel, judging: bool) -> Answer:
    ends = loaded.decision.expires
    return {
        "task": str(task),
        "model": f"{loaded.model.name}@{loaded.model.version}",
        "artifact": loaded.digest,
        "stage": str(loaded.stage),
        "answers": judging and answers(loaded),
        "share": loaded.share,
        "threshold": loaded.model.thresholds["alert"],
        "classes": list(loaded.model.classes),
        "conditions": loaded.conditions.as_json(),
        "granted_until": None if ends is None else ends.isoformat(),
    }


def _refusal(one: Refusal) -> Answer:
    return {
        "task": str(one.task), "model": one.model, "artifact": one.digest,
        "stage": str(one.stage), "check": str(one.check), "why": str(one),
    }  # fmt: skip


async def _openapi(_request: Request) -> Response:
    return Response(openapi_document(), 200, media_type=_JSON)


def openapi_document() -> bytes:
    """The OpenAPI document of this interface."""
    return resources.files(__package__).joinpath("openapi.json").read_bytes()


def _answer(status: int, said: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(said), status, headers, media_type=_JSON)
