"""Sources of a bus: read for as long as the watch goes on, and again after every fault."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from hauberk.errors import HauberkError, HomeDamagedError

from .bus_settings import Nats
from .counting import Received
from .intake import Intake
from .sources_file import Kind, Source
from .spool import Spool

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before the first and the later attempts to reach a bus again, of which half is chance."""

STEADY_SECONDS = 10.0
"""A bus that was read for so long is tried again after the first pause."""


CLOSE_SECONDS = 15.0
"""Longest that an end waits for what came to be on the device; the bus delivers the rest again."""


class Bus(Protocol):
    """Reads one source until `stop`; raises HauberkError or OSError where it cannot for now."""

    async def run(self, stop: asyncio.Event) -> None:
        """Read."""
        ...


Make = Callable[[Source, Spool, Received, Intake], Bus]


class Buses:
    """All bus sources of a watch. Raises HauberkError where an extra is missing or a home damaged.

    A bus that cannot be reached ends no watch: its fault is told, and it is tried again.
    """

    def __init__(
        self, sources: Sequence[Source], spool: Spool, counted: Mapping[str, Received], folder: Path
    ) -> None:
        makes = {kind: _make(kind) for kind in {one.kind for one in sources}}
        self._intakes = {
            one.name: Intake(one, spool, counted[one.name], folder / one.name) for one in sources
        }
        self._buses = [
            (makes[one.kind](one, spool, counted[one.name], self._intakes[one.name]),
             counted[one.name])
            for one in sources
        ]  # fmt: skip
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to read."""
        self._tasks = [
            asyncio.create_task(self._kept_up(bus, counted)) for bus, counted in self._buses
        ]

    def check(self) -> None:
        """Raise what ended one for good."""
        for task in self._tasks:
            if task.done() and (error := task.exception()) is not None:
                raise error

    async def close(self) -> None:
        """Read no more; what came is on the device then."""
        self._stop.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for intake in [] if late else self._intakes.values():
            with suppress(OSError):
                intake.close()

    async def _kept_up(self, bus: Bus, counted: Received) -> None:
        pause = FIRST_PAUSE
        now = asyncio.get_running_loop().time
        while not self._stop.is_set():
            began = now()
            try:
                await bus.run(self._stop)
            except HomeDamagedError:
                raise
            except HauberkError as error:
                counted.fault = ": ".join(filter(None, [error.where, error.what, error.hint]))
            except OSError as error:
                counted.fault = error.strerror or str(error)
            if now() - began >= STEADY_SECONDS:
                pause = FIRST_PAUSE
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause * random.uniform(0.5, 1))  # noqa: S311
            pause = min(LONGEST_PAUSE, pause * 2)


async def probe(source: Source) -> str:
    """Reach the bus of a source, and say what waits there; changes nothing. Raises HauberkError."""
    _make(source.kind)
    if isinstance(source.bus, Nats):
        from .nats_bus import probe as probe_nats  # noqa: PLC0415

        return await probe_nats(source.bus)
    from .kafka_bus import probe as probe_kafka  # noqa: PLC0415

    return await probe_kafka(source)


def _make(kind: Kind) -> Make:
    """What reads a kind of bus: an extra, imported where it is used."""
    try:
        if kind is Kind.NATS:
            from .nats_bus import NatsBus  # noqa: PLC0415

            return NatsBus
        from .kafka_bus import KafkaBus  # noqa: PLC0415
    except ImportError as error:
        raise HauberkError(
            f"{kind} sources need the extra {kind}", hint=f"pip install 'hauberk[{kind}]'"
        ) from error
    return KafkaBus
