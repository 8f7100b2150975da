"""A NATS server and a Kafka broker of one's own, and a receiver in another process."""

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

RECEIVER = """
import sys, time
from pathlib import Path
from hauberk.ingest.receivers import Receiving, read_sources
if sys.argv[3:]:
    from hauberk.ingest.receivers import kafka_bus
    kafka_bus.IDS_SECONDS = float(sys.argv[3])  # the broker of the tests knows no ids
with Receiving(read_sources(Path(sys.argv[1])), Path(sys.argv[2])) as receiving:
    print("reading", flush=True)
    while not sys.stdin.closed and sys.stdin.readline():
        pass
"""

BROKER = """
import sys
from confluent_kafka import Producer
made = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "-", "log_level": 0})
broker = next(iter(made.list_topics("_", timeout=10).brokers.values()))
print(f"{broker.host}:{broker.port}", flush=True)
sys.stdin.read()
"""


class NatsServer:
    """A nats-server with JetStream in a folder, which can be killed and started again."""

    def __init__(self, program: str, folder: Path, *arguments: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"nats://127.0.0.1:{self.port}"
        self._command = [program, "-js", "-sd", str(folder), "-a", "127.0.0.1",
                         "-p", str(self.port), *arguments]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(
                ("127.0.0.1", self.port), timeout=1
            ) as found:  # fmt: skip
                if found.recv(4) == b"INFO":
                    return
            assert time.monotonic() < end, "nats-server does not start"
            time.sleep(0.05)

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[Callable[..., NatsServer]]:
    """Starts servers; each has a folder of its own."""
    program = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
    if program is None:
        pytest.skip("there is no nats-server (Debian: apt-get install nats-server)")
    servers: list[NatsServer] = []

    def begun(*arguments: str) -> NatsServer:
        servers.append(NatsServer(program, tmp_path / f"jetstream{len(servers)}", *arguments))
        servers[-1].start()
        return servers[-1]

    yield begun
    for one in servers:
        one.kill()


@pytest.fixture
def kafka_broker() -> Iterator[str]:
    """The address of librdkafka's own broker, which speaks the protocol in another process."""
    pytest.importorskip("confluent_kafka")
    process = subprocess.Popen(
        [sys.executable, "-c", BROKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    yield process.stdout.readline().decode().strip()
    process.kill()
    process.wait()


@pytest.fixture
def receiver() -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Starts receivers of a sources file and a home in processes of their own."""
    running: list[subprocess.Popen[bytes]] = []

    def begun(sources: Path, home: Path, *more: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-c", RECEIVER, str(sources), str(home), *more],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"reading\n"
        return process

    yield begun
    for one in running:
        one.kill()
        one.wait()
