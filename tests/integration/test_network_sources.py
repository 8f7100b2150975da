"""Network sources end to end: what was promised is in the lake exactly once, whoever is killed."""

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from hauberk.ingest.receivers import Tokens, read_sources
from hauberk.ingest.receivers import spool as spools
from hauberk.pipeline import Pace, WatchOptions, replay, watch
from hauberk.pipeline import sources as watched
from hauberk.store import Home, verify
from hauberk.triage import Incident

pytest.importorskip("uvicorn")

SOURCES = """
[[source]]
name = "web"
kind = "http"
listen = "127.0.0.1:{web}"

[[source]]
name = "tcp"
kind = "syslog"
transport = "tcp"
listen = "127.0.0.1:{tcp}"
contract = {{ silence = "2s" }}

[[source]]
name = "tls"
kind = "syslog"
transport = "tls"
listen = "127.0.0.1:{tls}"
tls = {{ certificate = "{files}/server.pem", key = "{files}/server.key" }}
"""


FAILED = b"<38>sshd[7]: Failed password for root from 10.9.9.9 port 22 ssh2\n"
"""Without time and host, as many devices write."""


class Heard:
    """Stops the watch when it has read so many records and nothing is left to read."""

    def __init__(self, stop: threading.Event, records: int) -> None:
        self.rules: list[str] = []
        self.last = Pace()
        self._stop = stop
        self._records = records

    def findings(self, found: pl.DataFrame) -> None:
        self.rules += found["message"].to_list()

    def incidents(self, ranked: Sequence[Incident]) -> None: ...

    def unread(self, source: str, reason: str) -> None: ...

    def fault(self, said: str) -> None: ...

    def pace(self, pace: Pace) -> None:
        self.last = pace
        if pace.records >= self._records and not pace.behind:
            self._stop.set()


@pytest.fixture
def ports() -> dict[str, int]:
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        return dict(zip(("web", "tcp", "tls"), (s.getsockname()[1] for s in held), strict=True))


@pytest.fixture
def sources(tmp_path: Path, tls_files: Path, ports: dict[str, int]) -> Path:
    file = tmp_path / "sources.toml"
    file.write_text(SOURCES.format(files=tls_files, **ports))
    return file


def messages(home: Path) -> list[str]:
    with Home.open(home, read_only=True) as opened:
        found = [
            opened.lake.scan(event_class, ["message", "metadata.product.name"]).collect()
            for event_class in opened.lake.event_classes()
        ]
    whole = pl.concat(found).filter(pl.col("metadata.product.name") == "linux")
    return whole["message"].to_list()


def entries(number: int, size: int) -> bytes:
    return b"\n".join(
        json.dumps(
            {
                "__REALTIME_TIMESTAMP": str(1772445600000000 + number * size + at),
                "MESSAGE": f"web {number * size + at}",
                "_HOSTNAME": "h",
                "SYSLOG_IDENTIFIER": "app",
            }
        ).encode()
        for at in range(size)
    )


def test_a_source_that_dies_is_itself_a_finding(
    tmp_path: Path, sources: Path, ports: dict[str, int]
) -> None:
    stop = threading.Event()
    heard = Heard(stop, records=3)

    def send() -> None:
        for _ in range(200):
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", ports["tcp"])) as sender:
                    sender.sendall(b"<34>Mar  2 10:00:00 fw app: alive\n" + FAILED)
                return
            time.sleep(0.1)

    sender = threading.Thread(target=send)
    sender.start()
    home = tmp_path / "home"
    watch(WatchOptions([], home, judge_every=60, sources=read_sources(sources)), heard, stop)
    sender.join()
    assert any("Telemetry Source Fell Silent on tcp" in one for one in heard.rules)
    assert [one.breaches for one in heard.last.sources] == [(), ("silence",), ()]
    assert "alive" in messages(home)
    assert verify(home).ok
    with Home.open(home, read_only=True) as opened:
        found = opened.records.findings().filter(pl.col("kind") == "rule")["uid"].to_list()
    assert len(found) == 2
    assert all(replay(home, uid).same for uid in found)


def test_spool_files_that_are_stored_go_and_leave_no_gap(
    tmp_path: Path, sources: Path, ports: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools, "FILE_BYTES", 20_000)
    monkeypatch.setattr(watched, "SWEEP_SECONDS", 0.5)
    monkeypatch.setattr(watched, "sweep", partial(spools.sweep, grace=0.0))
    stop = threading.Event()
    left: list[int] = []

    def send() -> None:
        for _ in range(200):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", ports["tcp"])).close()
                break
            time.sleep(0.1)
        with socket.create_connection(("127.0.0.1", ports["tcp"])) as sender:
            for at in range(40):
                lines = [b"<34>Mar  2 10:00:00 h app: n %d\n" % (at * 25 + n) for n in range(25)]
                sender.sendall(b"".join(lines))
                time.sleep(0.1)
            for _ in range(100):
                left.append(len(list((tmp_path / "home" / "spool" / "tcp").iterdir())))
                if left[-1] <= 1:
                    break
                time.sleep(0.2)
        stop.set()

    sender = threading.Thread(target=send)
    sender.start()
    home = tmp_path / "home"
    heard = Heard(stop, records=10**9)
    watch(WatchOptions([], home, judge_every=60, sources=read_sources(sources)), heard, stop)
    sender.join()
    assert left[-1] <= 1
    counted = Counter(messages(home))
    assert counted == Counter(f"n {number}" for number in range(1000))
    assert verify(home).ok


