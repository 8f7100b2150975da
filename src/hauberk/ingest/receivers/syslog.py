"""Syslog over UDP (RFC 5426), TCP (RFC 6587) and TLS (RFC 5425), into the spool.

Messages are taken as they come, of whatever form (RFC 3164, RFC 5424, or neither); what they say
is read later. TCP and TLS senders are held back while the spool is full. UDP cannot: what is lost
is counted, by us and by the kernel.
"""

import asyncio
import contextlib
import socket
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path

from hauberk.ingest.formats.envelope import enclose, envelope
from hauberk.ingest.formats.received import SYSLOG

from .counting import Received
from .framing import MAX_MESSAGE, SyslogFrames
from .keeping import Keeper
from .listening import Listening
from .peeking import RESUME_SECONDS
from .sources_file import Source, Transport
from .spool import Spool
from .syslog_tcp import MAX_CONNECTIONS, TcpSenders

BACKLOG = 256
HANDSHAKE_SECONDS = 10.0
DATAGRAMS_AT_ONCE = 512
BUFFER_BYTES = 16 << 20
"""Asked of the kernel for datagrams that came and were not read; it may give less."""

_RCVBUFFORCE = 33  # Linux's SO_RCVBUFFORCE, which Python does not name


class SyslogListener:
    """Listens for one source; `start` binds, `close` lets go.

    The socket is kept by `keeper`, so that who sends while nobody reads is not turned away.
    """

    def __init__(
        self,
        source: Source,
        spool: Spool,
        counted: Received,
        keeper: Keeper,
        listening: Listening,
    ) -> None:
        self._source = source
        self._spool = spool
        self._counted = counted
        self._keeper = keeper
        self._listening = listening
        self._server: asyncio.Server | None = None
        self._plain: TcpSenders | None = None
        self._socket: socket.socket | None = None
        self._kernel_drops = 0
        self.port = 0

    async def start(self) -> None:
        """Bind. Raises OSError, ssl.SSLError."""
        loop = asyncio.get_running_loop()
        if self._source.transport is Transport.UDP:
            held = self._socket = await self._listening.socket_of(self._source, _datagram_socket)
            self._kernel_drops = _kernel_drops(held)
            loop.add_reader(held, self._datagrams)
        elif self._source.tls is not None:
            context = server_context(self._source)
            held = await self._listening.socket_of(self._source, _stream_socket)
            self._server = await loop.create_server(
                lambda: _Connection(self._source, self._spool, self._counted), sock=held,
                ssl=context, ssl_handshake_timeout=HANDSHAKE_SECONDS, backlog=BACKLOG,
            )  # fmt: skip
        else:
            held = await self._listening.socket_of(self._source, _stream_socket)
            self._plain = TcpSenders(
                held, self._source.name, self._spool, self._counted, self._keeper
            )
        self.port = held.getsockname()[1]

    def look(self) -> None:
        """See how many datagrams the kernel has lost for this listener; once a second."""
        if self._socket is not None:
            lost = _kernel_drops(self._socket)
            self._counted.dropped += max(0, lost - self._kernel_drops)
            self._kernel_drops = max(lost, self._kernel_drops)

    async def ended(self) -> None:
        """Until what was read last is settled; after `close`, once the spool is on the device."""
        if self._plain is not None:
            await self._plain.ended()

    def close(self) -> None:
        """Take nothing more; connections end with their loop."""
        if self._server is not None:
            self._server.close()
        if self._plain is not None:
            self._plain.close()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._datagrams()
            self._socket.close()
            self._socket = None

    def _datagrams(self) -> None:
        """Read what there is; while the spool is full it is read too, and counted as lost."""
        if self._socket is None:
            return
        now, lines, taken = datetime.now(UTC), bytearray(), 0
        befores: dict[str, bytes] = {}
        for _ in range(DATAGRAMS_AT_ONCE):
            try:
                data, address = self._socket.recvfrom(65_535)
            except (BlockingIOError, ConnectionError):
                break
            except OSError:
                break
            data = data.rstrip(b"\r\n\0")
            if self._spool.full:
                self._counted.dropped += 1
            elif data:
                sender = str(address[0])
                before = befores.get(sender)
                if before is None:
                    before = befores[sender] = envelope("udp", sender, now)
                lines += enclose(before, data[:MAX_MESSAGE])
                taken += 1
        if lines:
            self._counted.records += taken
            self._counted.bytes += len(lines)
            self._spool.append(self._source.name, SYSLOG, bytes(lines))


class _Connection(asyncio.Protocol):
    """One sender over TLS."""

    def __init__(self, source: Source, spool: Spool, counted: Received) -> None:
        self._source = source
        self._spool = spool
        self._counted = counted
        self._frames = SyslogFrames()
        self._transport: asyncio.Transport | None = None
        self._sender = "-"
        self._cut = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self._sender = str(peer[0]) if isinstance(peer, tuple) else "-"
        if not isinstance(transport, asyncio.Transport):
            return
        self._counted.connections += 1
        if self._counted.connections > MAX_CONNECTIONS:
            self._counted.refused += 1
            transport.abort()
            return
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        self._keep(self._frames.feed(data))
        if self._spool.full:
            self._counted.held_back += 1
            self._transport.pause_reading()
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's
        self._counted.connections -= 1
        if self._transport is not None:
            self._keep(self._frames.end())
            self._transport = None

    def _wait(self) -> None:
        """Read on once there is room."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._spool.full:
            asyncio.get_running_loop().call_later(RESUME_SECONDS, self._wait)
        else:
            self._transport.resume_reading()

    def _keep(self, messages: list[bytes]) -> None:
        self._counted.cut += self._frames.cut - self._cut
        self._cut = self._frames.cut
        if not messages:
            return
        before = envelope(str(self._source.transport), self._sender, datetime.now(UTC))
        lines = b"".join([enclose(before, message) for message in messages])
        self._counted.records += len(messages)
        self._counted.bytes += len(lines)
        self._spool.append(self._source.name, SYSLOG, lines)


def server_context(source: Source) -> ssl.SSLContext:
    """TLS 1.2 or later with the source's certificate; clients' certificates where it asks for them.

    Raises OSError or ssl.SSLError where the files are no certificate and key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A sender that only writes would leave tickets unread, and to close a connection with bytes
    # unread resets it: what it had sent last would be lost.
    context.num_tickets = 0
    if source.tls is None:
        raise ValueError(f"{source.name} has no tls")
    context.load_cert_chain(source.tls.certificate, source.tls.key)
    if source.tls.clients is not None:
        context.load_verify_locations(source.tls.clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _stream_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.create_server((host, port), family=family, backlog=BACKLOG)
    made.setblocking(False)
    return made


def _datagram_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_DGRAM)
    try:
        found.setblocking(False)
        # The first asks for more than the system allows to all, where one may.
        forced = [_RCVBUFFORCE] if sys.platform == "linux" else []
        for option in (*forced, socket.SO_RCVBUF):
            with contextlib.suppress(OSError):
                found.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
                break
        found.bind((host, port))
    except OSError:
        found.close()
        raise
    return found


def _kernel_drops(found: socket.socket) -> int:
    """Datagrams that the kernel dropped for want of buffer; 0 where it does not say."""
    table = Path("/proc/net/udp6" if found.family == socket.AF_INET6 else "/proc/net/udp")
    with contextlib.suppress(OSError, ValueError):
        inode = str(Path(f"/proc/self/fd/{found.fileno()}").readlink())[8:-1]
        for line in table.read_text().splitlines()[1:]:
            words = line.split()
            if words[9] == inode:
                return int(words[12])
    return 0
