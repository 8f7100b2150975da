"""Syslog over plain TCP from reader to reader: each message once, whoever is killed, and when."""

import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from benchmarks.service_manager import ServiceManager
from tests.ingest.receivers.kept import lines, until

from hauberk.ingest.receivers import Kind, Receiving, Source, Sources, Transport, syslog_tcp
from hauberk.ingest.receivers.peeking import HELD_BYTES, taken_out

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no socket is kept")

CLOSE, CLOSE_WAIT = b"\7", b"\10"  # of tcpi_state

SERVICE = """
import signal, sys
from pathlib import Path
from hauberk.ingest.receivers import Receiving, read_sources
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
with Receiving(read_sources(Path(sys.argv[1])), Path(sys.argv[2])):
    print("reading", flush=True)
    signal.sigwait({signal.SIGTERM})
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


class Service:
    """A receiver in a process of its own, whose sockets a service manager keeps."""

    def __init__(self, manager: ServiceManager, folder: Path) -> None:
        self.manager = manager
        self.home = folder / "home"
        self.home.mkdir()
        self.port = 0
        self._sources = folder / "sources.toml"
        self._out = folder / "out"
        self._out.touch()
        self._process: subprocess.Popen[bytes] | None = None
        self.listen("fw", free_port())

    def listen(self, name: str, port: int) -> None:
        """What the next reader listens to."""
        self.port = port
        self.listen_all((name, "tcp", f"127.0.0.1:{port}"))

    def listen_all(self, *sources: tuple[str, str, str]) -> None:
        """Name, transport and address of all that the next reader listens to."""
        self._sources.write_text("".join(
            f'[[source]]\nname = "{name}"\nkind = "syslog"\ntransport = "{transport}"\n'
            f'listen = "{address}"\n'
            for name, transport, address in sources
        ))  # fmt: skip

    def start(self) -> int:
        """Begin to read; the process's number."""
        before = self._said()
        command = [sys.executable, "-c", SERVICE, str(self._sources), str(self.home)]
        with self._out.open("ab") as out:
            self._process = self.manager.start(command, out)
        until(lambda: self._said() > before)
        return self._process.pid

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            code = self._process.wait(60)
            self._process = None
            assert code == (0 if number is signal.SIGTERM else -number), self._out.read_text()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=120)

    @property
    def connections(self) -> list[str]:
        """The names of the connections that are kept now."""
        return [one for one in dict(self.manager.kept) if one.startswith("syslog.")]

    def other_end(self) -> socket.socket:
        """The reader's end of the only connection, as the manager holds it."""
        until(lambda: len(self.connections) == 1)
        return socket.socket(fileno=os.dup(self.manager.kept[self.connections[0]]))

    def records(self) -> list[bytes]:
        return [record for _, record in lines(self.home)]

    def by_connection(self) -> dict[str, list[bytes]]:
        found: dict[str, list[bytes]] = {}
        for transport, record in lines(self.home):
            found.setdefault(transport.split("/")[1], []).append(record)
        return found

    def _said(self) -> int:
        said = self._out.read_text()
        assert "Error" not in said, said
        return said.count("reading\n")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """One that nobody has started yet."""
    with ServiceManager() as manager:
        made = Service(manager, tmp_path)
        yield made
        made.end()


class Sender:
    """Sends made messages over one connection until `enough`, in blocks of any size."""

    def __init__(
        self,
        to: socket.socket,
        make: Callable[[int, random.Random], tuple[bytes, bytes]],
        enough: threading.Event,
        last: bytes = b"",
    ) -> None:
        self.sent: list[bytes] = []
        self.error: OSError | None = None
        self._to = to
        self._make = make
        self._enough = enough
        self._last = last
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(120)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        chance = random.Random(len(self._last))
        number = 0
        try:
            with self._to as to:
                while not self._enough.is_set():
                    block = b""
                    for _ in range(chance.randint(1, 30)):
                        message, framed = self._make(number, chance)
                        block += framed
                        number += 1
                        if message:
                            self.sent.append(message)
                    while block:
                        size = chance.randint(1, 50_000)
                        to.sendall(block[:size])
                        block = block[size:]
                    time.sleep(chance.uniform(0, 0.01))
                to.sendall(self._last)
                if self._last:
                    self.sent.append(self._last)
        except OSError as error:
            self.error = error


def a_line(number: int, _: random.Random) -> tuple[bytes, bytes]:
    message = b"<34>line %d" % number
    return message, message + b"\n"


def a_counted(number: int, _: random.Random) -> tuple[bytes, bytes]:
    message = b"<34>counted %d\nof two\r\nor three lines" % number
    return message, b"%d %s" % (len(message), message)


