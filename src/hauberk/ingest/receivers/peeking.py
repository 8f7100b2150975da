"""Syslog over plain TCP, which nobody answers, read so that a kill of the reader loses nothing.

What a connection has brought is looked at where it lies, in the kernel, and spooled; it is taken
out of the kernel only when it is on the device. The socket itself is kept by whoever started us
(see `keeping`), so the next reader finds the connection open and the bytes in it. How far the one
before came is told by the kernel, which counts what was taken out, and by the spool, whose
envelopes name connection and place: `tcp/5f1c0e5d2a9b4c37/1200` is of what was looked at from the
byte 1200 on. Linux counts (tcp(7), TCP_INFO); elsewhere no socket is kept.
"""

import array
import asyncio
import contextlib
import secrets
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from hauberk.ingest.formats.envelope import enclose, envelope
from hauberk.ingest.formats.received import SYSLOG

from .counting import Received
from .framing import SyslogFrames
from .positions import words
from .spool import Spool, newest_files

LOOK_BYTES = 256 << 10
"""Bytes that are looked at together."""

HURRY_BYTES = 128 << 10
"""Bytes of a look above which their flush does not wait for others."""

WINDOW_BYTES = 256 << 10
"""Room in the kernel that a connection has at least."""

HELD_BYTES = 48 << 10
"""Bytes of a message that is not whole which are left there: with less than half of its room free,
the kernel may take nothing more. Of a longer one the start is held here, and lost with us."""

PATIENT_LOOKS = 25
"""Looks in which a message has not grown, after which its start is taken out as well.

The kernel wakes us before there is more where it has little room for more."""

RESUME_SECONDS = 0.05
"""Pause after which it is looked whether a full spool has room again, or a message has grown."""

_ALIVE = [
    (getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 600), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5))
    if hasattr(socket, name)
]
"""Seconds and tries after which a sender that went without a word is let go of."""

_RECEIVED_AT = 128  # of tcpi_bytes_received in Linux's struct tcp_info
_CLOSE = 7
_CLOSE_WAIT = 8  # the sender has said that nothing more comes


class Place(NamedTuple):
    """How far a connection was read: the first byte of the last look, and records kept of it."""

    begin: int
    records: int


def places(folder: Path, tokens: Collection[str]) -> dict[str, Place]:
    """The last look at each of these connections, as a source's spool has it."""
    found: dict[str, Place] = {}
    for path in newest_files(folder) if tokens else ():
        for word in words(path, 0):
            parts = word.split(b"/")
            if len(parts) == 3 and parts[0] == b"tcp" and parts[2].isdigit():
                token, begin = parts[1].decode("ascii", "replace"), int(parts[2])
                if token not in tokens:
                    continue
                known = found.get(token)
                again = known is not None and known.begin == begin
                found[token] = Place(begin, known.records + 1 if known and again else 1)
    return found


def taken_out(held: socket.socket) -> int | None:
    """Bytes of a connection that were taken out of the kernel; None where it does not count."""
    if sys.platform != "linux":
        return None
    import fcntl  # noqa: PLC0415  # not everywhere
    import termios  # noqa: PLC0415

    waiting = array.array("i", [0])
    with contextlib.suppress(OSError, struct.error):
        while True:
            received, state = _received(held)
            fcntl.ioctl(held, termios.FIONREAD, waiting)
            if _received(held) == (received, state):
                # The end of a stream counts as a byte.
                return received - waiting[0] - (state == _CLOSE_WAIT)
    return None


def was_cut_off(held: socket.socket) -> bool:
    """Whether the connection is no more; an end before that was perhaps counted as a byte."""
    return _state(held) == _CLOSE


def _received(held: socket.socket) -> tuple[int, int]:
    info = held.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return int(struct.unpack_from("=Q", info, _RECEIVED_AT)[0]), info[0]


