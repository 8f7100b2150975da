"""Syslog: RFC 5424 messages over TLS (RFC 5425), TCP (RFC 6587, octet counting) or UDP (RFC 5426).

Syslog answers nothing. Over TCP and TLS a batch counts as sent once the receiver's system has
acknowledged every byte of it (Linux) and has not closed; what that system had not handed on to its
receiver when it died is lost, which no sender of syslog can know. UDP promises nothing at all.
"""

import contextlib
import os
import socket
import ssl
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum

from hauberk.store import Table

from .cef import cef
from .interface import Filter, Message, NotSentError, Refused
from .kinds import Target
from .reaching import Tls, is_near, read_address, read_tls

if sys.platform != "win32":
    import fcntl
    import termios

KEYS = ("address", "transport", "body", "facility", "hostname", "tls")
FILTER = Filter()

CONNECT_SECONDS = 10.0
DRAIN_SECONDS = 30.0
MAX_DATAGRAM = 60_000
BATCH = 500

FACILITIES = {f"local{number}": 16 + number for number in range(8)} | {
    "user": 1, "daemon": 3, "auth": 4, "authpriv": 10, "audit": 13, "alert": 14,
}  # fmt: skip
_SEVERITY = {0: 5, 1: 6, 2: 5, 3: 4, 4: 3, 5: 2, 6: 1}
"""OCSF's severities as syslog's: informational, notice, warning, error, critical, alert."""

_OUTQ = getattr(termios, "TIOCOUTQ", None) if sys.platform == "linux" else None


class Transport(StrEnum):
    """How messages travel."""

    TLS = "tls"
    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True)
class Syslog:
    """Where to, and in which form."""

    host: str
    port: int
    transport: Transport
    cef: bool
    facility: int
    hostname: str
    tls: Tls

    @property
    def where(self) -> str:
        """The receiver."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"syslog+{self.transport}://{host}:{self.port}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What this transport does not promise."""
        found = []
        if self.transport is Transport.UDP:
            found.append("UDP: what is lost on the way is not noticed")
        if self.transport is not Transport.TLS and not is_near(self.host):
            found.append("what is sent goes in the clear")
        return tuple(found)


def target(table: Table) -> Syslog:
    """The settings of a syslog output. Raises UsageError."""
    host, port = read_address(table, "address")
    transport = table.text("transport", default="tls")
    if transport not in set(Transport):
        raise table.wrong("transport", f"one of {', '.join(Transport)}")
    body = table.text("body", default="ocsf")
    if body not in ("ocsf", "cef"):
        raise table.wrong("body", "ocsf or cef")
    facility = table.text("facility", default="local0")
    if facility not in FACILITIES:
        raise table.wrong("facility", f"one of {', '.join(FACILITIES)}")
    if transport != "tls" and "tls" in table:
        raise table.wrong("tls", 'no tls without transport = "tls"')
    name = table.text("hostname", default=socket.gethostname() or "-")
    if not name.isascii() or not name.isprintable() or " " in name or len(name) > 255:
        raise table.wrong("hostname", "a host name")
    return Syslog(
        host, port, Transport(transport), body == "cef", FACILITIES[facility], name, read_tls(table)
    )


def sender(target: Target) -> "SyslogSender":
    """A sender, not connected yet."""
    assert isinstance(target, Syslog)
    return SyslogSender(target)


