"""Sockets that sources listen at: made, or handed over by whoever kept them."""

import asyncio
import errno
import re
import socket
from collections.abc import Callable, Iterable

from .keeping import Keeper
from .sources_file import Source, Transport

_LISTEN = "listen."
_PATIENCE = 2.0
_PAUSE = 0.05


def name_of(source: Source) -> str:
    """The name under which a source's listening socket is kept: what it is, not whose."""
    host, port = source.address or ("127.0.0.1", 0)
    kind = "udp" if source.transport is Transport.UDP else "tcp"
    return f"{_LISTEN}{kind}.{re.sub(r'[^a-z0-9.-]', '-', host.lower())[:100]}.{port}"


class Listening:
    """Gives sources the sockets that they listen at, and lets go of those that none wants."""

    def __init__(self, sources: Iterable[Source], keeper: Keeper) -> None:
        self._keeper = keeper
        self._has_forgotten = keeper.forget_rest(_LISTEN, {name_of(one) for one in sources}) > 0

    async def socket_of(
        self, source: Source, make: Callable[[str, int], socket.socket]
    ) -> socket.socket:
        """The kept one of this address, or a new one. Raises OSError as `make` does."""
        name = name_of(source)
        kept = self._keeper.take(name)
        if kept is not None:
            return kept
        made = await self._made(source.address or ("127.0.0.1", 0), make)
        self._keeper.keep(name, made)
        return made

    async def _made(
        self, address: tuple[str, int], make: Callable[[str, int], socket.socket]
    ) -> socket.socket:
        """An address may be taken until the keeper has let go of what was forgotten."""
        until = asyncio.get_running_loop().time() + (_PATIENCE if self._has_forgotten else 0.0)
        while True:
            try:
                return make(*address)
            except OSError as error:
                late = asyncio.get_running_loop().time() >= until
                if late or error.errno != errno.EADDRINUSE:
                    raise
                self._keeper.say()
                await asyncio.sleep(_PAUSE)
