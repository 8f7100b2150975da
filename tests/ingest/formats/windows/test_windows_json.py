"""Windows events as JSON in the shapes that shippers write."""

from datetime import UTC, datetime

import orjson
import pytest

from hauberk.events import EventClass, EventGroup
from hauberk.ingest import Parsed, RecordBatch
from hauberk.ingest.formats.windows import WindowsJson, WindowsJsonDocument
from hauberk.ingest.formats.windows.fields import engine_code

LOGON = {
    "SubjectUserName": "-",
    "TargetUserName": "alice",
    "TargetDomainName": "CORP",
    "TargetLogonId": "0x3e7",
    "LogonType": "3",
    "AuthenticationPackageName": "NTLM",
    "IpAddress": "::ffff:192.0.2.7",
    "IpPort": "49152",
    "ProcessId": "0x10",
}
SYSTEM_TIME = "2024-05-06T07:08:09.1234567Z"
SHAPES: dict[str, dict[str, object]] = {
    "flat": {
        "EventID": 4624, "Channel": "Security", "Hostname": "host1.corp.example",
        "SourceName": "Microsoft-Windows-Security-Auditing", "@timestamp": SYSTEM_TIME, **LOGON,
    },
    "winlogbeat": {
        "@timestamp": SYSTEM_TIME,
        "event": {"code": "4624", "provider": "Microsoft-Windows-Security-Auditing"},
        "winlog": {"channel": "Security", "computer_name": "host1.corp.example", "event_id": "4624",
                   "provider_name": "Microsoft-Windows-Security-Auditing", "event_data": LOGON},
    },
    "old winlogbeat": {
        "@timestamp": SYSTEM_TIME, "log_name": "Security", "event_id": 4624,
        "computer_name": "host1.corp.example", "source_name": "Microsoft-Windows-Security-Auditing",
        "event_data": LOGON,
    },
    "dotted winlogbeat": {
        "@timestamp": SYSTEM_TIME, "winlog.channel": "Security", "winlog.event_id": 4624,
        "winlog.computer_name": "host1.corp.example",
        "winlog.provider_name": "Microsoft-Windows-Security-Auditing",
        **{f"winlog.event_data.{name}": value for name, value in LOGON.items()},
    },
    "xml with #attributes": {
        "Event": {
            "System": {
                "Provider": {"#attributes": {"Name": "Microsoft-Windows-Security-Auditing"}},
                "EventID": 4624, "Channel": "Security", "Computer": "host1.corp.example",
                "TimeCreated": {"#attributes": {"SystemTime": SYSTEM_TIME}},
            },
            "EventData": LOGON,
        }
    },
    "xml with a list of Data": {
        "Event": {
            "System": {
                "Provider": {"@Name": "Microsoft-Windows-Security-Auditing"},
                "EventID": {"@Qualifiers": "", "#text": "4624"},
                "Channel": "Security", "Computer": "host1.corp.example",
                "TimeCreated": {"@SystemTime": SYSTEM_TIME},
            },
            "EventData": {"Data": [{"@Name": k, "#text": v} for k, v in LOGON.items()]},
        }
    },
    "xml with separate attributes": {
        "Event": {
            "System": {
                "Provider_attributes": {"Name": "Microsoft-Windows-Security-Auditing"},
                "EventID": 4624, "Channel": "sEcUrItY", "Computer": "host1.corp.example",
                "TimeCreated_attributes": {"SystemTime": SYSTEM_TIME},
            },
            "EventData": LOGON,
        }
    },
}  # fmt: skip


def lines(*rows: object) -> bytes:
    return b"\n".join(orjson.dumps(row) for row in rows)


def parse(*rows: object) -> Parsed:
    parsed = WindowsJson().parse(RecordBatch(lines(*rows), "f"))
    assert parsed.records == parsed.events + parsed.aggregated + len(parsed.rejects)
    return parsed


def only(parsed: Parsed) -> EventGroup:
    [group] = parsed.groups
    return group.group


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_yields_the_same_event_in_both_views(shape: str) -> None:
    group = only(parse(SHAPES[shape]))
    assert (group.key.product, group.key.service) == ("windows", "security")
    assert group.key.event_code == "4624"
    assert group.event_class is EventClass.AUTHENTICATION
    row = group.events.row(0, named=True)
    assert row["time"] == datetime(2024, 5, 6, 7, 8, 9, 123456, UTC)
    assert row["device.hostname"] == "host1.corp.example"
    assert row["user.name"] == "alice"
    assert row["user.domain"] == "CORP"
    assert row["logon_type_id"] == 3
    assert row["src_endpoint.ip"] == "192.0.2.7"
    assert row["src_endpoint.port"] == 49152
    assert row["actor.process.pid"] == 16
    assert row["actor.user.name"] is None
    assert row["status_id"] == 1
    for name, value in {
        "TargetUserName": "alice",
        "Computer": "host1.corp.example",
        "Provider_Name": "Microsoft-Windows-Security-Auditing",
    }.items():
        assert group.fields.column(name) == [value]
        assert group.fields.has(name) == [True]
        assert name in group.fields.names()
        assert group.fields.row(0)[name] == value


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_recognised_in_lines_and_in_documents(shape: str) -> None:
    row = SHAPES[shape]
    assert WindowsJson().sniff(lines(row, row), None) > 0.5
    assert WindowsJson().sniff(b"\xef\xbb\xbf" + lines(row), None) > 0.5
    for document in (orjson.dumps([row]), orjson.dumps({"Events": [row]}),
                     orjson.dumps(row, option=orjson.OPT_INDENT_2)):  # fmt: skip
        assert WindowsJson().sniff(document, None) == 0
        assert WindowsJsonDocument().sniff(document, None) > 0.5
        parsed = WindowsJsonDocument().parse(RecordBatch(document, "f"))
        assert (parsed.records, parsed.events) == (1, 1)
    assert WindowsJson().sniff(b'{"eventSource":"x","eventName":"y"}', None) == 0


