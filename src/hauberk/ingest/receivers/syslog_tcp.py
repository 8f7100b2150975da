"""Who sends syslog over plain TCP: new senders, and those that an earlier reader left connected."""

import asyncio
import contextlib
import socket
from pathlib import Path

from .counting import Received
from .keeping import Keeper
from .peeking import Place, TcpConnection, places, taken_out, was_cut_off
from .spool import Spool

MAX_CONNECTIONS = 1000
"""Connections to one listener at a time; further ones are closed at once."""

END_SECONDS = 1.0
"""Longest that an end waits for what came last to be taken out of the kernel."""

_AGAIN_SECONDS = 1.0  # after a connection could not be accepted: for want of descriptors, mostly


class TcpSenders:
    """All senders of one source, read from the moment that this is made until `close`.

    Connections are kept by `keeper` under `syslog.SOURCE.TOKEN` until they end; those that it
    handed over are read on where their last reader stopped.
    """

    def __init__(
        self, listening: socket.socket, source: str, spool: Spool, counted: Received, keeper: Keeper
    ) -> None:
        self._listening = listening
        self._source = source
        self._spool = spool
        self._counted = counted
        self._keeper = keeper
        self._name = f"syslog.{source}."
        self._closing = False
        self._waiting: set[asyncio.Future[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._take_over(spool.folder / source)
        self._accepting = asyncio.create_task(self._accept())

    def close(self) -> None:
        """Read nothing more."""
        self._closing = True
        self._accepting.cancel()
        for one in self._waiting:
            one.cancel()

    async def ended(self) -> None:
        """Until what is on the device is taken out of the kernel; all is let go of then."""
        await asyncio.gather(self._accepting, return_exceptions=True)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listening.close()

    def _take_over(self, folder: Path) -> None:
        """Read on what was handed over, from where the spool and the kernel say."""
        kept = self._keeper.taken(self._name)
        known = places(folder) if kept else {}
        for token, held in kept.items():
            at = taken_out(held)
            if at is None:
                self._let_go(token, held)
                continue
            last = known.get(token, Place(0, 0))
            # A look is taken out whole or not at all.
            is_there = last.begin == (at - 1 if was_cut_off(held) and at > last.begin else at)
            self._begin(held, TcpConnection(
                held, self._source, self._spool, self._counted, token=token,
                at=last.begin if is_there else at, skip=last.records if is_there else 0,
            ))  # fmt: skip

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                held, _ = await loop.sock_accept(self._listening)
            except OSError:
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            if self._counted.connections >= MAX_CONNECTIONS:
                self._counted.refused += 1
                held.close()
                continue
            held.setblocking(False)
            connection = TcpConnection(held, self._source, self._spool, self._counted)
            self._keeper.keep(f"{self._name}{connection.token}", held)
            self._begin(held, connection)

    def _begin(self, held: socket.socket, connection: TcpConnection) -> None:
        task = asyncio.create_task(self._read(held, connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, held: socket.socket, connection: TcpConnection) -> None:
        self._counted.connections += 1
        try:
            await connection.read(self._readable)
        except asyncio.CancelledError:
            held.close()  # whoever keeps it has it read on
            raise
        except BaseException:
            self._let_go(connection.token, held)
            raise
        else:
            self._let_go(connection.token, held)
        finally:
            self._counted.connections -= 1

    def _let_go(self, token: str, held: socket.socket) -> None:
        self._keeper.forget(f"{self._name}{token}")
        with contextlib.suppress(OSError):
            held.shutdown(socket.SHUT_RDWR)  # at once, though a keeper may still hold it
        held.close()

    async def _readable(self, held: socket.socket) -> None:
        """Until there is something to read; nothing more is once this is closed."""
        if self._closing:
            raise asyncio.CancelledError
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[None] = loop.create_future()
        loop.add_reader(held, _wake, waiting)
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)
            loop.remove_reader(held)


def _wake(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)
