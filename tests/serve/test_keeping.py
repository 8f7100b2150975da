"""Sockets that the supervisor keeps: what it takes, what it hands on, and what a kill costs."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from benchmarks.service_manager import ServiceManager
from tests.serve.systems import System, free_port, system, wait

from hauberk.ingest.receivers import Said
from hauberk.serve import Notifier, keeping, tether
from hauberk.serve.keeping import Kept, pair
from hauberk.store import Home, verify

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no socket is kept")


def descriptors() -> set[str]:
    """What is open, without the handle by which it is looked at."""
    found = set()
    for one in list(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(FileNotFoundError):
            found.add(f"{one.name} {one.readlink()}")
    return found


class Part:
    """A part's end of what it asks at, and the supervisor's."""

    def __init__(self, kept: Kept) -> None:
        found = pair()
        assert found is not None
        self._kept = kept
        self.ours, self.theirs = found

    def says(self, message: bytes, *sent: int) -> None:
        socket.send_fds(self.theirs, [message], sent)
        self._kept.listen(self.ours, "watch")

    def asks(self, name: str, *sent: int, keep: bool = True) -> None:
        self.says(Said(name, keep).encode(), *sent)

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def kept() -> Iterator[Kept]:
    """One that keeps nothing yet, and whom no service manager started."""
    made = Kept(Notifier({}), {})
    yield made
    made.close()


@pytest.fixture
def part(kept: Kept) -> Iterator[Part]:
    """A part that asks it."""
    with contextlib.closing(Part(kept)) as made:
        yield made


@pytest.fixture
def held() -> Iterator[socket.socket]:
    """A socket to be kept."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def test_a_part_has_back_what_it_had_kept_and_no_other_part_has(
    kept: Kept, part: Part, held: socket.socket
) -> None:
    part.asks("listen.fw", held.fileno())
    assert list(kept.of("watch")) == ["listen.fw"]
    assert kept.of("watc") == kept.of("console") == {}
    descriptor = kept.of("watch")["listen.fw"]
    assert not os.get_inheritable(descriptor)
    with socket.socket(fileno=os.dup(descriptor)) as again:
        assert again.getsockname() == held.getsockname()


def test_what_is_to_be_forgotten_is_closed(kept: Kept, part: Part, held: socket.socket) -> None:
    before = descriptors()
    part.asks("listen.fw", held.fileno())
    assert len(descriptors()) == len(before) + 1
    part.asks("listen.other", keep=False)
    assert len(descriptors()) == len(before) + 1
    part.asks("listen.fw", keep=False)
    assert kept.of("watch") == {}
    assert descriptors() == before


