"""Who sends during a soak: files of Windows events, HTTP with answers, syslog over TCP.

    python -m benchmarks.soak_senders CONFIG.json

A process of its own. Every record has a number of its way (`soak-file-17`), so that they can be
counted in the lake. Ends on SIGTERM, and leaves what it sent in `sent.json`.
"""

import http.client
import json
import signal
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import IO

SLICES = 20
"""Writes a second."""

FILE_BYTES = 256 << 20
"""Bytes after which the next file is begun; the soak deletes those that are in the lake."""

HTTP_SHARE, TCP_SHARE = 0.05, 0.05
"""Shares of the rate; the rest is written to files."""

PATIENCE = 300.0
"""Seconds that syslog waits for a receiver that does not read."""

PROBES = 2
"""Probes a second: events that a shipped rule fires on, each on a host of its own."""


@dataclass(frozen=True)
class Config:
    """What is asked of the senders; ports are those of the receivers."""

    rate: int
    lines: str
    logs: str
    out: str
    http: int
    token: str
    tcp: int

    @classmethod
    def read(cls, path: Path) -> "Config":
        """From a file."""
        return cls(**json.loads(path.read_text()))


def now() -> str:
    """The time as events have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def probe(number: int) -> bytes:
    """An event on which the rule for deleted shadow copies fires."""
    data = {
        "Image": r"C:\Windows\System32\vssadmin.exe",
        "CommandLine": "vssadmin delete shadows /all /quiet",
        "User": r"CORP\kim",
    }
    winlog = {
        "channel": "Microsoft-Windows-Sysmon/Operational",
        "event_id": 1,
        "computer_name": f"probe{number}",
        "event_data": data,
    }
    return json.dumps({"@timestamp": now(), "winlog": winlog}).encode() + b"\n"


class Paced(threading.Thread, ABC):
    """Sends so many records a second, a slice at a time, until stopped; never catches up."""

    def __init__(self, rate: float, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.sent = 0
        self.late = 0.0
        self._each = max(1, round(rate / SLICES))
        self._stop_sending = stop

    def run(self) -> None:
        """Send until stopped."""
        due = time.monotonic()
        while not self._stop_sending.is_set():
            due += 1 / SLICES
            behind = time.monotonic() - due
            self.late = max(self.late, behind)
            if behind > 1:
                due = time.monotonic()
            self._stop_sending.wait(max(0.0, -behind))
            self.send(self._each)
        self.finish()

    @abstractmethod
    def send(self, many: int) -> None:
        """Send so many, and count them."""

    def finish(self) -> None:
        """What is to be done at the end."""


class Files(Paced):
    """Real Windows events with the time of now, appended to files of numbered names."""

    def __init__(self, config: Config, stop: threading.Event) -> None:
        super().__init__(config.rate * (1 - HTTP_SHARE - TCP_SHARE), stop)
        self._lines = cycle(list(_pieces(Path(config.lines))))
        self._logs = Path(config.logs)
        self._probes = (Path(config.out) / "probes.jsonl").open("a", buffering=1)
        self._number = 0
        self._probe = 0
        self._next_probe = time.monotonic()
        self._file = self._begin()

    def _begin(self) -> IO[bytes]:
        self._number += 1
        return (self._logs / f"events-{self._number:05}.json").open("ab", buffering=0)

    def send(self, many: int) -> None:
        """Append them in one write."""
        at = now().encode()
        parts = []
        for number in range(self.sent, self.sent + many):
            before, after = next(self._lines)
            parts.append(b'{"soak":"soak-file-%d",%s%s%s' % (number, before, at, after))
        if time.monotonic() >= self._next_probe:
            self._next_probe += 1 / PROBES
            parts.append(probe(self._probe))
            self._probes.write(json.dumps({"probe": self._probe, "sent": time.time()}) + "\n")
            self._probe += 1
        data = b"".join(parts)
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]
        self.sent += many
        if self._file.tell() >= FILE_BYTES:
            self._file.close()
            self._file = self._begin()

    def finish(self) -> None:
        """Let go of the file."""
        self._file.close()


def _pieces(source: Path) -> Iterator[tuple[bytes, bytes]]:
    """Each line before and after its time stamp, without the opening brace."""
    key = b'"@timestamp":"'
    for line in source.open("rb"):
        at = line.find(key)
        end = line.find(b'"', at + len(key))
        if at > 0 and end > 0 and b'"probe' not in line:
            yield line[1 : at + len(key)], line[end:]


class Http(Paced):
    """DNS records in bodies that are sent until they are answered with yes."""

    def __init__(self, config: Config, stop: threading.Event) -> None:
        super().__init__(config.rate * HTTP_SHARE, stop)
        self._port, self._token = config.http, config.token
        self._connection: http.client.HTTPConnection | None = None
        self.unsure: list[tuple[int, int]] = []  # sent again: first number, and how many

    def send(self, many: int) -> None:
        """Send a body until it is taken."""
        body = b"".join(
            b'{"timestamp":"%s","flow_id":%d,"event_type":"dns","src_ip":"10.0.%d.%d",'
            b'"dest_ip":"10.0.0.2","proto":"UDP","soak":"soak-http-%d"}\n'
            % (now().encode(), n, n // 250 % 4, n % 250 + 1, n)
            for n in range(self.sent, self.sent + many)
        )
        while not self._taken(body, many):
            time.sleep(0.25)
        self.sent += many

    def _taken(self, body: bytes, many: int) -> bool:
        asked = False
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
                self._connection.connect()
            asked = True
            headers = {
                "Authorization": f"Bearer {self._token}", "Idempotency-Key": f"soak-{self.sent}",
            }  # fmt: skip
            self._connection.request("POST", "/v1/records/app", body, headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self._connection = None
            if asked:
                self.unsure.append((self.sent, many))
            return False
        return 200 <= answer.status < 300


class Syslog(Paced):
    """Messages over TCP, which nobody answers: sent once, over one connection while it stands."""

    def __init__(self, config: Config, stop: threading.Event) -> None:
        super().__init__(config.rate * TCP_SHARE, stop)
        self._port = config.tcp
        self._socket: socket.socket | None = None
        self.broken = 0  # records of writes that failed

    def send(self, many: int) -> None:
        """Send them; those of a write that fails are not sent again, for no sender can know."""
        at = now()
        data = "".join(
            f"<38>1 {at} web{n % 20} app {n} - - soak-tcp-{n} request {n * 7919 % 1000} answered\n"
            for n in range(self.sent, self.sent + many)
        ).encode()
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
            self._socket.sendall(data)
        except OSError:
            self._socket = None
            self.broken += many
        self.sent += many

    def finish(self) -> None:
        """End the connection in order."""
        if self._socket is not None:
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.close()


def main() -> None:
    """Send until SIGTERM."""
    config = Config.read(Path(sys.argv[1]))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    files, web, syslog = Files(config, stop), Http(config, stop), Syslog(config, stop)
    senders = {"file": files, "http": web, "tcp": syslog}
    for one in senders.values():
        one.start()
    while any(one.is_alive() for one in senders.values()):
        sent = {name: one.sent for name, one in senders.items()}
        late = {name: round(one.late, 3) for name, one in senders.items()}
        told = {
            "sent": sent,
            "late": late,
            "unsure": web.unsure,
            "broken": syslog.broken,
            "cpu": time.process_time(),
        }
        part = Path(config.out) / "sent.json.part"
        part.write_text(json.dumps(told))
        part.replace(Path(config.out) / "sent.json")
        time.sleep(0.5)
    sent = {name: one.sent for name, one in senders.items()}
    told = {**told, "sent": sent, "unsure": web.unsure, "broken": syslog.broken, "done": True}
    (Path(config.out) / "sent.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
