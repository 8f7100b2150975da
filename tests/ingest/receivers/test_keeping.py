"""What is said to a keeper of sockets, and what is had of it."""

import json
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.ingest.receivers import Said
from hauberk.ingest.receivers.keeping import FIRST, KEEPER, Keeper

names = st.from_regex(r"[a-z0-9.-]{1,200}", fullmatch=True)
linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no keeper")

HANDED = f"""
import fcntl, json, os, socket, sys
from hauberk.ingest.receivers import handed
ours, theirs = socket.socketpair()
asked = [ours.fileno(), os.pipe()[0], theirs.fileno()]  # what is in the middle is no socket
for number, one in enumerate([fcntl.fcntl(one, fcntl.F_DUPFD, 50) for one in asked], {FIRST}):
    os.dup2(one, number)
answers = []
for case in json.loads(sys.argv[1]):
    found = handed({{name: said.replace("PID", str(os.getpid())) for name, said in case.items()}})
    assert not any(one.getblocking() or one.get_inheritable() for one in found.values())
    answers.append({{name: one.detach() for name, one in found.items()}})
print(json.dumps(answers))
"""


def handed_to_a_process(*cases: Mapping[str, str]) -> list[dict[str, int]]:
    """What a process finds whose descriptors 3 and 5 are sockets and whose 4 is none."""
    done = subprocess.run(
        [sys.executable, "-c", HANDED, json.dumps(cases)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[dict[str, int]] = json.loads(done.stdout)
    return found


def told(pid: str, many: str, names: Sequence[str]) -> dict[str, str]:
    return {"LISTEN_PID": pid, "LISTEN_FDS": many, "LISTEN_FDNAMES": ":".join(names)}


@given(names, st.booleans())
def test_what_is_said_is_understood(name: str, keep: bool) -> None:
    assert Said.decode(Said(name, keep).encode()) == Said(name, keep)


@given(names, st.booleans(), st.data())
def test_a_mangled_message_is_none_or_one_that_could_have_been_said(
    name: str, keep: bool, data: st.DataObject
) -> None:
    message = bytearray(Said(name, keep).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(message) - 1))
        message[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=3))
        message = message or bytearray(b"=")
    said = Said.decode(bytes(message))
    assert said is None or Said.decode(said.encode()) == said


@given(st.binary())
def test_bytes_of_any_kind_are_no_message(message: bytes) -> None:
    assert Said.decode(message) is None


@pytest.mark.parametrize(
    "message",
    [
        b"", b"FDNAME=a", b"FDSTORE=1", b"FDSTORE=1\nFDNAME=", b"FDSTORE=0\nFDNAME=a",
        b"FDSTORE=11\nFDNAME=a", b"FDSTOREREMOVE=0\nFDNAME=a", b"READY=1\nFDNAME=a",
        b"FDSTORE=1\nFDNAME=A", b"FDSTORE=1\nFDNAME=a b", b"FDSTORE=1\nFDNAME=a:b",
        b"FDSTORE=1\nFDNAME=a/b", b"FDSTORE=1\nFDNAME=\xc3\xa4", b"FDSTORE=1\nFDNAME=a\0",
        b"FDSTORE=1\nFDNAME=a\r", b"FDSTORE=1\nFDNAME=" + b"a" * 201, b"\xff\xfe",
        b" FDSTORE=1\nFDNAME=a", b"FDSTORE =1\nFDNAME=a",
    ],
)  # fmt: skip
def test_what_asks_for_nothing_or_names_nothing_is_no_message(message: bytes) -> None:
    assert Said.decode(message) is None


@linux
def test_sockets_are_handed_to_the_process_that_they_are_for_and_no_other() -> None:
    three = ["first", "second", "third"]
    assert handed_to_a_process(
        told("PID", "3", three), told("1", "3", three), told("", "3", three),
        told("PID1", "3", three), {"LISTEN_FDS": "3", "LISTEN_FDNAMES": "a:b:c"}, {},
    ) == [{"first": 3, "third": 5}, {}, {}, {}, {}, {}]  # fmt: skip


