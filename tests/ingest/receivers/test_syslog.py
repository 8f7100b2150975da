"""Syslog over real sockets: all of it, from whom, and no more than there is room for."""

import contextlib
import socket
import ssl
from collections import Counter
from pathlib import Path

import pytest
from tests.ingest.receivers.kept import until

from hauberk.errors import UsageError
from hauberk.ingest.formats.envelope import opened
from hauberk.ingest.receivers import (
    Kind,
    Receiving,
    Source,
    Sources,
    Tls,
    Transport,
    syslog_tcp,
)


def listening(transport: Transport, tls: Tls | None = None, max_spool: int = 1 << 30) -> Sources:
    source = Source("fw", Kind.SYSLOG, address=("127.0.0.1", 0), transport=transport, tls=tls)
    return Sources((source,), max_spool)


def records(home: Path) -> list[bytes]:
    found = []
    for path in sorted((home / "spool").rglob("*.log")):
        for line in path.read_bytes().split(b"\n")[1:-1]:
            one = opened(line)
            assert one is not None
            assert one.sender == b"127.0.0.1"
            found.append(one.sent)
    return found


def client_context(files: Path, name: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=files / "ca.pem")
    if name is not None:
        context.load_cert_chain(files / f"{name}.pem", files / f"{name}.key")
    return context


def test_twenty_thousand_messages_over_tcp_arrive_in_order(tmp_path: Path) -> None:
    sent = [b"<34>Mar  2 10:00:00 h app: %d" % number for number in range(20_000)]
    with Receiving(listening(Transport.TCP), tmp_path) as receiving:
        with socket.create_connection(("127.0.0.1", receiving.ports["fw"])) as sender:
            for at in range(0, len(sent), 500):
                sender.sendall(b"".join(one + b"\n" for one in sent[at : at + 500]))
        until(lambda: receiving.counted["fw"].records == len(sent))
    assert records(tmp_path) == sent


def test_twenty_thousand_messages_over_tls_arrive_in_order(tmp_path: Path, tls_files: Path) -> None:
    sent = [b"<34>1 2026-03-02T10:00:00Z h app - - - %d\nmore" % number for number in range(20_000)]
    tls = Tls(tls_files / "server.pem", tls_files / "server.key")
    with Receiving(listening(Transport.TLS, tls), tmp_path) as receiving:
        with (
            socket.create_connection(("127.0.0.1", receiving.ports["fw"])) as plain,
            client_context(tls_files).wrap_socket(plain, server_hostname="127.0.0.1") as sender,
        ):
            for at in range(0, len(sent), 500):
                sender.sendall(b"".join(b"%d %s" % (len(x), x) for x in sent[at : at + 500]))
        until(lambda: receiving.counted["fw"].records == len(sent))
    assert records(tmp_path) == sent


@pytest.mark.parametrize(("name", "let_in"), [("client", True), ("stranger", False), (None, False)])
def test_where_clients_are_named_none_without_their_certificate_is_let_in(
    tmp_path: Path, tls_files: Path, name: str | None, let_in: bool
) -> None:
    tls = Tls(tls_files / "server.pem", tls_files / "server.key", tls_files / "ca.pem")
    with Receiving(listening(Transport.TLS, tls), tmp_path) as receiving:
        try:
            with (
                socket.create_connection(("127.0.0.1", receiving.ports["fw"])) as plain,
                client_context(tls_files, name).wrap_socket(
                    plain, server_hostname="127.0.0.1"
                ) as sender,
            ):
                sender.sendall(b"<34>hello\n")
                sender.unwrap()
        except OSError:
            assert not let_in
        if let_in:
            until(lambda: receiving.counted["fw"].records == 1)
    assert records(tmp_path) == ([b"<34>hello"] if let_in else [])


