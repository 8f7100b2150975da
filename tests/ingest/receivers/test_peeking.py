"""How far a connection was read, by the kernel's count and by what the spool says."""

import os
import select
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ingest.receivers.kept import until

from hauberk.ingest.formats.envelope import enclose, envelope, header
from hauberk.ingest.receivers import spool
from hauberk.ingest.receivers.peeking import Place, places, taken_out

linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not count")

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)

Pair = tuple[socket.socket, socket.socket]

TOKENS = {a + b for a in "ab01" for b in "ab0123456789"}


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A sender's and a reader's end of a TCP connection."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as sender,
        listening.accept()[0] as reader,
    ):
        yield sender, reader


def has_come(reader: socket.socket, size: int) -> None:
    until(lambda: len(reader.recv(1 << 20, socket.MSG_PEEK)) >= size)


def has_ended(reader: socket.socket) -> None:
    asked = select.poll()
    asked.register(reader, select.POLLRDHUP)
    assert asked.poll(60_000)


@linux
def test_of_a_connection_that_brought_nothing_nothing_was_taken_out(pair: Pair) -> None:
    assert taken_out(pair[1]) == 0
    pair[0].shutdown(socket.SHUT_WR)
    has_ended(pair[1])
    assert taken_out(pair[1]) == 0


@linux
def test_what_was_only_looked_at_was_not_taken_out(pair: Pair) -> None:
    sender, reader = pair
    sender.sendall(b"x" * 1000)
    has_come(reader, 1000)
    assert taken_out(reader) == 0
    reader.recv(1)
    assert taken_out(reader) == 1
    reader.recv(399)
    assert taken_out(reader) == 400
    reader.recv(600)
    assert taken_out(reader) == 1000
    sender.sendall(b"y")
    has_come(reader, 1)
    assert taken_out(reader) == 1000


@linux
@pytest.mark.parametrize("size", [0, 1, 999, 1000])
def test_the_end_of_a_stream_is_no_byte_of_it(pair: Pair, size: int) -> None:
    sender, reader = pair
    sender.sendall(b"x" * 1000)
    sender.close()
    has_ended(reader)
    if size:
        assert len(reader.recv(size)) == size
    assert taken_out(reader) == size


@linux
def test_the_end_of_a_stream_is_no_byte_of_it_once_it_was_read(pair: Pair) -> None:
    sender, reader = pair
    sender.sendall(b"x" * 1000)
    sender.close()
    has_ended(reader)
    reader.recv(1000)
    assert reader.recv(1) == b""
    assert taken_out(reader) == 1000


@linux
def test_a_second_holder_of_a_connection_has_the_same_count(pair: Pair) -> None:
    sender, reader = pair
    sender.sendall(b"x" * 10)
    has_come(reader, 10)
    reader.recv(4)
    with socket.socket(fileno=os.dup(reader.fileno())) as again:
        reader.close()
        assert taken_out(again) == 4


def test_what_is_no_tcp_connection_is_not_counted() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        assert taken_out(ours) is None
        assert taken_out(datagrams) is None


def record(transport: str, sent: bytes = b"<34>x", sender: str = "10.0.0.1") -> bytes:
    return enclose(envelope(transport, sender, NOW), sent)


def write(folder: Path, number: int, *written: bytes) -> Path:
    path = folder / f"{number:010}.syslog.log"
    path.write_bytes(header("syslog", f"{number:016x}") + b"".join(written))
    return path


def test_a_spool_without_files_tells_of_no_place(tmp_path: Path) -> None:
    assert places(tmp_path / "none", TOKENS) == {}
    assert places(tmp_path, TOKENS) == {}
    write(tmp_path, 1)
    (tmp_path / "0000000002.syslog.log").touch()
    assert places(tmp_path, TOKENS) == {}


def test_the_last_look_at_each_connection_counts_with_all_its_records(tmp_path: Path) -> None:
    a, b = "0a" * 8, "0b" * 8
    write(
        tmp_path, 1, record(f"tcp/{a}/0"), record(f"tcp/{a}/0"), record(f"tcp/{b}/0"),
        record(f"tcp/{a}/12"), record(f"tcp/{b}/0"), record(f"tcp/{a}/12"), record(f"tcp/{a}/12"),
    )  # fmt: skip
    assert places(tmp_path, {a, b}) == {a: Place(12, 3), b: Place(0, 2)}
    assert places(tmp_path, {b}) == {b: Place(0, 2)}


def test_a_look_that_two_readers_kept_half_each_counts_together(tmp_path: Path) -> None:
    write(tmp_path, 1, record("tcp/aa/0"), record("tcp/aa/6"), record("tcp/aa/6"))
    write(tmp_path, 2, record("tcp/bb/0"), record("tcp/aa/6"))
    assert places(tmp_path, TOKENS) == {"aa": Place(6, 3), "bb": Place(0, 1)}


def test_a_line_that_was_torn_does_not_count(tmp_path: Path) -> None:
    whole = record("tcp/aa/6")
    for size in range(len(whole)):
        write(tmp_path, 1, record("tcp/aa/0"), whole, whole[:size])
        assert places(tmp_path, TOKENS) == {"aa": Place(6, 1)}


@pytest.mark.parametrize(
    "other",
    ["udp", "tcp", "tls", "http", "tcp/aa", "tcp/aa/", "tcp/aa/-1", "tcp/aa/x", "tcp/aa/9/9",
     "nats/E~1/5/4", "udp/aa/9", "/aa/9"],
)  # fmt: skip
def test_other_transports_tell_of_no_place(tmp_path: Path, other: str) -> None:
    write(tmp_path, 1, record("tcp/aa/3"), record(other))
    assert places(tmp_path, TOKENS) == {"aa": Place(3, 1)}


forged = record("tcp/aa/999")


@given(
    st.one_of(st.binary(), st.sampled_from([forged, b"\n" + forged, b"x\r\n" + forged + b"\n"])),
    st.sampled_from(["10.0.0.1", "-", "::1", "a tcp/aa/999"]),
)
def test_no_record_can_tell_of_a_place(
    tmp_path_factory: pytest.TempPathFactory, sent: bytes, sender: str
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    write(folder, 1, record("tcp/bb/7", sent, sender), record("udp", sent, sender))
    assert places(folder, TOKENS) == {"bb": Place(7, 1)}


def test_where_readers_were_killed_soon_all_their_small_files_are_looked_at(tmp_path: Path) -> None:
    for number in range(1, 13):
        write(tmp_path, number, record(f"tcp/{number:02}/{number}"))
    assert places(tmp_path, TOKENS) == {f"{number:02}": Place(number, 1) for number in range(1, 13)}


def test_of_large_files_only_the_newest_two_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [write(tmp_path, at, record(f"tcp/a{at}/1", b"x" * 1000)) for at in range(1, 5)]
    monkeypatch.setattr(spool, "FILE_BYTES", files[0].stat().st_size // 4)
    assert set(places(tmp_path, TOKENS)) == {"a3", "a4"}
