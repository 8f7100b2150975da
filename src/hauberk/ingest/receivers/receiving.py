"""All receivers of a sources file, in an event loop and a thread of their own."""

import asyncio
import ssl
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from hauberk.errors import HauberkError, UsageError

from .bus import Buses
from .counting import Received
from .keeping import Keeper, allow_connections
from .listening import Listening
from .sources_file import Kind, Source, Sources
from .spool import Spool, mend
from .syslog import SyslogListener, server_context
from .tokens import Tokens

if TYPE_CHECKING:
    from .serving import HttpServer

LOOK_SECONDS = 1.0
SPOOL = "spool"


class Receiving:
    """Receives from the moment that it is entered until it is left.

    `counted` has what came of each source. `ports` are where those listen that are sent to.
    Raises UsageError where an address or a certificate cannot be used.
    """

    def __init__(self, sources: Sources, home: Path) -> None:
        self.folder = home / SPOOL
        self._sources = sources.of(Kind.SYSLOG, Kind.HTTP, Kind.NATS, Kind.KAFKA)
        self._tokens = Tokens(home)
        self._max_bytes = sources.max_spool
        self.counted: Mapping[str, Received] = {one.name: Received() for one in self._sources}
        self.ports: dict[str, int] = {}
        self._spool: Spool | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="receive", daemon=True)

    @property
    def held(self) -> frozenset[Path]:
        """Spool files that are being written."""
        return self._spool.held if self._spool is not None else frozenset()

    @property
    def full(self) -> bool:
        """Whether senders are held back, and datagrams lost, for want of room."""
        return self._spool is not None and self._spool.full

    def check(self) -> None:
        """Raise what ended the receivers."""
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        allow_connections()
        self.folder.mkdir(mode=0o700, exist_ok=True)
        mend(self.folder)
        self._thread.start()
        self._ready.wait()
        self.check()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop is not None and self._ended is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._receive())
        except BaseException as error:  # noqa: BLE001  # raised again by `check`
            self._error = error
        finally:
            self._ready.set()

    async def _receive(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._spool = spool = Spool(self.folder, self._max_bytes)
        flushing = asyncio.create_task(spool.run())
        keeper = Keeper()
        listening = Listening(self._of(Kind.SYSLOG), keeper)
        listeners = [
            SyslogListener(one, spool, self.counted[one.name], keeper, listening)
            for one in self._of(Kind.SYSLOG)
        ]
        servers = self._http(spool)
        buses = Buses(self._of(Kind.NATS, Kind.KAFKA), spool, self.counted, self.folder)
        try:
            for listener, source in zip(listeners, self._of(Kind.SYSLOG), strict=True):
                await _bound(listener, source)
                self.ports[source.name] = listener.port
            for server, shared in servers:
                await _bound(server, shared[0])
                self.ports.update({one.name: server.port for one in shared})
            keeper.forget_rest()
            buses.start()
            self._ready.set()
            ending = asyncio.create_task(self._ended.wait())
            while not ending.done():
                await asyncio.wait([ending, flushing], timeout=LOOK_SECONDS,
                                   return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
                for listener in listeners:
                    listener.look()
                keeper.say()
                buses.check()
                if flushing.done():
                    break
        finally:
            for listener in listeners:
                listener.close()
            await asyncio.gather(buses.close(), *(server.close() for server, _ in servers))
            spool.stop()
            await flushing
            await asyncio.gather(*(listener.ended() for listener in listeners))
            keeper.close()

    def _of(self, *kinds: Kind) -> list[Source]:
        return [one for one in self._sources if one.kind in kinds]

    def _http(self, spool: Spool) -> "list[tuple[HttpServer, Sequence[Source]]]":
        """A server for each address that HTTP sources share."""
        if not self._of(Kind.HTTP):
            return []
        try:
            from .http import application  # noqa: PLC0415  # an extra, for those who need it
            from .serving import HttpServer  # noqa: PLC0415
        except ImportError as error:
            raise HauberkError(
                "HTTP sources need the extra receive", hint="pip install 'hauberk[receive]'"
            ) from error
        shared: dict[object, list[Source]] = {}
        for one in self._of(Kind.HTTP):
            alone = one.address is None or one.address[1] == 0
            shared.setdefault(one.name if alone else one.address, []).append(one)
        servers: list[tuple[HttpServer, Sequence[Source]]] = []
        for group in shared.values():
            app = application({one.name: one for one in group}, spool, self.counted, self._tokens)
            first = group[0]
            context = None if first.tls is None else _context(first)
            servers.append((HttpServer(app, first.address or ("127.0.0.1", 0), context), group))
        return servers


async def _bound(listener: "SyslogListener | HttpServer", source: Source) -> None:
    try:
        await listener.start()
    except ssl.SSLError as error:
        raise _no_certificate(source, error) from error
    except OSError as error:
        raise UsageError(
            f"cannot listen: {error.strerror or error}", where=f"{source.name}, {source.where}"
        ) from error


def _context(source: Source) -> ssl.SSLContext:
    try:
        return server_context(source)
    except (ssl.SSLError, OSError) as error:
        raise _no_certificate(source, error) from error


def _no_certificate(source: Source, error: OSError) -> UsageError:
    said = getattr(error, "reason", None) or error.strerror or str(error)
    return UsageError(
        f"its certificate, key or clients cannot be used: {said}",
        where=source.name,
        hint="Expected PEM files; the key without a passphrase",
    )