class TcpConnection:
    """One sender, from the moment that it connected or was handed over, to its end.

    `token` names the connection for as long as it stands, whoever reads it; `skip` is how many of
    its next messages are in the spool already, and `at` how many bytes of it were taken out.
    """

    def __init__(
        self, held: socket.socket, source: str, spool: Spool, counted: Received,
        *, sender: str = "", token: str = "", at: int = 0, skip: int = 0,
    ) -> None:  # fmt: skip
        self.token = token or secrets.token_hex(8)
        self._socket = held
        self._source = source
        self._spool = spool
        self._counted = counted
        self._at = at
        self._skip = skip
        self._frames = SyslogFrames()
        self._cut = 0
        self._start = b""  # of a message, taken out before it was whole
        self._idle = 0  # looks since a message has grown
        self._seen = 0  # bytes of the last look, where they were no whole message
        self._sender = sender or _sender(held)
        # Linux makes as much room as is waited for; an earlier reader may have waited for more.
        self._set(socket.SOL_SOCKET, socket.SO_RCVLOWAT, WINDOW_BYTES)
        self._set(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        # What is urgent would be counted by the kernel, and not be seen.
        self._set(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        self._set(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, seconds in _ALIVE:
            self._set(socket.IPPROTO_TCP, option, seconds)

    async def read(self, readable: Callable[[socket.socket], Awaitable[None]]) -> None:
        """Until the sender has closed and all it sent is on the device, or `readable` raises.

        `readable` waits until there is something.
        """
        while True:
            await readable(self._socket)
            if self._spool.full and not self._skip:
                self._counted.held_back += 1
                while self._spool.full:
                    await asyncio.sleep(RESUME_SECONDS)
            data = self._look()
            if data is None:
                continue
            messages = self._frames.feed(self._start + data)
            if data and self._frames.held < len(data):
                await self._keep(messages, len(data) - self._frames.give_back())
            elif not data or (len(data) == self._seen and _is_over(self._socket)):
                await self._keep(self._frames.end(), len(data))
                return
            else:
                self._frames.give_back()
                await self._look_on(len(data))

    async def _look_on(self, size: int) -> None:
        """See to it that the next look has more, of a message that is not whole."""
        self._idle = self._idle + 1 if size == self._seen else 0
        if size >= HELD_BYTES or self._idle > PATIENT_LOOKS:
            self._start += self._take_out(size)
        elif self._idle:
            await asyncio.sleep(min(RESUME_SECONDS, 0.0005 * 2**self._idle))
        else:
            # The kernel says nothing until more than this has come, or no more will.
            self._seen = size
            self._set(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size + 1)

    def _look(self) -> bytes | None:
        """What has come; nothing at the end, and None where there is nothing yet."""
        try:
            return self._socket.recv(LOOK_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        except OSError:
            return b""  # it was cut off: what came before is all there is

    def _take_out(self, size: int) -> bytes:
        data = b""
        with contextlib.suppress(OSError):  # what was seen is known, if it is gone by now
            while len(data) < size and (more := self._socket.recv(size - len(data))):
                data += more
        self._at += size
        if self._seen:
            self._seen = self._idle = 0
            self._set(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        return data

    async def _keep(self, messages: list[bytes], size: int) -> None:
        """Spool messages, wait until they are on the device, and take their bytes out."""
        self._counted.cut += self._frames.cut - self._cut
        self._cut = self._frames.cut
        fresh, self._skip = messages[self._skip :], 0
        if fresh:
            transport = f"tcp/{self.token}/{self._at}"
            before = envelope(transport, self._sender, datetime.now(UTC))
            lines = b"".join([enclose(before, message) for message in fresh])
            self._counted.records += len(fresh)
            self._counted.bytes += len(lines)
            self._spool.append(self._source, SYSLOG, lines)
            await self._spool.durable(at_once=size >= HURRY_BYTES)
        if size:
            self._take_out(size)
        self._start = b""

    def _set(self, level: int, option: int, value: int) -> None:
        with contextlib.suppress(OSError):  # it is gone, or not known here: it is read as it is
            self._socket.setsockopt(level, option, value)


def _is_over(held: socket.socket) -> bool:
    return _state(held) in (_CLOSE, _CLOSE_WAIT)


def _state(held: socket.socket) -> int | None:
    with contextlib.suppress(OSError, struct.error):
        return _received(held)[1] if sys.platform == "linux" else None
    return None


def _sender(held: socket.socket) -> str:
    try:
        return str(held.getpeername()[0])
    except OSError:  # it is gone; what it sent is not
        return "-"
