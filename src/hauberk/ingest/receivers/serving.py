"""Serves an application over HTTP within limits of time and size."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
"""Longest from a request's first byte, or a connection's start, to the end of its headers."""

IDLE_SECONDS = 30
MAX_HEADERS = 16 << 10
MAX_CONNECTIONS = 128


class HttpServer:
    """One listener; `start` binds, `close` ends it in order."""

    def __init__(
        self, app: Starlette, address: tuple[str, int], context: ssl.SSLContext | None
    ) -> None:
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # it would tell of every stranger
        factory: Callable[[Any, Any], ssl.SSLContext] | None = None
        if context is not None:
            factory = lambda _config, _default: context  # noqa: E731
        self._config = uvicorn.Config(
            app, http=_Timed, ws="none", lifespan="off", loop="none", log_config=None,
            access_log=False, proxy_headers=False, server_header=False, date_header=False,
            timeout_keep_alive=IDLE_SECONDS, limit_concurrency=MAX_CONNECTIONS,
            h11_max_incomplete_event_size=MAX_HEADERS, ssl_context_factory=factory,
            timeout_graceful_shutdown=5,
        )  # fmt: skip
        self._address = address
        self._server = uvicorn.Server(self._config)
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        """Bind and serve. Raises OSError."""
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # With the protocol named, asyncio sends answers at once; without, 40 ms later.
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((host, port))
        except OSError:
            bound.close()
            raise
        self.port = bound.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve(sockets=[bound]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Answer what is under way, then end."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)


class _Timed(H11Protocol):
    """Closes a connection whose headers do not come in time."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._expect()
        else:
            self._met()

    def connection_lost(self, exc: Exception | None) -> None:
        self._met()
        super().connection_lost(exc)

    def _expect(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEADER_SECONDS, self._late)

    def _met(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.abort()
