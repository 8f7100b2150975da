"""Records in envelopes become what they would be without, and none is lost."""

import json
from datetime import UTC, datetime

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from hauberk.ingest import Parsed, RecordBatch, parse_again, recognise
from hauberk.ingest.formats.envelope import enclose, envelope, format_of, header, opened
from hauberk.ingest.formats.received import Received

NOW = datetime(2026, 3, 2, 10, 1, 0, 5, tzinfo=UTC)
BEFORE = envelope("tcp", "10.1.2.3", NOW)


def spool(format_name: str, *records: bytes) -> bytes:
    return header(format_name, "00") + b"".join(enclose(BEFORE, one) for one in records)


def parsed(format_name: str, *records: bytes) -> Parsed:
    data = spool(format_name, *records)
    found = Received().parse(RecordBatch(data, "s.log", 0, data[: 64 << 10]))
    assert found.records == found.events + found.aggregated + len(found.rejects)
    return found


def column(found: Parsed, name: str) -> list[object]:
    rows = [
        (number, value)
        for one in found.groups
        for number, value in zip(one.records, one.group.events[name], strict=True)
    ]
    return [value for _, value in sorted(rows, key=lambda row: row[0])]


@given(st.binary(max_size=300))
def test_a_record_can_be_had_back_byte_for_byte_and_takes_one_line(record: bytes) -> None:
    line = enclose(BEFORE, record)
    assert line.count(b"\n") == 1
    found = opened(line[:-1])
    assert found is not None
    assert found.sent == record
    assert (found.transport, found.sender) == (b"tcp", b"10.1.2.3")


@given(st.sampled_from(["syslog", "windows-json", "otlp", "nonsense"]), st.lists(st.binary()))
def test_any_records_are_accounted_for(format_name: str, records: list[bytes]) -> None:
    assert parsed(format_name, *records).records == len(records)


@given(st.binary(max_size=500))
def test_any_bytes_after_the_first_line_are_accounted_for(data: bytes) -> None:
    whole = header("syslog", "00") + data
    found = Received().parse(RecordBatch(whole, "s.log", 0, whole))
    assert found.records == found.events + found.aggregated + len(found.rejects)


def test_a_spool_file_is_recognised_and_nothing_else_is() -> None:
    known = recognise(spool("syslog", b"<13>x"), None)
    assert known is not None
    assert known.name == "received"
    assert format_of(b"#hauberk-received 1 ../../etc x\n") is None
    assert format_of(b"<13>Mar  2 10:00:00 h a: #hauberk-received 1 syslog") is None


def test_messages_of_every_form_become_events_at_their_places() -> None:
    found = parsed(
        "syslog",
        b"<34>Mar  2 09:00:00 ws07 sshd[311]: Failed password for root from 10.9.9.9 port 1 ssh2",
        b"<165>1 2026-03-02T09:30:00Z ws08 app 12 - - hello",
        b"<189>%SYS-5-CONFIG_I: Configured from console",
        b"nothing that any standard knows",
    )
    assert len(found.rejects) == 0
    assert column(found, "device.hostname") == ["ws07", "ws08", "10.1.2.3", "10.1.2.3"]
    times = column(found, "time")
    assert times[0] == datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # the year from when it came
    assert times[2] == times[3] == NOW
    assert column(found, "severity_id")[2] == 2
    assert column(found, "metadata.log_name")[2] == "%SYS-5-CONFIG_I"
    assert column(found, "message")[2:] == [
        "Configured from console", "nothing that any standard knows",
    ]  # fmt: skip


def test_a_record_that_is_parsed_again_says_the_same() -> None:
    data = spool("syslog", b"<34>Mar  2 09:00:00 ws07 sshd[311]: x", b"no form at all")
    head = data
    lines = data.split(b"\n")[1:-1]
    once = Received().parse(RecordBatch(data, "s.log", 0, head))
    again = parse_again(lines, "received", head)
    for name in ("time", "device.hostname", "message"):
        assert column(once, name) == column(again, name)


def test_json_records_become_what_their_own_format_makes_of_them() -> None:
    rows = [
        {"__REALTIME_TIMESTAMP": "1772445600000000", "MESSAGE": f"m{n}", "_HOSTNAME": "ws07"}
        for n in range(3)
    ]
    found = parsed("journald", *[json.dumps(one).encode() for one in rows])
    assert column(found, "message") == ["m0", "m1", "m2"]
    assert isinstance(found.groups[0].group.events, pl.DataFrame)


def test_a_first_message_that_looks_like_another_encoding_garbles_no_other() -> None:
    found = parsed("syslog", b"\xff\xfe<13>x", b"<34>Mar  2 09:00:00 ws07 app: hello")
    assert column(found, "message")[1] == "hello"