def of_any_size(number: int, chance: random.Random) -> tuple[bytes, bytes]:
    if number % 7 == 3:
        return b"", b"\n"
    size = min(40_000, int(2 ** chance.uniform(0, 15.5)))
    message = (b"any %d " % number).ljust(size, b"x")[:size].rstrip()
    return message, message + chance.choice([b"\n", b"\r\n"])


@linux
@pytest.mark.slow
def test_killed_at_any_moment_each_message_is_kept_once_and_in_order(service: Service) -> None:
    chance, enough = random.Random(5), threading.Event()
    service.start()
    senders = [
        Sender(service.connect(), a_line, enough),
        Sender(service.connect(), a_counted, enough),
        Sender(service.connect(), of_any_size, enough, b"<34>the last, which has no end"),
    ]
    until(lambda: len(service.connections) == 3)
    for _ in range(8):
        time.sleep(chance.uniform(0, 0.6))
        service.end()
        service.start()
    enough.set()
    for one in senders:
        one.join()
        assert one.error is None
    until(lambda: not service.connections)
    service.end(signal.SIGTERM)
    found = service.by_connection()
    assert all(len(one.sent) > 1000 for one in senders)
    assert {b"".join(one.sent[:3]): one.sent for one in senders} == {
        b"".join(one[:3]): one for one in found.values()
    }
    assert len(found) == 3


@linux
def test_who_connects_and_sends_while_nobody_reads_is_heard_by_the_next(service: Service) -> None:
    service.start()
    until(lambda: f"listen.tcp.127.0.0.1.{service.port}" in service.manager.kept)
    service.end()
    with service.connect() as stays:
        stays.sendall(b"<34>stays\n")
        with service.connect() as goes:
            goes.sendall(b"<34>goes\n<34>without an end")
        service.start()
        until(lambda: len(service.records()) == 3)
        stays.sendall(b"<34>more\n")
        until(lambda: len(service.records()) == 4)
    assert sorted(service.by_connection().values()) == [
        [b"<34>goes", b"<34>without an end"], [b"<34>stays", b"<34>more"]
    ]  # fmt: skip


@linux
def test_a_connection_is_kept_for_as_long_as_its_sender_wants(service: Service) -> None:
    service.start()
    with service.connect(), service.connect() as goes:
        until(lambda: len(service.connections) == 2)
        goes.sendall(b"<34>bye\n")
        both = set(service.connections)
        goes.shutdown(socket.SHUT_WR)
        assert goes.recv(1) == b""
        until(lambda: len(service.connections) == 1)
        service.end()
        service.start()
        assert set(service.connections) < both
    until(lambda: not service.connections)
    assert service.records() == [b"<34>bye"]


@linux
def test_a_sender_that_went_while_nobody_read_is_let_go_by_the_next(service: Service) -> None:
    service.start()
    with service.connect() as sender:
        until(lambda: len(service.connections) == 1)
        service.end()
        sender.sendall(b"<34>last words")
    service.start()
    until(lambda: not service.connections)
    assert service.records() == [b"<34>last words"]


@linux
@pytest.mark.parametrize("ended_before", [False, True])
def test_a_sender_that_was_cut_off_while_nobody_read_is_heard_by_the_next(
    service: Service, ended_before: bool
) -> None:
    sent = b"<34>read\n<34>whole\n<34>half"
    service.start()
    with service.connect() as sender, service.other_end() as held:
        sender.sendall(sent[:9])
        until(lambda: taken_out(held) == 9)
        service.end()
        sender.sendall(sent[9:])
        until(lambda: len(held.recv(100, socket.MSG_PEEK)) == len(sent) - 9)
        if ended_before:
            sender.shutdown(socket.SHUT_WR)
            until(lambda: held.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == CLOSE_WAIT)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sender.close()
        until(lambda: held.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == CLOSE)
    service.start()
    until(lambda: not service.connections)
    assert service.records() == sent.split(b"\n")


@linux
def test_the_sockets_of_a_source_that_is_gone_are_let_go_of(service: Service) -> None:
    service.start()
    was = service.port
    with service.connect() as sender:
        until(lambda: len(service.connections) == 1)
        service.end(signal.SIGTERM)
        service.listen("other", free_port())
        service.start()
        until(lambda: set(service.manager.kept) == {f"listen.tcp.127.0.0.1.{service.port}"})
        assert sender.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", was))


Given = tuple[tuple[str, str, str], ...]