class SyslogSender:
    """One connection, or a socket for datagrams."""

    pause = 0.0
    batch = BATCH

    def __init__(self, settings: Syslog) -> None:
        self._settings = settings
        self._socket: socket.socket | None = None
        self._context = self._prepared()

    def _prepared(self) -> ssl.SSLContext | None:
        settings = self._settings
        secure = settings.transport is Transport.TLS
        return settings.tls.context(settings.where) if secure else None

    def send(self, messages: Sequence[Message]) -> Sequence[Refused]:
        """Write them; over TCP and TLS, wait until all bytes have arrived."""
        lines = [self.line(one) for one in messages]
        if self._settings.transport is Transport.UDP:
            return self._send_datagrams(messages, lines)
        try:
            connected = self._connected()
            if _is_closed(connected):
                self.close()
                connected = self._connected()
            connected.sendall(b"".join(b"%d %b" % (len(line), line) for line in lines))
            self._drain(connected)
        except OSError as error:
            self.close()
            raise self._failed(error) from error
        return ()

    def check(self) -> str:
        """Connect."""
        try:
            self._connected()
        except OSError as error:
            raise self._failed(error) from error
        if self._settings.transport is Transport.UDP:
            return "UDP: nobody answers"
        return "it is connected"

    def close(self) -> None:
        """End the connection in order, so that what was written is read."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                if isinstance(self._socket, ssl.SSLSocket):
                    self._socket.settimeout(1.0)
                    self._socket.unwrap()
                self._socket.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def line(self, message: Message) -> bytes:
        """A message as RFC 5424 has it; its id is within the body."""
        priority = self._settings.facility * 8 + _SEVERITY.get(message.severity_id, 5)
        time = message.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"
        body = cef(message) if self._settings.cef else message.data
        head = f"<{priority}>1 {time} {self._settings.hostname[:255]} hauberk {os.getpid()}"
        return f"{head} {message.subject} - ".encode("ascii") + body

    def _send_datagrams(
        self, messages: Sequence[Message], lines: Sequence[bytes]
    ) -> Sequence[Refused]:
        refused = []
        try:
            connected = self._connected()
            for message, line in zip(messages, lines, strict=True):
                if len(line) > MAX_DATAGRAM:
                    reason = f"{len(line)} bytes do not go into a datagram"
                    refused.append(Refused(message, reason))
                else:
                    connected.send(line)
        except OSError as error:
            self.close()
            raise self._failed(error) from error
        return refused

    def _connected(self) -> socket.socket:
        if self._socket is not None:
            return self._socket
        at = (self._settings.host, self._settings.port)
        if self._settings.transport is Transport.UDP:
            family, kind, protocol, _, address = socket.getaddrinfo(*at, type=socket.SOCK_DGRAM)[0]
            made = socket.socket(family, kind, protocol)
            made.connect(address)
        else:
            self._context = self._prepared()
            made = socket.create_connection(at, CONNECT_SECONDS)
            try:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                if self._context is not None:
                    made = self._context.wrap_socket(made, server_hostname=self._settings.host)
                made.settimeout(DRAIN_SECONDS)
            except BaseException:
                made.close()
                raise
        self._socket = made
        return made

    def _drain(self, connected: socket.socket) -> None:
        """Wait until the other side's system has all bytes. Raises OSError."""
        until = time.monotonic() + DRAIN_SECONDS
        while _unacknowledged(connected):
            if time.monotonic() > until:
                raise TimeoutError("the receiver does not read")
            time.sleep(0.002)
        if _is_closed(connected):
            raise ConnectionResetError("the receiver has closed")

    def _failed(self, error: OSError) -> NotSentError:
        said = getattr(error, "reason", None) or error.strerror or str(error)
        if isinstance(error, ssl.SSLCertVerificationError):
            said = f"its certificate is not trusted: {error.verify_message}"
        return NotSentError(str(said) or type(error).__name__, where=self._settings.where)


def _unacknowledged(connected: socket.socket) -> int:
    """Bytes that were written and not acknowledged yet (tcp(7), SIOCOUTQ); 0 where unknown."""
    if _OUTQ is None:
        return 0
    return int(struct.unpack("i", fcntl.ioctl(connected.fileno(), _OUTQ, b"\0" * 4))[0])


def _is_closed(connected: socket.socket) -> bool:
    """Whether the other side has ended; what it says otherwise is passed over. Raises OSError."""
    connected.setblocking(False)
    try:
        return connected.recv(4096) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    finally:
        connected.settimeout(DRAIN_SECONDS)
