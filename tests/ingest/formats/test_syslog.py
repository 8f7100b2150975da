"""Syslog lines of every age, and what Linux programs say in them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import EventClass
from hauberk.ingest.formats.syslog import Syslog

from .accounting import mangled, parsed_whole

WRITTEN = datetime(2024, 2, 10, 12, tzinfo=UTC)

LINES = b"""Feb  9 06:55:46 host1 sshd[24200]: Invalid user webmaster from 192.0.2.31
Feb  9 06:55:47 host1 sshd[24200]: Failed password for invalid user webmaster from 192.0.2.31 port 38926 ssh2
Feb  9 06:55:48 host1 sshd[24200]: message repeated 5 times: [ Failed password for root from 192.0.2.31 port 38926 ssh2]
Feb  9 06:56:00 host1 sudo:    alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/cat /etc/shadow
<86>1 2024-02-09T07:00:00.123456+01:00 host2 useradd 99 - [x@1 a="b]\\"c"] new user: name=eve, UID=1002, GID=1002
2024-02-09T08:00:00+00:00 host3 CRON[7]: (root) CMD (/usr/local/bin/backup --all)
<13>Feb  9 09:00:00 host4 kernel: usb 1-1: new device
"""  # noqa: E501


def only(line: str, modified: datetime = WRITTEN) -> tuple[EventClass, dict[str, object]]:
    """Class and filled columns of the one event of a line."""
    parsed = parsed_whole(Syslog(), line.encode() + b"\n", modified=modified)
    (part,) = parsed.groups
    row = part.group.events.row(0, named=True)
    return part.group.event_class, {k: v for k, v in row.items() if v is not None}


def message(program: str, text: str) -> tuple[EventClass, dict[str, object]]:
    return only(f"Feb  9 06:55:46 host1 {program}[1]: {text}")


def test_every_way_to_begin_a_line_is_read() -> None:
    assert Syslog().sniff(LINES, None) > 0.8
    parsed = parsed_whole(Syslog(), LINES, modified=WRITTEN)
    assert parsed.events == 7
    keys = {part.group.key.service for part in parsed.groups}
    assert keys == {"sshd", "sudo", "auth", "cron", "syslog"}
    rows = pl.concat(
        [p.group.events.select("time", "device.hostname") for p in parsed.groups]
    ).sort("time")
    assert rows["time"][0] == datetime(2024, 2, 9, 6, 0, 0, 123456, tzinfo=UTC)
    assert set(rows["device.hostname"]) == {"host1", "host2", "host3", "host4"}


@pytest.mark.parametrize(
    ("day", "written", "year"),
    [
        ("Feb  9", datetime(2024, 2, 10, tzinfo=UTC), 2024),
        ("Dec 31", datetime(2024, 1, 1, tzinfo=UTC), 2023),
        ("Feb 10", datetime(2024, 2, 9, 12, tzinfo=UTC), 2024),  # within a day: another time zone
        ("Feb 12", datetime(2024, 2, 9, 12, tzinfo=UTC), 2023),
        ("Feb 29", datetime(2023, 6, 1, tzinfo=UTC), 2020),  # the last year that had one
        ("Jan  1", datetime(2023, 12, 31, 12, tzinfo=UTC), 2024),
    ],
)
def test_a_line_without_a_year_is_of_the_last_year_that_is_not_in_the_files_future(
    day: str, written: datetime, year: int
) -> None:
    _, row = only(f"{day} 06:00:00 h sshd[1]: x", written)
    time = row["time"]
    assert isinstance(time, datetime)
    assert time.year == year


@pytest.mark.parametrize("written", [None, datetime(1970, 1, 1, tzinfo=UTC)])
def test_without_a_time_stamp_that_says_anything_lines_keep_order_in_a_year_of_their_own(
    written: datetime | None,
) -> None:
    data = b"Feb 28 23:59:59 h sshd[1]: a\nFeb 29 00:00:01 h sshd[1]: b\n"
    (part,) = parsed_whole(Syslog(), data, modified=written).groups
    first, second = part.group.events["time"]
    assert (first.year, second - first) == (2000, timedelta(seconds=2))


def test_ssh_log_ons_name_user_address_port_and_way() -> None:
    kind, row = message("sshd", "Accepted publickey for bob from 2001:db8::7 port 5022 ssh2: RSA x")
    assert kind is EventClass.AUTHENTICATION
    assert row["user.name"] == "bob"
    assert row["src_endpoint.ip"] == "2001:db8::7"
    assert row["src_endpoint.port"] == 5022
    assert (row["status_id"], row["activity_id"]) == (1, 1)
    assert row["auth_protocol"] == "ssh publickey"
    assert row["service.name"] == "sshd"


def test_a_user_name_cannot_forge_the_address() -> None:
    _, row = message(
        "sshd",
        "Failed password for invalid user a from 198.51.100.1 port 1 from 192.0.2.9 port 77 ssh2",
    )
    assert row["src_endpoint.ip"] == "192.0.2.9"
    assert row["status_id"] == 2


@pytest.mark.parametrize(
    ("program", "text", "kind", "wanted"),
    [
        ("sshd", "Invalid user x y from 192.0.2.1 port 9", EventClass.AUTHENTICATION,
         {"user.name": "x y", "status_id": 2, "activity_id": 99}),
        ("sshd", "message repeated 2 times: [ Failed password for root from 192.0.2.1 port 2 ssh2]",
         EventClass.AUTHENTICATION, {"user.name": "root", "status_id": 2}),
        ("sshd", "Connection closed by invalid user admin 192.0.2.1 port 4 [preauth]",
         EventClass.AUTHENTICATION, {"user.name": "admin", "src_endpoint.port": 4}),
        ("sshd", "Received disconnect from 192.0.2.1: 11: Bye Bye [preauth]",
         EventClass.AUTHENTICATION, {"src_endpoint.ip": "192.0.2.1", "activity_id": 2}),
        ("sshd", "error: maximum authentication attempts exceeded for root from 192.0.2.1 port 3 "
         "ssh2 [preauth]", EventClass.AUTHENTICATION, {"user.name": "root", "status_id": 2}),
        ("su", "pam_unix(su:auth): authentication failure; logname=a uid=1 euid=0 tty=/dev/pts/0 "
         "ruser=alice rhost=  user=root", EventClass.AUTHENTICATION,
         {"user.name": "root", "actor.user.name": "alice", "activity_id": 1, "status_id": 2,
          "service.name": "su"}),
        ("sshd(pam_unix)", "authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= "
         "rhost=x.example  user=root", EventClass.AUTHENTICATION,
         {"src_endpoint.hostname": "x.example", "user.name": "root"}),
        ("sshd", "pam_unix(sshd:session): session opened for user bob(uid=1000) by (uid=0)",
         EventClass.AUTHORIZE_SESSION, {"user.name": "bob", "user.uid": "1000"}),
        ("su", "Successful su for root by alice", EventClass.AUTHENTICATION,
         {"user.name": "root", "actor.user.name": "alice", "status_id": 1}),
        ("usermod", "add 'eve' to group 'sudo'", EventClass.GROUP_MANAGEMENT,
         {"user.name": "eve", "group.name": "sudo", "activity_id": 3}),
        ("groupadd", "new group: name=ops, GID=1", EventClass.GROUP_MANAGEMENT,
         {"group.name": "ops", "activity_id": 6}),
        ("passwd", "pam_unix(passwd:chauthtok): password changed for eve",
         EventClass.ACCOUNT_CHANGE, {"user.name": "eve", "activity_id": 3}),
        ("userdel", "delete user 'eve'", EventClass.ACCOUNT_CHANGE,
         {"user.name": "eve", "activity_id": 6}),
        ("crontab", "(eve) REPLACE (eve)", EventClass.SCHEDULED_JOB_ACTIVITY,
         {"actor.user.name": "eve", "activity_id": 2}),
        ("sudo", "eve : command not allowed ; TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/bin/sh -c x",
         EventClass.PROCESS_ACTIVITY,
         {"status_id": 2, "status_detail": "command not allowed", "process.name": "sh",
          "process.cmd_line": "/bin/sh -c x"}),
        ("kernel", "something", EventClass.BASE_EVENT, {"message": "something"}),
    ],
)  # fmt: skip
def test_messages_are_understood(
    program: str, text: str, kind: EventClass, wanted: dict[str, object]
) -> None:
    found, row = message(program, text)
    assert found is kind
    assert {name: row.get(name) for name in wanted} == wanted


def test_sudo_says_who_ran_what_as_whom_and_where() -> None:
    kind, row = only(LINES.split(b"\n")[3].decode())
    assert kind is EventClass.PROCESS_ACTIVITY
    assert row["actor.user.name"] == "alice"
    assert row["process.user.name"] == "root"
    assert row["process.cmd_line"] == "/usr/bin/cat /etc/shadow"
    assert row["process.file.path"] == "/usr/bin/cat"
    assert row["process.working_directory"] == "/home/alice"


def test_rules_see_the_lines_own_parts() -> None:
    parsed = parsed_whole(Syslog(), LINES, modified=WRITTEN)
    part = next(p for p in parsed.groups if p.group.key.service == "sudo")
    row = part.group.fields.row(0)
    assert row["program"] == "sudo"
    assert row["hostname"] == "host1"
    assert "COMMAND=" in str(row["message"])


SYSMON = (
    b'Feb  9 10:00:00 box sysmon: <Event><System><Provider Name="Linux-Sysmon"/><EventID>1'
    b'</EventID><Computer>box</Computer></System><EventData><Data Name="RuleName">-</Data>'
    b'<Data Name="UtcTime">2024-02-09 10:00:00.123</Data><Data Name="ProcessId">77</Data>'
    b'<Data Name="Image">/bin/sh</Data><Data Name="CommandLine">sh -c &quot;a &amp;&amp; b'
    b'&quot;</Data><Data Name="User">eve</Data><Data Name="ParentImage">/bin/bash</Data>'
    b"</EventData></Event>\n"
    b"Feb  9 10:00:01 box sysmon: <Event><System><EventID>3</EventID></System><EventData>"
    b'<Data Name="SourceIp">10.0.0.1</Data><Data Name="DestinationIp">192.0.2.1</Data>'
    b'<Data Name="DestinationPort">443</Data></EventData></Event>\n'
)


def test_sysmon_for_linux_is_read_from_its_syslog_lines() -> None:
    parsed = parsed_whole(Syslog(), SYSMON + LINES, modified=WRITTEN)
    assert parsed.events == 9
    by_code = {
        p.group.key.event_code: p.group for p in parsed.groups if p.group.key.service == "sysmon"
    }
    row = by_code["1"].events.row(0, named=True)
    assert by_code["1"].event_class is EventClass.PROCESS_ACTIVITY
    assert row["process.cmd_line"] == 'sh -c "a && b"'
    assert (row["process.name"], row["process.pid"]) == ("sh", 77)
    assert row["process.parent_process.file.path"] == "/bin/bash"
    assert row["time"] == datetime(2024, 2, 9, 10, 0, 0, 123000, tzinfo=UTC)
    assert by_code["1"].fields.row(0)["CommandLine"] == 'sh -c "a && b"'
    assert by_code["3"].event_class is EventClass.NETWORK_ACTIVITY
    assert by_code["3"].events["dst_endpoint.port"].to_list() == [443]


def test_other_text_is_not_syslog() -> None:
    for head in (b"", b"hello\nworld\n", b'{"a": 1}\n', b"time,name\n1,2\n", bytes(range(256))):
        assert Syslog().sniff(head, None) == 0.0


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9))
def test_mangled_files_never_raise_and_every_record_is_accounted_for(seed: int) -> None:
    parsed_whole(Syslog(), mangled(LINES + SYSMON, seed), modified=WRITTEN)


def test_real_log_files_are_read_whole(shared_data: Callable[[str], Path]) -> None:
    for name in ("OpenSSH", "Linux"):
        file = next(shared_data("loghub-auth").rglob(f"{name}_2k.log"))
        data = file.read_bytes()
        assert Syslog().sniff(data[: 64 << 10], None) > 0.8
        parsed = parsed_whole(Syslog(), data, modified=WRITTEN)
        assert parsed.events == parsed.records == 2000
        said = pl.concat(
            [p.group.events.select("activity_id", "status_id")
             for p in parsed.groups if p.group.event_class is EventClass.AUTHENTICATION]
        )  # fmt: skip
        # Counted by hand-written search in the file, not by the patterns under test.
        failed = sum(b"]: Failed " in line or b"[ Failed " in line for line in data.split(b"\n"))
        if name == "OpenSSH":
            assert said.filter(pl.col("activity_id") == 1).height == failed + data.count(
                b"Accepted "
            )
