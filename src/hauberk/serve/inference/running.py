"""Serves models until a signal ends it: follows the registry, and leaves what it counted."""

import asyncio
import contextlib
import signal
import ssl
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hauberk.errors import UsageError
from hauberk.ingest.receivers import Tokens
from hauberk.ingest.receivers.serving import HttpServer
from hauberk.store import Home

from .application import Serving, application
from .certificates import context_for
from .counting import Requests
from .following import LOOK_SECONDS, Following
from .judging import Judges
from .limits import Rate
from .settings import TOKENS, Inference

LEAVE_SECONDS = 5.0
REPORT_SECONDS = 2.0

Report = dict[str, Any]  # as JSON has it


@dataclass(frozen=True, slots=True)
class Started:
    """What somebody who starts it is told. `ca` is None where the certificate is their own."""

    address: str
    ca: Path | None
    tokens: int


def serve(
    home: Path,
    asked: Inference,
    started: Callable[[Started], None],
    report: Callable[[Report], None] | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Serve until SIGINT or SIGTERM; `report` is told every two seconds how it is.

    Raises HauberkError where the home, its certificate or the address cannot be used.
    """
    Home.open(home, read_only=True).close()
    context, ca = context_for(home, asked, clock())
    asyncio.run(_serve(home, asked, context, ca, started, report, clock))


async def _serve(
    home: Path,
    asked: Inference,
    context: ssl.SSLContext | None,
    ca: Path | None,
    started: Callable[[Started], None],
    report: Callable[[Report], None] | None,
    clock: Callable[[], datetime],
) -> None:
    following = Following(home)
    requests = Requests(home, clock)
    tokens = Tokens(home, TOKENS)
    serving = Serving(
        Judges(following, requests), tokens, Rate(asked.per_minute), clock, asked.at_once
    )
    await asyncio.to_thread(following.look)
    server = HttpServer(application(serving), asked.listen, context)
    ended = asyncio.Event()
    _on_signals(ended)
    try:
        await server.start()
    except OSError as error:
        raise UsageError(
            f"models cannot be served at {asked.address}: {error.strerror}",
            hint="End what listens there, or name another address with --listen",
        ) from error
    scheme = "http" if context is None else "https"
    started(Started(f"{scheme}://{asked.address}", ca, sum(tokens.names().values())))
    tasks = [
        asyncio.create_task(_every(LOOK_SECONDS, following.look)),
        asyncio.create_task(_every(LEAVE_SECONDS, lambda: _leave(requests))),
    ]
    if report is not None:
        tasks.append(asyncio.create_task(_every(REPORT_SECONDS, lambda: report(_how(serving)))))
    try:
        await asyncio.wait([asyncio.create_task(ended.wait()), *tasks],
                           return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
    finally:
        await server.close()
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(_leave, requests)
    for one in outcomes:
        if isinstance(one, Exception):
            raise one


def _on_signals(ended: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, ended.set)


async def _every(seconds: float, work: Callable[[], object]) -> None:
    while True:
        await asyncio.to_thread(work)
        await asyncio.sleep(seconds)


def _leave(requests: Requests) -> None:
    if requests.leave():
        requests.take()


def _how(serving: Serving) -> Report:
    bench = serving.following.bench()
    seated = {} if bench is None else bench.seated
    models = [
        {"task": str(task), "model": f"{one.loaded.model.name}@{one.loaded.model.version}",
         "stage": str(one.loaded.stage)}
        for task, known in seated.items() if known.panel is not None
        for one in known.panel.seats
    ]  # fmt: skip
    faults = [one for one in (serving.following.fault, serving.judges.requests.fault) if one]
    return {**asdict(serving.counts), "models": models, "faults": faults}