def test_a_name_is_kept_once_until_it_is_forgotten(
    kept: Kept, part: Part, held: socket.socket
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        part.asks("listen.fw", held.fileno())
        before = descriptors()
        part.asks("listen.fw", other.fileno())
        assert descriptors() == before
        part.asks("listen.fw", keep=False)
        part.asks("listen.fw", other.fileno())
        with socket.socket(fileno=os.dup(kept.of("watch")["listen.fw"])) as again:
            assert again.getsockname() == other.getsockname()


@pytest.mark.parametrize(
    "message", [b"?", b"READY=1", b"FDSTORE=1\nFDNAME=A/B", b"\xff" * 4096, b"x" * 9000]
)
@pytest.mark.parametrize("many", [0, 1, 2, 4, 9])
def test_of_a_message_that_is_none_nothing_stays_open(
    kept: Kept, part: Part, held: socket.socket, message: bytes, many: int
) -> None:
    before = descriptors()
    part.says(message, *[held.fileno()] * many)
    assert kept.of("watch") == {}
    assert descriptors() == before


@pytest.mark.parametrize("many", [0, 2, 4, 9])
def test_a_name_without_the_one_socket_that_it_is_of_is_not_kept(
    kept: Kept, part: Part, held: socket.socket, many: int
) -> None:
    before = descriptors()
    part.asks("listen.fw", *[held.fileno()] * many)
    assert kept.of("watch") == {}
    assert descriptors() == before


def test_sockets_that_come_with_what_is_to_be_forgotten_are_closed(
    kept: Kept, part: Part, held: socket.socket
) -> None:
    before = descriptors()
    part.asks("listen.fw", held.fileno(), keep=False)
    assert kept.of("watch") == {}
    assert descriptors() == before


def test_what_is_no_socket_is_not_kept(kept: Kept, part: Part) -> None:
    ends = os.pipe()
    before = descriptors()
    part.asks("listen.fw", ends[0])
    assert kept.of("watch") == {}
    assert descriptors() == before
    for one in ends:
        os.close(one)


def test_no_more_are_kept_than_may_be(
    kept: Kept, part: Part, held: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MAX_HANDED", 3)
    before = descriptors()
    for number in range(6):
        part.asks(f"syslog.fw.{number}", held.fileno())
    assert len(kept.of("watch")) == 3
    assert len(descriptors()) == len(before) + 3
    part.asks("syslog.fw.1", keep=False)
    part.asks("syslog.fw.9", held.fileno())
    assert set(kept.of("watch")) == {"syslog.fw.0", "syslog.fw.2", "syslog.fw.9"}


def test_all_names_together_fit_into_one_variable(
    kept: Kept, part: Part, held: socket.socket
) -> None:
    for number in range(1200):
        part.asks(f"syslog.{'x' * 100}.{number:016}", held.fileno())
    names = ":".join(f"watch.{one}" for one in kept.of("watch"))
    assert 80_000 < len(names) < 128 << 10  # Linux: MAX_ARG_STRLEN


def test_what_is_kept_for_a_part_that_nobody_asks_for_is_let_go(
    kept: Kept, part: Part, held: socket.socket
) -> None:
    before = descriptors()
    part.asks("listen.fw", held.fileno())
    kept.only({"console"})
    assert kept.of("watch") == {}
    assert descriptors() == before


def test_the_end_of_a_part_is_told(kept: Kept, part: Part, held: socket.socket) -> None:
    assert kept.listen(part.ours, "watch") == 0
    socket.send_fds(part.theirs, [Said("a", keep=True).encode()], [held.fileno()])
    part.theirs.close()
    assert [kept.listen(part.ours, "watch"), kept.listen(part.ours, "watch")] == [1, None]


def test_a_part_that_has_gone_is_listened_to_until_its_last_word(
    kept: Kept, part: Part, held: socket.socket
) -> None:
    for number in range(20):
        socket.send_fds(part.theirs, [Said(f"a.{number}", keep=True).encode()], [held.fileno()])
    part.theirs.close()
    kept.listen(part.ours, "watch")
    assert len(kept.of("watch")) == 20


def test_a_service_manager_is_told_what_to_keep_and_what_to_let_go(
    tmp_path: Path, held: socket.socket
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        kept = Kept(Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")}), {})
        with contextlib.closing(Part(kept)) as part:
            part.asks("listen.fw", held.fileno())
            message, sent, _, _ = socket.recv_fds(manager, 4096, 4)
            with socket.socket(fileno=sent[0]) as theirs:
                assert theirs.getsockname() == held.getsockname()
            assert Said.decode(message) == Said("watch.listen.fw", keep=True)
            part.asks("listen.fw", keep=False)
            assert Said.decode(manager.recv(4096)) == Said("watch.listen.fw", keep=False)
        kept.close()


PART = """
import json, os, socket
from hauberk.ingest.receivers.keeping import Keeper
names = os.environ["LISTEN_FDNAMES"].split(":")
keeper = Keeper()
found = {name: one for name in names if (one := keeper.take(name))}
keeper.keep("more", found[names[0]])
print(json.dumps({name: one.getsockname()[1] for name, one in found.items()}))
"""


def test_a_part_is_started_with_its_sockets_and_with_whom_to_ask() -> None:
    with contextlib.ExitStack() as stack:
        listening = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in "abc"]
        listening.reverse()  # their numbers cross those at which they are to stand
        found = pair()
        assert found is not None
        ours, theirs = found
        given = [one.fileno() for one in listening]
        names = ["listen.a", "listen.b", "syslog.c"]
        with ours:
            done = subprocess.run(
                [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()),
                 str(theirs.fileno()), ",".join(map(str, given)), sys.executable, "-c", PART],
                env={**os.environ, "LISTEN_FDNAMES": ":".join(names)}, stdout=subprocess.PIPE,
                pass_fds=[*given, theirs.fileno()], timeout=120, check=True,
            )  # fmt: skip
            theirs.close()
            ports = [one.getsockname()[1] for one in listening]
            assert json.loads(done.stdout) == dict(zip(names, ports, strict=True))
            with contextlib.closing(Kept(Notifier({}), {})) as kept:
                kept.listen(ours, "watch")
                assert list(kept.of("watch")) == ["more"]


BATCH = 50


class Sender:
    """Sends numbered messages over one connection until it is enough."""

    def __init__(self, port: int) -> None:
        self.sent = 0
        self.error: OSError | None = None
        self.enough = threading.Event()
        self._port = port
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self.enough.set()
        self._thread.join(120)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=120) as to:
                while not self.enough.is_set():
                    numbers = range(self.sent, self.sent + BATCH)
                    said = b"<38>1 2026-03-02T10:00:00Z h app - - - number %d\n"
                    to.sendall(b"".join(said % one for one in numbers))
                    self.sent = numbers.stop
                    time.sleep(0.02)
        except OSError as error:
            self.error = error


def numbers(home: Path) -> Counter[str]:
    with Home.open(home, read_only=True) as opened:
        found = [
            opened.lake.scan(event_class, ["message"]).collect()
            for event_class in opened.lake.event_classes()
        ]
    rows = pl.concat(found)["message"] if found else pl.Series([], dtype=pl.String())
    return Counter(one for one in rows if one is not None and one.startswith("number "))


def start(made: System, manager: ServiceManager) -> None:
    """Start it until it is up; the parts of the one before may still have the home."""
    command = [sys.executable, "-m", "hauberk.cli", "up", "--home", str(made.home)]

    def is_up() -> bool:
        if made.process is None or made.process.poll() is not None:
            with made.out.open("ab") as out:
                made.process = manager.start(command, out)
        status = made.status()
        pid = status.get("holder", {}).get("pid")
        return status.get("state") == "up" and pid == made.process.pid

    wait(is_up, "everything to be up")


@pytest.mark.slow
def test_whoever_is_killed_a_sender_over_tcp_sees_nothing_and_each_message_is_stored_once(
    tmp_path: Path,
) -> None:
    chance = random.Random(11)
    with system(tmp_path) as made, ServiceManager() as manager:
        made.home.mkdir(mode=0o700)
        port = free_port()
        settings = made.home / "hauberk.toml"
        settings.write_text(
            '[console]\non = false\n\n[sources.hosts]\nkind = "syslog"\ntransport = "tcp"\n'
            f'listen = "127.0.0.1:{port}"\n'
        )
        settings.chmod(0o600)
        start(made, manager)
        sender = Sender(port)
        sender.start()
        wait(lambda: len(manager.kept) == 2, "the connection to be kept")
        kept = set(manager.kept)
        time.sleep(chance.uniform(0.2, 1.0))
        restarts = made.part("watch")["restarts"]
        os.kill(made.part("watch")["pid"], signal.SIGKILL)
        wait(lambda: made.part("watch")["restarts"] > restarts, "its death to be seen")
        wait(lambda: made.status().get("state") == "up", "the watch to be back")
        time.sleep(chance.uniform(0.2, 1.0))
        assert made.process is not None
        made.process.kill()
        made.process.wait()
        start(made, manager)
        assert set(manager.kept) == kept
        sender.join()
        assert sender.error is None
        wait(lambda: len(manager.kept) == 1, "the connection to be let go")
        expected = Counter(f"number {one}" for one in range(sender.sent))
        wait(lambda: len(numbers(made.home)) >= len(expected), "all to be stored")
        assert made.end() == 0
        assert numbers(made.home) == expected
        assert verify(made.home).ok
