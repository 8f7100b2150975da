"""The Linux audit log."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import EventClass, EventGroup
from hauberk.ingest.formats.auditd import Auditd
from hauberk.ingest.formats.auditd_records import read_record, socket_address

from .accounting import mangled, parsed_whole

WHEN = "msg=audit(1700000000.155:92733):"
EXEC = f"""type=SYSCALL {WHEN} arch=c000003e syscall=59 success=yes exit=0 a0=55 a1=56 a2=57 a3=8 items=2 ppid=29 pid=31 auid=1000 uid=0 tty=pts0 ses=104 comm="cat" exe="/usr/bin/cat" key="exec"\x1dARCH=x86_64 SYSCALL=execve AUID="alice" UID="root"
type=EXECVE {WHEN} argc=3 a0="cat" a1=2F746D702F6120622E747874 a2="-n"
type=CWD {WHEN} cwd="/home/alice"
type=PATH {WHEN} item=0 name="/usr/bin/cat" inode=13 nametype=NORMAL
type=PATH {WHEN} item=1 name="/lib64/ld.so" inode=14 nametype=NORMAL
type=PROCTITLE {WHEN} proctitle=636174002F746D70
"""  # noqa: E501
LOG_ON = """type=USER_LOGIN msg=audit(1700000001.000:7): pid=15 uid=0 auid=4294967295 ses=4294967295 msg='op=login acct="root" exe="/usr/sbin/sshd" hostname=? addr=192.0.2.4 terminal=sshd res=failed'
type=ADD_USER msg=audit(1700000002.000:8): pid=16 uid=0 auid=1000 ses=3 msg='op=adding user id=1002 exe="/usr/sbin/useradd" hostname=? addr=? terminal=pts/0 res=success'
type=USER_CMD msg=audit(1700000003.000:9): pid=17 uid=1000 auid=1000 ses=3 msg='cwd="/" cmd=636174202F6574632F736861646F77 terminal=pts/0 res=success'
"""  # noqa: E501
OPENED = """node=box type=SYSCALL msg=audit(1700000004.000:10): arch=c000003e syscall=257 success=yes exit=3 a0=ffffff9c a1=7f a2=241 a3=1b6 items=2 ppid=1 pid=2 auid=1000 uid=1000 ses=3 comm="sh" exe="/bin/sh" key=(null)
node=box type=CWD msg=audit(1700000004.000:10): cwd="/etc"
node=box type=PATH msg=audit(1700000004.000:10): item=0 name="/etc/" nametype=PARENT
node=box type=PATH msg=audit(1700000004.000:10): item=1 name="cron.d/job" nametype=CREATE
"""  # noqa: E501
CONNECTED = """type=SYSCALL msg=audit(1700000005.000:11): arch=c000003e syscall=42 success=yes exit=0 a0=3 pid=5 ppid=4 auid=1000 uid=1000 ses=3 comm="nc" exe="/bin/nc"
type=SOCKADDR msg=audit(1700000005.000:11): saddr=02000050C00002070000000000000000
"""  # noqa: E501
DATA = (EXEC + LOG_ON + OPENED + CONNECTED).encode()


def groups(text: str) -> Sequence[EventGroup]:
    return [part.group for part in parsed_whole(Auditd(), text.encode()).groups]


def test_the_lines_of_one_execution_are_one_event() -> None:
    assert Auditd().sniff(DATA, None) > 0.9
    parsed = parsed_whole(Auditd(), EXEC.encode())
    assert (parsed.records, parsed.events, parsed.aggregated) == (6, 1, 5)
    (part,) = parsed.groups
    assert part.group.key.event_code == "EXECVE"
    assert part.group.event_class is EventClass.PROCESS_ACTIVITY
    row = part.group.events.row(0, named=True)
    assert row["time"] == datetime(2023, 11, 14, 22, 13, 20, 155000, tzinfo=UTC)
    assert row["process.file.path"] == "/usr/bin/cat"
    assert row["process.cmd_line"] == "cat /tmp/a b.txt -n"
    assert (row["process.pid"], row["process.parent_process.pid"]) == (31, 29)
    assert (row["actor.user.name"], row["process.user.name"]) == ("alice", "root")
    assert row["process.working_directory"] == "/home/alice"


def test_the_joined_event_keeps_all_of_its_lines_and_parses_again_from_them() -> None:
    parsed = parsed_whole(Auditd(), EXEC.encode())
    assert parsed.raw is not None
    raw = parsed.raw[int(parsed.groups[0].records[0])]
    assert raw.split(b"\x1e") == EXEC.encode().rstrip(b"\n").split(b"\n")
    again = parsed_whole(Auditd(), raw)
    assert again.records == 1
    assert again.groups[0].group.events.equals(parsed.groups[0].group.events)


def test_rules_see_the_logs_own_names_with_all_values() -> None:
    (group,) = groups(EXEC)
    row = group.fields.row(0)
    assert row["type"] == ["SYSCALL", "EXECVE", "CWD", "PATH", "PATH", "PROCTITLE"]
    assert (row["a0"], row["a1"], row["a2"]) == ("cat", "/tmp/a b.txt", "-n")
    assert row["name"] == ["/usr/bin/cat", "/lib64/ld.so"]
    assert (row["SYSCALL"], row["key"], row["proctitle"]) == ("execve", "exec", "cat /tmp")
    assert (row["Image"], row["CommandLine"]) == ("/usr/bin/cat", "cat /tmp/a b.txt -n")


def test_log_ons_accounts_and_sudo_commands() -> None:
    log_on, account, command = groups(LOG_ON)
    row = log_on.events.row(0, named=True)
    assert log_on.event_class is EventClass.AUTHENTICATION
    assert (row["user.name"], row["src_endpoint.ip"], row["status_id"]) == ("root", "192.0.2.4", 2)
    assert row["actor.user.name"] is None
    assert row["service.name"] == "sshd"
    assert account.event_class is EventClass.ACCOUNT_CHANGE
    assert account.events["activity_id"].to_list() == [1]
    assert account.events["user.uid"].to_list() == ["1002"]
    assert command.event_class is EventClass.PROCESS_ACTIVITY
    assert command.events["process.cmd_line"].to_list() == ["cat /etc/shadow"]


def test_an_attempt_that_two_records_tell_counts_once() -> None:
    line = LOG_ON.split("\n", maxsplit=1)[0]
    auth = line.replace("USER_LOGIN", "USER_AUTH")
    by_code = {g.key.event_code: g.events["activity_id"][0] for g in groups(f"{line}\n" + auth
               .replace(":7)", ":6)"))}  # fmt: skip
    assert by_code == {"USER_LOGIN": 1, "USER_AUTH": 99}
    (sudo,) = groups(auth.replace("/usr/sbin/sshd", "/usr/bin/sudo"))
    assert sudo.events["activity_id"].to_list() == [1]


def test_a_file_that_was_created_is_named_whole() -> None:
    (group,) = groups(OPENED)
    assert group.event_class is EventClass.FILE_ACTIVITY
    row = group.events.row(0, named=True)
    assert (row["file.path"], row["activity_id"]) == ("/etc/cron.d/job", 1)
    assert row["device.hostname"] == "box"
    assert group.fields.row(0)["SYSCALL"] == "openat"


def test_a_connection_names_its_far_end() -> None:
    (group,) = groups(CONNECTED)
    assert group.event_class is EventClass.NETWORK_ACTIVITY
    assert group.events["dst_endpoint.ip"].to_list() == ["192.0.2.7"]
    assert group.events["dst_endpoint.port"].to_list() == [80]


def test_a_failed_execution_takes_its_command_from_the_process_title() -> None:
    text = EXEC.replace("success=yes", "success=no").split("\n")
    (group,) = groups("\n".join(line for line in text if "type=EXECVE" not in line))
    row = group.events.row(0, named=True)
    assert (row["process.cmd_line"], row["status_id"]) == ("cat /tmp", 2)


def test_long_arguments_are_put_together_again() -> None:
    record = read_record(
        f'type=EXECVE {WHEN} argc=2 a0="x" a1_len=4 a1[0]=6162 a1[1]=6364'.encode()
    )
    assert record is not None
    assert record.fields["a1"] == "abcd"


@pytest.mark.parametrize("saddr", [None, "", "02", "zz", "0100", "0A00"])
def test_socket_addresses_that_are_none_are_nothing(saddr: str | None) -> None:
    assert socket_address(saddr) == (None, None)


@pytest.mark.parametrize("filler", ["a", "a=", "a='", 'a="', "a1[0]=61 ", "=", "\x1d", "msg='"])
def test_hostile_lines_are_read_in_linear_time(filler: str) -> None:
    line = f"type=EXECVE {WHEN} " + filler * (400_000 // len(filler))
    start = time.perf_counter()
    parsed_whole(Auditd(), line.encode())
    assert time.perf_counter() - start < 5


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9))
def test_mangled_files_never_raise_and_every_record_is_accounted_for(seed: int) -> None:
    parsed_whole(Auditd(), mangled(DATA, seed))


def test_a_real_log_is_read_whole(shared_data: Callable[[str], Path]) -> None:
    file = next(shared_data("msticpy-testdata").rglob("auditd_log.txt"))
    data = file.read_bytes()
    parsed = parsed_whole(Auditd(), data)
    assert not parsed.rejects
    assert parsed.events == len({line.split(b"audit(")[1].split(b")")[0] for line in
                                 data.split(b"\n") if line})  # fmt: skip