@contextlib.contextmanager
def running(home: Path, sources: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    run = "from hauberk.cli import main; main()"
    command = [sys.executable, "-c", run, "watch", "--home", home, "--sources", sources]
    with subprocess.Popen([str(one) for one in command], stdout=subprocess.DEVNULL) as process:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield process


SIZE, BODIES, MESSAGES = 100, 200, 20_000


class Poster:
    """Posts bodies, each once, and remembers which were answered with 200."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self.accepted: list[int] = []
        self.unsure: list[int] = []  # sent, and not answered

    def run(self) -> None:
        for number in range(BODIES):
            to = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            with contextlib.closing(to):
                try:
                    to.connect()
                except OSError:
                    time.sleep(0.2)
                    continue
                self._post(to, number)
            time.sleep(0.05)

    def _post(self, to: http.client.HTTPConnection, number: int) -> None:
        bearer = {"Authorization": f"Bearer {self._token}"}
        try:
            to.request("POST", "/v1/records/web", entries(number, SIZE), bearer)
            answered = to.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            answered = False
        (self.accepted if answered else self.unsure).append(number)


class Sender:
    """Sends numbered syslog messages, each once, over connections that may break.

    `safe` are those whose connection still stood a second later: syslog has no answers, and this
    is twenty times as long as a receiver may take to keep them.
    """

    def __init__(self, name: str, port: int, context: ssl.SSLContext | None) -> None:
        self._name = name
        self._port = port
        self._context = context
        self._next = 0
        self.safe: list[int] = []

    def run(self) -> None:
        while self._next < MESSAGES:
            try:
                with contextlib.ExitStack() as stack:
                    self._send(stack)
            except OSError:
                time.sleep(0.2)

    def _send(self, stack: contextlib.ExitStack) -> None:
        sender: socket.socket = stack.enter_context(
            socket.create_connection(("127.0.0.1", self._port))
        )
        if self._context is not None:
            wrapped = self._context.wrap_socket(sender, server_hostname="127.0.0.1")
            sender = stack.enter_context(wrapped)
        while self._next < MESSAGES:
            batch = range(self._next, min(self._next + 2000, MESSAGES))
            self._next = batch.stop
            name = self._name.encode()
            said = b"<34>1 2026-03-02T10:00:00Z h %s - - - %s %d\n"
            sender.settimeout(60)
            sender.sendall(b"".join(said % (name, name, one) for one in batch))
            time.sleep(1.0)
            sender.setblocking(False)
            with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
                if sender.recv(1) == b"":
                    return
            self.safe += batch


@pytest.mark.slow
def test_killed_at_any_moment_what_was_promised_is_stored_exactly_once(
    tmp_path: Path, sources: Path, ports: dict[str, int], tls_files: Path
) -> None:
    home = tmp_path / "home"
    chance = random.Random(7)
    web = Poster(ports["web"], Tokens(home).make("web"))
    context = ssl.create_default_context(cafile=tls_files / "ca.pem")
    syslog = {"tcp": Sender("tcp", ports["tcp"], None), "tls": Sender("tls", ports["tls"], context)}
    work = [web.run, *(one.run for one in syslog.values())]
    threads = [threading.Thread(target=one) for one in work]
    for kill in range(3):
        with running(home, sources, ports["tls"]) as process:
            if kill == 0:
                for one in threads:
                    one.start()
            time.sleep(chance.uniform(2, 5))
            os.kill(process.pid, signal.SIGKILL)
    with running(home, sources, ports["tls"]) as process:
        for one in threads:
            one.join()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    stop = threading.Event()
    heard = Heard(stop, 10**9)
    threading.Timer(15, stop.set).start()
    watch(WatchOptions([], home, sources=read_sources(sources)), heard, stop)

    counted = Counter(messages(home))
    assert set(counted.values()) == {1}
    stored = set(counted)

    def of_bodies(bodies: Sequence[int]) -> set[str]:
        return {f"web {body * SIZE + at}" for body in bodies for at in range(SIZE)}

    promised = of_bodies(web.accepted)
    promised |= {f"{name} {number}" for name, one in syslog.items() for number in one.safe}
    sent = of_bodies([*web.accepted, *web.unsure])
    sent |= {f"{name} {number}" for name in syslog for number in range(MESSAGES)}
    assert promised <= stored <= sent
    assert len(web.accepted) > 50
    assert all(len(one.safe) > 10_000 for one in syslog.values())
    # A body is taken whole or not at all.
    assert all(len(of_bodies([body]) & stored) in (0, SIZE) for body in web.unsure)
    assert verify(home).ok
