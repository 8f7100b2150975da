"""HTTP ingest: JSON lines and OTLP logs, answered once they are on the device.

    POST /v1/records/SOURCE     JSON lines (gzip, zstd or plain)
    POST /v1/logs[/SOURCE]      OTLP/HTTP logs, JSON or protobuf

A body is taken whole or not at all. 2xx means that its records are kept; 429 and 503 that the
sender should try again later. Nothing of a body, a header or a token is ever logged.

Source: RFC 9110, RFC 6750, OTLP/HTTP 1.x.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from hauberk.errors import HauberkError
from hauberk.ingest.formats.envelope import enclose, envelope

from . import otlp
from .bodies import BodyError, read_body, unpacked
from .counting import Received
from .named_bodies import LONGEST_KEY, NamedBodies, name_of
from .sources_file import Source
from .spool import Spool
from .telling import format_of, why_strange
from .tokens import Tokens

RETRY_SECONDS = 5
DURABLE_SECONDS = 20.0
"""Longest that a request waits for the device."""

MAX_LINE = 1 << 20

IDEMPOTENCY_KEY = "Idempotency-Key"
"""The header by which a sender names a body: the same body under the same name is kept once."""

AT_ONCE = 16
"""Bodies that are unpacked at one time, until they are on the device; the others wait packed."""

_OTLP_FORMAT = "otlp"


def application(
    sources: Mapping[str, Source], spool: Spool, counted: Mapping[str, Received], tokens: Tokens
) -> Starlette:
    """The application of one listener, for the HTTP sources that share it."""
    taking = _Taking(sources, spool, counted, tokens)
    return Starlette(
        routes=[
            Route("/v1/records/{source}", taking.records, methods=["POST"]),
            Route("/v1/logs", taking.logs, methods=["POST"]),
            Route("/v1/logs/{source}", taking.logs, methods=["POST"]),
        ]
    )


class _Taking:
    """Takes bodies in for the sources of one listener."""

    def __init__(
        self, sources: Mapping[str, Source], spool: Spool, counted: Mapping[str, Received],
        tokens: Tokens,
    ) -> None:  # fmt: skip
        self._sources = sources
        self._spool = spool
        self._counted = counted
        self._tokens = tokens
        self._named = {name: NamedBodies(spool.folder / name) for name in sources}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._open = all(one.tls is not None and one.tls.clients for one in sources.values())

    async def records(self, request: Request) -> Response:
        """JSON lines of one source."""

        async def keep(source: Source) -> Response:
            body = await read_body(request)
            async with self._turns:
                lines = _json_lines(unpacked(body, request))
                if not lines:
                    return _answer(200, {"accepted": 0})
                format_name = format_of(lines)
                if format_name is None:
                    self._strange(source, why_strange(lines))
                self._agreed(source, str(format_name))
                await self._keep(request, source, str(format_name), lines)
                return _answer(200, {"accepted": len(lines)})

        return await self._guarded(request, keep)

    async def logs(self, request: Request) -> Response:
        """An OTLP export request."""
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()

        async def keep(source: Source) -> Response:
            if kind not in (otlp.JSON, otlp.PROTOBUF):
                raise BodyError(415, f"expected {otlp.JSON} or {otlp.PROTOBUF}")
            self._agreed(source, _OTLP_FORMAT)
            body = await read_body(request)
            async with self._turns:
                try:
                    export = unpacked(body, request)
                    lines = await asyncio.to_thread(otlp.lines_of, export, kind)
                except (ValueError, AttributeError) as error:
                    raise BodyError(400, f"no OTLP export request of logs: {error}") from error
                if any(len(line) > MAX_LINE for line in lines):
                    raise BodyError(413, f"expected log records of at most {MAX_LINE} bytes")
                await self._keep(request, source, _OTLP_FORMAT, lines)
            return Response(otlp.nothing_rejected(kind), 200, media_type=kind)

        answer = await self._guarded(request, keep)
        if answer.status_code >= 400 and kind in (otlp.JSON, otlp.PROTOBUF):
            why = str(orjson.loads(bytes(answer.body))["error"])
            headers = {k: v for k, v in answer.headers.items() if k == "retry-after"}
            return Response(otlp.said(why, kind), answer.status_code, headers, media_type=kind)
        return answer

    async def _guarded(
        self, request: Request, keep: Callable[[Source], Awaitable[Response]]
    ) -> Response:
        """Let in whom the source's tokens or certificates let in, and hold back while full."""
        name = request.path_params.get("source")
        try:
            source = self._source(name, request)
        except BodyError as error:
            for one in [name] if name in self._counted else list(self._sources):
                self._counted[str(one)].refused += 1
                break
            headers = {"www-authenticate": "Bearer"} if error.status == 401 else None
            return _answer(error.status, {"error": error.why}, headers)
        counted = self._counted[source.name]
        retry = {"retry-after": str(RETRY_SECONDS)}
        if self._spool.full:
            counted.held_back += 1
            return _answer(429, {"error": "the spool is full; try again later"}, retry)
        try:
            return await keep(source)
        except BodyError as error:
            counted.refused += 1
            # Whoever sends too much or too slowly is not read to the end.
            close = {"connection": "close"} if error.status in (408, 413) else None
            return _answer(error.status, {"error": error.why}, close)
        except TimeoutError:
            counted.held_back += 1
            return _answer(503, {"error": "the device does not keep up"}, retry)
        except ClientDisconnect:
            return _answer(400, {"error": "the sender left"})

    def _source(self, name: str | None, request: Request) -> Source:
        """The source that is sent to. Raises BodyError (401, 403, 404, 503)."""
        allowed: str | None = None
        if not self._open:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            try:
                allowed = self._tokens.source_of(token) if scheme.lower() == "bearer" else None
            except HauberkError as error:
                raise BodyError(503, error.what) from error
            if allowed is None:
                raise BodyError(401, "expected the bearer token of a source")
        wanted = name or allowed or (next(iter(self._sources)) if len(self._sources) == 1 else None)
        if allowed is not None and wanted != allowed:
            raise BodyError(403, "this token is of another source")
        if wanted is None or wanted not in self._sources:
            raise BodyError(404, "no such source listens here; name it in the path")
        return self._sources[wanted]

    async def _keep(
        self, request: Request, source: Source, format_name: str, lines: list[bytes]
    ) -> None:
        """Append what is not kept, and wait until it is on the device. Raises TimeoutError."""
        if not lines:
            return
        sender = request.client.host if request.client else "-"
        transport, counted = request.url.scheme, self._counted[source.name]
        if (key := request.headers.get(IDEMPOTENCY_KEY)) is not None:
            if len(key) > LONGEST_KEY:
                raise BodyError(
                    400, f"expected an {IDEMPOTENCY_KEY} of at most {LONGEST_KEY} letters"
                )
            name, named = name_of(key, lines), self._named[source.name]
            transport = f"{transport}/{name}"
            kept = named.kept(name)
            counted.again += 1 if kept else 0
            lines = lines[kept:]
            named.keep(name, kept + len(lines))
        before = envelope(transport, sender, datetime.now(UTC))
        data = b"".join([enclose(before, line) for line in lines])
        if data:
            self._spool.append(source.name, format_name, data)
        counted.records += len(lines)
        counted.bytes += len(data)
        async with asyncio.timeout(DURABLE_SECONDS):
            await self._spool.durable()

    def _agreed(self, source: Source, format_name: str) -> None:
        """Refuse what the source's contract does not name. Raises BodyError (422)."""
        allowed = source.contract.formats
        if allowed is not None and format_name not in allowed:
            self._strange(source, f"{format_name}; expected {', '.join(sorted(allowed))}")

    def _strange(self, source: Source, why: str) -> None:
        counted = self._counted[source.name]
        counted.strange, counted.strangers = why, counted.strangers + 1
        raise BodyError(422, f"records of no format that this source sends: {why}")


def _json_lines(body: bytes) -> list[bytes]:
    """The objects of a body as they were sent, a line each. Raises BodyError (400, 413)."""
    found = []
    for number, line in enumerate(body.split(b"\n"), start=1):
        text = line.strip(b" \t\r")
        if not text:
            continue
        if len(text) > MAX_LINE:
            raise BodyError(413, f"line {number}: expected at most {MAX_LINE} bytes")
        try:
            value = orjson.loads(text) if text.startswith(b"{") else None
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            raise BodyError(400, f"line {number}: expected a JSON object")
        found.append(text)
    return found


def _answer(status: int, said: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(said), status, headers, media_type="application/json")