def test_channels_in_any_case_and_event_ids_of_any_type_fall_into_one_group() -> None:
    rows = [
        {"EventID": code, "Channel": channel, "Computer": "h"}
        for code in (7045, "7045", 7045.0, "07045")
        for channel in ("System", "SYSTEM", "system ")
    ]
    group = only(parse(*rows))
    assert group.key.service == "system"
    assert group.events.height == 12


def test_data_without_names_is_the_field_data() -> None:
    for data in (["a", "b"], {"#text": ["a", "b"]}, [{"#text": "a"}, "b"]):
        event = {"System": {"EventID": 400, "Channel": "Windows PowerShell"},
                 "EventData": {"Data": data}}  # fmt: skip
        group = only(parse({"Event": event}))
        assert group.fields.column("Data") == [["a", "b"]]
        assert group.events["script.content"].to_list() == ["a\nb"]


def test_entities_that_a_converter_left_in_data_are_read() -> None:
    line = "&quot;cmd.exe&quot; /c dir &amp;&amp; echo 1 &gt;nul 2&gt;&amp;1 &amp;lt;"
    event = {"System": {"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational"},
             "EventData": {"Data": [{"@Name": "CommandLine", "#text": line}]}}  # fmt: skip
    group = only(parse({"Event": event}))
    assert group.fields.column("CommandLine") == ['"cmd.exe" /c dir && echo 1 >nul 2>&1 &lt;']


def test_user_data_is_flat_too() -> None:
    event = {
        "System": {"EventID": 1102, "Channel": "Security"},
        "UserData": {"LogFileCleared": {"#attributes": {"xmlns": "x"}, "SubjectUserName": "bob"}},
    }
    group = only(parse({"Event": event}))
    assert group.event_class is EventClass.EVENT_LOG_ACTIVITY
    assert group.fields.column("SubjectUserName") == ["bob"]
    assert group.events["actor.user.name"].to_list() == ["bob"]


def test_event_data_cannot_pose_as_the_system_part() -> None:
    event = {
        "System": {"EventID": 1, "Channel": "Application", "Computer": "h"},
        "EventData": {"EventID": "4624", "Channel": "Security", "Computer": "other"},
    }
    group = only(parse({"Event": event}))
    assert (group.key.service, group.key.event_code) == ("application", "1")
    assert group.fields.column("Computer") == ["h"]


def test_the_time_is_the_events_own_and_a_bad_one_gives_way_to_the_next() -> None:
    def time(**fields: object) -> datetime | None:
        group = only(parse({"EventID": 1, "Channel": "x", **fields}))
        found: datetime | None = group.events["time"][0]
        return found

    shipped = "2024-01-01T12:00:05Z"
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    assert time(**{"UtcTime": "2024-01-01 12:00:00.000", "@timestamp": shipped}) == noon
    assert (
        time(**{"EventTime": "2024-01-01 09:00:00", "@timestamp": "2024-01-01T12:00:00Z"}) == noon
    )
    assert time(UtcTime="-", TimeCreated="2024-01-01T13:00:00+01:00") == noon
    assert time(TimeCreated="/Date(1704110400000)/") == noon
    assert time(TimeCreated=1704110400.0) == noon
    assert time(TimeCreated={"a": [1]}, EventTime="never") is None


def test_objects_are_told_apart_by_their_type() -> None:
    rows = [
        {"EventID": 4663, "Channel": "Security", "ObjectType": kind, "ObjectName": "C:\\a\\b"}
        for kind in ("File", "Key", "Process", "Odd", None)
    ]
    parsed = parse(*rows)
    by_class = {each.group.event_class: each.records.tolist() for each in parsed.groups}
    assert by_class == {
        EventClass.FILE_ACTIVITY: [0],
        EventClass.REGISTRY_KEY_ACTIVITY: [1],
        EventClass.PROCESS_ACTIVITY: [2],
        EventClass.BASE_EVENT: [3, 4],
    }


def test_objects_that_are_no_windows_event_are_rejected_with_a_reason() -> None:
    rows = [{"EventID": 1, "Channel": "x"}, {"hello": 1}, {"EventID": [1]}, {"EventID": True}]
    parsed = parse(*rows)
    assert parsed.events == 1
    assert {reject.reason for reject in parsed.rejects} == {"no EventID; expected a Windows event"}


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"Data": ["whoami", "\tDetailSequence=1\n\tHostApplication=x.exe", "..."]}, "whoami\n\t"),
        (
            {"Message": "Pipeline ...: iex $a\r\n\tDetailSequence=1\r\n"},
            "Pipeline ...: iex $a\r\n\t",
        ),
        (
            {"Data": "Available\n\tHostApplication=powershell -enc AA\n\tEngineVersion="},
            "powershell -enc AA",
        ),
        ({"Data": 7}, None),
        ({}, None),
    ],
)
def test_the_classic_powershell_log_yields_what_was_run(
    row: dict[str, object], code: str | None
) -> None:
    assert engine_code(row) == code