@linux
def test_no_number_of_sockets_that_is_none_has_any_handed() -> None:
    three = ["first", "second", "third"]
    numbers = ["", "-3", "3.0", "x", "٣", "³", " 3", "1", "0", "9" * 4000]
    found = handed_to_a_process(*(told("PID", one, three) for one in numbers))
    assert found == [{}] * 7 + [{"first": 3}, {}, {"first": 3, "third": 5}]


@linux
def test_sockets_without_a_good_name_are_not_handed() -> None:
    assert handed_to_a_process(
        told("PID", "3", ["First", "", "third"]), told("PID", "3", ["a b", "b", "c/d"]),
        told("PID", "3", ["x" * 201, "b", "x" * 200]), told("PID", "3", []),
        told("PID", "3", ["first"]), told("PID", "3", ["a", "b", "c", "d", "e"]),
    ) == [{"third": 5}, {}, {"x" * 200: 5}, {}, {"first": 3}, {"a": 3, "c": 5}]  # fmt: skip


@pytest.mark.parametrize(
    "environment",
    [{}, {KEEPER: "x"}, {KEEPER: "99999"}, {KEEPER: "-1"}, {"NOTIFY_SOCKET": "/none/at/all"},
     {"NOTIFY_SOCKET": "@" + "x" * 300}, {"NOTIFY_SOCKET": ""}],
)  # fmt: skip
def test_without_a_keeper_nothing_is_kept_and_nothing_goes_wrong(
    environment: dict[str, str],
) -> None:
    keeper = Keeper(environment)
    with socket.create_server(("127.0.0.1", 0)) as held:
        assert keeper.take("listen.fw") is None
        assert keeper.taken("listen.") == {}
        keeper.keep("syslog.fw.00", held)
        keeper.forget("syslog.fw.00")
        keeper.forget_rest()
        keeper.close()
        keeper.keep("syslog.fw.00", held)


@linux
def test_a_keeper_is_sent_what_it_is_to_keep() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, socket.create_server(("127.0.0.1", 0)) as held:
        keeper = Keeper({KEEPER: str(theirs.detach())})
        keeper.keep("listen.fw", held)
        keeper.forget("listen.fw")
        keeper.close()
        message, sent, _, _ = socket.recv_fds(ours, 4096, 4)
        with socket.socket(fileno=sent[0]) as kept:
            assert kept.getsockname() == held.getsockname()
        assert Said.decode(message) == Said("listen.fw", keep=True)
        assert Said.decode(ours.recv(4096)) == Said("listen.fw", keep=False)
        assert ours.recv(4096) == b""


@linux
def test_a_keeper_that_has_gone_or_does_not_listen_ends_nobody() -> None:
    for gone in (True, False):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        keeper = Keeper({KEEPER: str(theirs.detach())})
        if gone:
            ours.close()
        else:  # it is full, then
            ours.shutdown(socket.SHUT_RD)
        with socket.create_server(("127.0.0.1", 0)) as held:
            keeper.keep("listen.fw", held)
            keeper.forget("listen.fw")
            assert keeper.taken("") == {}
        keeper.close()
        ours.close()


@linux
def test_what_a_keeper_has_no_time_for_is_said_later_and_in_order() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    with ours, socket.create_server(("127.0.0.1", 0)) as held:
        keeper = Keeper({KEEPER: str(theirs.detach())})
        for number in range(3000):  # more than it holds
            keeper.keep(f"a.{number}", held)
        heard: list[str] = []
        while len(heard) < 3000:
            try:
                message, sent, _, _ = socket.recv_fds(ours, 4096, 4)
            except BlockingIOError:
                keeper.say()
                continue
            said = Said.decode(message)
            assert said is not None
            heard.append(said.name)
            socket.socket(fileno=sent[0]).close()
        assert heard == [f"a.{number}" for number in range(3000)]
        keeper.close()