def test_plain_text_to_a_tls_port_is_no_message(tmp_path: Path, tls_files: Path) -> None:
    tls = Tls(tls_files / "server.pem", tls_files / "server.key")
    with (
        Receiving(listening(Transport.TLS, tls), tmp_path) as receiving,
        socket.create_connection(("127.0.0.1", receiving.ports["fw"])) as sender,
        contextlib.suppress(ConnectionResetError),
    ):
        sender.sendall(b"<34>Mar  2 10:00:00 h app: x\n")
        sender.settimeout(5)
        while sender.recv(100):
            pass
    assert records(tmp_path) == []


def test_every_datagram_is_kept_or_counted_as_lost(tmp_path: Path) -> None:
    sent = 20_000
    with Receiving(listening(Transport.UDP), tmp_path) as receiving:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(sent):
                sender.sendto(b"<34>%d" % number, ("127.0.0.1", receiving.ports["fw"]))
        counted = receiving.counted["fw"]
        until(lambda: counted.records + counted.dropped == sent)
    kept = records(tmp_path)
    assert len(kept) == counted.records
    assert max(Counter(kept).values()) == 1


def test_a_full_spool_loses_datagrams_and_counts_them(tmp_path: Path) -> None:
    with Receiving(listening(Transport.UDP, max_spool=0), tmp_path) as receiving:
        until(lambda: receiving.full)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(50):
                sender.sendto(b"<34>x", ("127.0.0.1", receiving.ports["fw"]))
        until(lambda: receiving.counted["fw"].dropped == 50)
    assert records(tmp_path) == []


def test_a_full_spool_holds_tcp_senders_back_and_loses_nothing(tmp_path: Path) -> None:
    line = b"<34>" + b"x" * 1000 + b"\n"
    with Receiving(listening(Transport.TCP, max_spool=1), tmp_path) as receiving:
        with socket.create_connection(("127.0.0.1", receiving.ports["fw"])) as sender:
            sender.sendall(line)
            until(lambda: receiving.counted["fw"].records == 1)
            until(lambda: receiving.full)
            sender.settimeout(1)
            sent = len(line)
            with contextlib.suppress(TimeoutError):
                while sent < 1 << 30:
                    sent += sender.send(line * 20)
            assert sent < 1 << 30
            assert receiving.counted["fw"].held_back >= 1
            # Room is made: what was held back comes through, whole.
            spool = receiving._spool
            assert spool is not None
            spool._max_bytes = 1 << 30
            sender.settimeout(30)
            sender.sendall(b"\n<34>end\n")
        until(lambda: records(tmp_path)[-1:] == [b"<34>end"])
    assert sum(len(one) + 1 for one in records(tmp_path)[:-1]) in (sent, sent + 1)


def test_senders_that_say_nothing_cost_nobody_else_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog_tcp, "MAX_CONNECTIONS", 20)
    with Receiving(listening(Transport.TCP), tmp_path) as receiving:
        port = receiving.ports["fw"]
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        until(lambda: receiving.counted["fw"].connections == 20)
        with socket.create_connection(("127.0.0.1", port)) as late:
            assert late.recv(1) == b""
        for one in idle[1:]:
            one.close()
        until(lambda: receiving.counted["fw"].connections == 1)
        with socket.create_connection(("127.0.0.1", port)) as sender:
            sender.sendall(b"<34>heard\n")
        until(lambda: receiving.counted["fw"].records == 1)
        idle[0].close()
        assert receiving.counted["fw"].refused == 1
    assert records(tmp_path) == [b"<34>heard"]


def test_an_address_in_use_is_told_by_source_and_place(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        source = Source(
            "fw", Kind.SYSLOG, address=("127.0.0.1", taken.getsockname()[1]),
            transport=Transport.TCP,
        )  # fmt: skip
        with (
            pytest.raises(UsageError, match=r"fw, tcp://127\.0\.0\.1"),
            Receiving(Sources((source,)), tmp_path),
        ):
            pass


def test_a_file_that_is_no_certificate_is_told_by_source(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    with (
        pytest.raises(UsageError, match="fw: its certificate"),
        Receiving(listening(Transport.TLS, Tls(wrong, wrong)), tmp_path),
    ):
        pass