@linux
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((("fw", "tcp", "127.0.0.1:{0}"), ("fw2", "tcp", "127.0.0.1:{1}")),) * 2,
        ((("fw", "tcp", "127.0.0.1:{0}"),), (("new", "tcp", "127.0.0.1:{0}"),)),
        (
            (("a", "tcp", "127.0.0.1:{0}"), ("b", "tcp", "127.0.0.1:{1}")),
            (("a", "tcp", "127.0.0.1:{1}"), ("b", "tcp", "127.0.0.1:{0}")),
        ),
        ((("fw", "tcp", "127.0.0.1:{0}"),), (("fw", "udp", "127.0.0.1:{0}"),)),
        ((("fw", "udp", "127.0.0.1:{0}"),), (("fw", "tcp", "127.0.0.1:{0}"),)),
        ((("fw", "udp", "127.0.0.1:{0}"),), (("fw", "udp", "0.0.0.0:{0}"),)),
        ((("fw", "tcp", "127.0.0.1:{0}"),), (("fw", "tcp", "0.0.0.0:{0}"),)),
        ((("fw", "tcp", "localhost:{0}"),), (("fw", "tcp", "127.0.0.1:{0}"),)),
        ((("fw", "tcp", "localhost:{0}"),), (("fw", "tcp", "localhost:{0}"),)),
    ],
)
def test_after_a_kill_sources_may_be_others_at_the_same_addresses(
    service: Service, before: Given, after: Given
) -> None:
    ports = free_port(), free_port()

    def filled(sources: Given) -> Given:
        return tuple((name, kind, at.format(*ports)) for name, kind, at in sources)

    service.listen_all(*filled(before))
    service.start()
    until(lambda: len(service.manager.kept) == len(before))
    service.end()
    service.listen_all(*filled(after))
    service.start()
    for number, (_, kind, at) in enumerate(filled(after)):
        line, to = b"<34>heard %d\n" % number, ("127.0.0.1", int(at.rpartition(":")[2]))
        if kind == "udp":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(line, to)
        else:
            with socket.create_connection(to) as sender:
                sender.sendall(line)
    until(lambda: len(service.records()) == len(after))
    assert sorted(service.records()) == [b"<34>heard %d" % at for at in range(len(after))]


@linux
def test_datagrams_that_come_while_nobody_reads_are_heard_by_the_next(service: Service) -> None:
    service.listen_all(("fw", "udp", f"127.0.0.1:{service.port}"))
    service.start()
    until(lambda: len(service.manager.kept) == 1)
    service.end()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(20):
            sender.sendto(b"<34>%d" % number, ("127.0.0.1", service.port))
    service.start()
    until(lambda: len(service.records()) == 20)


@linux
def test_a_source_that_listens_elsewhere_is_no_longer_heard_where_it_was(service: Service) -> None:
    service.start()
    was = service.port
    with service.connect() as sender:
        until(lambda: len(service.connections) == 1)
        service.end()
        service.listen("fw", free_port())
        service.start()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", was))
        sender.sendall(b"<34>who is connected stays so\n")
        with service.connect() as new:
            new.sendall(b"<34>new\n")
        until(lambda: len(service.records()) == 2)
    assert sorted(service.records()) == [b"<34>new", b"<34>who is connected stays so"]


@linux
@pytest.mark.slow
def test_an_orderly_stop_leaves_connections_open_and_loses_nothing(service: Service) -> None:
    enough = threading.Event()
    service.start()
    sender = Sender(service.connect(), of_any_size, enough, b"<34>end")
    for stop in range(1, 4):
        until(lambda stop=stop: len(service.records()) > 100 * stop)  # type: ignore[misc]
        service.end(signal.SIGTERM)
        service.start()
    enough.set()
    sender.join()
    until(lambda: not service.connections)
    assert sender.error is None
    assert list(service.by_connection().values()) == [sender.sent]


@linux
def test_after_a_kill_amid_a_message_short_ones_are_heard_at_once_again(service: Service) -> None:
    service.start()
    with service.connect() as sender, service.other_end() as held:
        sender.sendall(b"<34>" + b"x" * 30_000)
        until(lambda: held.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) > 30_000)
        service.end()
        service.start()
        sender.sendall(b"\n")
        until(lambda: len(service.records()) == 1)
        sender.sendall(b"<34>short\n")
        until(lambda: len(service.records()) == 2)
    assert service.records() == [b"<34>" + b"x" * 30_000, b"<34>short"]


