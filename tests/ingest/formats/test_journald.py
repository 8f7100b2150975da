"""The journal's JSON."""

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import EventClass, LogKey
from hauberk.ingest.formats.journald import Journald

from .accounting import mangled, parsed_whole


def entry(message: object, **more: object) -> dict[str, object]:
    return {
        "__REALTIME_TIMESTAMP": "1700000000123456", "MESSAGE": message, "_HOSTNAME": "box",
        "SYSLOG_IDENTIFIER": "sshd", "_PID": "77", "PRIORITY": "6", **more,
    }  # fmt: skip


def lines(*entries: dict[str, object]) -> bytes:
    return b"".join(json.dumps(e).encode() + b"\n" for e in entries)


DATA = lines(
    entry("Failed password for root from 192.0.2.1 port 22 ssh2"),
    entry(list(b"Accepted password for bob from 192.0.2.1 port 23 ssh2")),
    entry("Started thing.", SYSLOG_IDENTIFIER=None, _COMM="systemd"),
    entry(None),
)


def test_messages_mean_what_they_mean_in_syslog() -> None:
    assert Journald().sniff(DATA, None) > 0.9
    parsed = parsed_whole(Journald(), DATA)
    assert parsed.events == 4
    log_ons = next(
        p.group for p in parsed.groups if p.group.event_class is EventClass.AUTHENTICATION
    )
    assert log_ons.key == LogKey("linux", "sshd")
    assert log_ons.events["user.name"].to_list() == ["root", "bob"]
    assert log_ons.events["status_id"].to_list() == [2, 1]
    assert log_ons.events["time"][0] == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)
    assert log_ons.events["device.hostname"].to_list() == ["box", "box"]


def test_bytes_are_shown_as_the_text_they_are_and_several_values_stay_several() -> None:
    parsed = parsed_whole(Journald(), lines(entry(list(b"h\xffi"), TAG=["a", "b"])))
    row = parsed.groups[0].group.fields.row(0)
    assert row["MESSAGE"] == "h\ufffdi"
    assert row["TAG"] == ["a", "b"]


def test_an_entry_without_a_time_is_rejected() -> None:
    parsed = parsed_whole(Journald(), lines({"MESSAGE": "x", "__REALTIME_TIMESTAMP": "soon"}))
    assert (parsed.events, len(parsed.rejects)) == (0, 1)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9))
def test_mangled_files_never_raise_and_every_record_is_accounted_for(seed: int) -> None:
    parsed_whole(Journald(), mangled(DATA, seed))