@linux
def test_what_follows_a_long_message_whose_end_came_alone_is_kept(service: Service) -> None:
    message = b"<34>" + b"x" * HELD_BYTES
    service.start()
    with service.connect() as sender, service.other_end() as held:
        sender.sendall(message)
        until(lambda: taken_out(held) == len(message))
        sender.sendall(b"\n")
        until(lambda: taken_out(held) == len(message) + 1)
        service.end()
        sender.sendall(b"<34>next\n")
        service.start()
        sender.sendall(b"<34>last\n")
        until(lambda: service.records()[-1:] == [b"<34>last"])
    assert service.records() == [message, b"<34>next", b"<34>last"]


@linux
def test_half_a_message_that_does_not_go_on_costs_nothing(service: Service) -> None:
    pid = service.start()
    with service.connect() as sender, service.other_end() as held:
        sender.sendall(b"<34>" + b"x" * 30_000)
        until(lambda: held.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) > 30_000)
        before = cpu_seconds(pid)
        time.sleep(1.0)
        assert cpu_seconds(pid) - before < 0.15


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def in_process(work: Callable[[socket.socket, Receiving], None], home: Path) -> list[bytes]:
    """What is kept of what `work` sends where nobody keeps sockets."""
    source = Source("fw", Kind.SYSLOG, address=("127.0.0.1", 0), transport=Transport.TCP)
    with (
        Receiving(Sources((source,)), home) as receiving,
        socket.create_connection(("127.0.0.1", receiving.ports["fw"])) as sender,
    ):
        work(sender, receiving)
    return [record for _, record in lines(home)]


def test_without_a_keeper_all_that_was_sent_and_seen_is_kept(tmp_path: Path) -> None:
    sent = [of_any_size(number, random.Random(number)) for number in range(500)]
    messages = [message for message, _ in sent if message]

    def work(sender: socket.socket, receiving: Receiving) -> None:
        sender.sendall(b"".join(framed for _, framed in sent))
        until(lambda: receiving.counted["fw"].records == len(messages))
        sender.close()
        until(lambda: receiving.counted["fw"].connections == 0)

    assert in_process(work, tmp_path) == messages


@pytest.mark.parametrize("block", [400, 30_000])
@pytest.mark.parametrize("counted", [False, True])
def test_a_long_message_that_comes_in_small_blocks_is_one_record(
    tmp_path: Path, block: int, counted: bool
) -> None:
    message = b"<34>" + b"0123456789" * 10_000
    framed = b"%d %s" % (len(message), message) if counted else message + b"\n"

    def work(sender: socket.socket, receiving: Receiving) -> None:
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(framed), block):
            sender.sendall(framed[at : at + block])
            time.sleep(0.001)
        sender.sendall(b"<34>next\n")
        until(lambda: receiving.counted["fw"].records == 2)
        assert receiving.counted["fw"].cut == 0

    assert in_process(work, tmp_path) == [message, b"<34>next"]


@pytest.mark.parametrize("counted", [False, True])
def test_a_message_that_is_too_long_is_cut_and_counted(tmp_path: Path, counted: bool) -> None:
    message = b"<34>" + b"x" * 1_000_000
    framed = b"%d %s" % (len(message), message) if counted else message + b"\n"

    def work(sender: socket.socket, receiving: Receiving) -> None:
        sender.sendall(framed + b"<34>next\n")
        until(lambda: receiving.counted["fw"].records == 2)
        assert receiving.counted["fw"].cut == 1

    assert in_process(work, tmp_path) == [message[: 256 << 10], b"<34>next"]


def test_a_connection_that_is_reset_leaves_what_it_had_sent(tmp_path: Path) -> None:
    def work(sender: socket.socket, receiving: Receiving) -> None:
        sender.sendall(b"<34>whole\n<34>half")
        until(lambda: receiving.counted["fw"].records == 1)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sender.close()
        until(lambda: receiving.counted["fw"].connections == 0)

    assert in_process(work, tmp_path)[:1] == [b"<34>whole"]


def test_who_connects_in_crowds_is_let_in_up_to_the_bound_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog_tcp, "MAX_CONNECTIONS", 100)
    source = Source("fw", Kind.SYSLOG, address=("127.0.0.1", 0), transport=Transport.TCP)
    with Receiving(Sources((source,)), tmp_path) as receiving:
        loop, port = receiving._loop, receiving.ports["fw"]
        assert loop is not None
        held = threading.Event()
        loop.call_soon_threadsafe(held.wait)  # all of them wait to be accepted at once
        crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        held.set()
        counted = receiving.counted["fw"]
        until(lambda: counted.connections == 100 and counted.refused == 100)
        crowd[0].sendall(b"<34>heard\n")
        until(lambda: counted.records == 1)
        for one in crowd:
            one.close()
