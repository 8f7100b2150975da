import json
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import EventClass
from hauberk.ingest.formats.suricata import Suricata, SuricataDocument
from hauberk.ingest.interface import Format, Parsed, RecordBatch

from .accounts import check_accounts, holds, mangled, only, row_of

ENDS = {
    "src_ip": "192.0.2.10", "src_port": 50123, "dest_ip": "198.51.100.7", "dest_port": 80,
    "proto": "TCP", "flow_id": 77,
}  # fmt: skip
WHEN = {"timestamp": "2024-05-01T12:00:00.250000+0200"}


def eve(event_type: str, **more: object) -> dict[str, object]:
    return {**WHEN, "event_type": event_type, **ENDS, **more}


ALERT = eve(
    "alert",
    alert={
        "action": "blocked", "gid": 1, "signature_id": 9000001, "rev": 2, "severity": 1,
        "signature": "An invented signature", "category": "Invented",
        "metadata": {"mitre_technique_id": ["T1071_001", "T1095"]},
    },
    http={"http_user_agent": "agent/1"},
)  # fmt: skip
FLOW = eve(
    "flow",
    app_proto="failed",
    flow={
        "pkts_toserver": 3, "pkts_toclient": 2, "bytes_toserver": 300, "bytes_toclient": 200,
        "start": "2024-05-01T11:59:00.000000+0200", "end": "2024-05-01T11:59:01.500000+0200",
        "state": "closed", "reason": "timeout",
    },
)  # fmt: skip


def parse(data: bytes, form: Format | None = None) -> Parsed:
    parsed = (form or Suricata()).parse(RecordBatch(data, "test"))
    check_accounts(parsed)
    return parsed


def event(record: dict[str, object]) -> dict[str, object]:
    return row_of(only(parse(orjson.dumps(record))))


def test_an_alert_becomes_a_finding_with_its_rule_and_techniques() -> None:
    part = only(parse(orjson.dumps(ALERT)))
    assert part.group.event_class is EventClass.DETECTION_FINDING
    assert (part.group.key.product, part.group.key.service) == ("suricata", "alert")
    holds(
        row_of(part),
        {
            "finding_info.title": "An invented signature",
            "finding_info.analytic.uid": "1:9000001",
            "finding_info.types": ["Invented"],
            "finding_info.attacks": ["T1071.001", "T1095"],
            "severity_id": 4,
            "status_detail": "blocked",
            "src_endpoint.ip": "192.0.2.10",
            "dst_endpoint.port": 80,
            "http_request.user_agent": "agent/1",
        },
    )
    assert part.group.fields.column("alert.signature_id") == [9000001]


@pytest.mark.parametrize(("priority", "severity"), [(1, 4), (2, 3), (3, 2), (4, 1), (None, 0)])
def test_priorities_run_the_other_way_round(priority: int | None, severity: int) -> None:
    record = eve("alert", alert={"signature": "x", "signature_id": 1, "severity": priority})
    assert event(record)["severity_id"] == severity


def test_an_alert_takes_from_its_flow_the_ends_it_lacks() -> None:
    record: dict[str, object] = {
        **WHEN, "event_type": "alert", "alert": {"signature": "x"},
        "flow": {"src_ip": "192.0.2.1", "dest_ip": "192.0.2.2", "src_port": 1, "dest_port": 2},
    }  # fmt: skip
    holds(event(record), {"src_endpoint.ip": "192.0.2.1", "dst_endpoint.port": 2})


def test_a_flow_is_timed_by_its_own_start() -> None:
    row = event(FLOW)
    assert str(row["time"]) == "2024-05-01 09:59:00+00:00"
    holds(
        row,
        {
            "duration": 1.5, "traffic.bytes_out": 300, "traffic.packets_in": 2, "status_id": 1,
            "connection_info.protocol_name": "tcp", "app_name": None,
        },
    )  # fmt: skip


def test_a_tcp_flow_that_never_left_its_first_state_failed() -> None:
    assert event(eve("flow", flow={"state": "new"}))["status_id"] == 2
    assert event({**eve("flow", flow={"state": "new"}), "proto": "UDP"})["status_id"] == 0


@pytest.mark.parametrize(
    ("dns", "answers", "activity"),
    [
        ({"type": "query", "rrname": "example.org", "rrtype": "A"}, None, 1),
        (
            {"type": "answer", "rrname": "example.org", "rrtype": "A", "rdata": "192.0.2.1"},
            ["192.0.2.1"], 2,
        ),
        (
            {"version": 2, "type": "answer", "rrname": "example.org", "rrtype": "A",
             "answers": [{"rdata": "a.example.org"}, {"rdata": "192.0.2.1"}]},
            ["a.example.org", "192.0.2.1"], 2,
        ),
        (
            {"version": 2, "type": "answer", "rrname": "example.org", "rrtype": "A",
             "grouped": {"A": ["192.0.2.1"]}},
            ["192.0.2.1"], 2,
        ),
        (
            {"version": 3, "type": "response",
             "queries": [{"rrname": "example.org", "rrtype": "A"}],
             "answers": [{"rrname": "example.org", "rdata": "192.0.2.1"}]},
            ["192.0.2.1"], 2,
        ),
    ],
)  # fmt: skip
def test_dns_is_read_in_every_version(
    dns: dict[str, object], answers: list[str] | None, activity: int
) -> None:
    holds(
        event(eve("dns", dns=dns)),
        {
            "query.hostname": "example.org", "query.type": "A", "answers": answers,
            "activity_id": activity,
        },
    )  # fmt: skip


def test_an_answer_logged_from_the_servers_side_is_turned_round() -> None:
    record = {
        **eve("dns", dns={"type": "answer", "rrname": "example.org"}),
        "src_port": 53, "dest_port": 40000,
    }  # fmt: skip
    holds(event(record), {"src_endpoint.ip": "198.51.100.7", "dst_endpoint.port": 53})


@pytest.mark.parametrize(
    ("record", "event_class", "expected"),
    [
        (
            eve("http", http={"hostname": "h", "url": "/p", "http_method": "POST", "status": 200}),
            EventClass.HTTP_ACTIVITY,
            {"activity_id": 6, "http_request.url.path": "/p", "http_response.code": 200},
        ),
        (
            eve("tls", tls={"sni": "example.org", "ja3": {"hash": "aa"}, "issuerdn": "CN=x"}),
            EventClass.NETWORK_ACTIVITY,
            {"tls.sni": "example.org", "tls.ja3_hash": "aa", "tls.certificate.issuer": "CN=x"},
        ),
        (
            eve("ssh", ssh={"client": {"software_version": "x_1"}}),
            EventClass.SSH_ACTIVITY, {"http_request.user_agent": "x_1"},
        ),
        (
            eve("smb", smb={"share": "\\\\s\\C$", "filename": "a.exe"}),
            EventClass.SMB_ACTIVITY, {"share": "\\\\s\\C$", "file.path": "a.exe"},
        ),
        (eve("rdp", rdp={"cookie": "ann"}), EventClass.RDP_ACTIVITY, {"actor.user.name": "ann"}),
        (
            eve("smtp", smtp={"rcpt_to": ["<b@example.net>"]}, email={"from": "a@example.org"}),
            EventClass.EMAIL_ACTIVITY,
            {"email.from": "a@example.org", "email.to": ["<b@example.net>"]},
        ),
        (
            eve("fileinfo", fileinfo={"filename": "/d/a.bin", "size": 5, "md5": "aa"}),
            EventClass.FILE_ACTIVITY,
            {"device.ip": "198.51.100.7", "file.name": "a.bin", "file.hashes": "MD5=aa"},
        ),
        (
            eve("netflow", netflow={"bytes": 9, "pkts": 1, "age": 4}),
            EventClass.NETWORK_ACTIVITY, {"traffic.bytes_out": 9, "duration": 4.0},
        ),
        (eve("krb5"), EventClass.BASE_EVENT, {"src_endpoint.ip": "192.0.2.10"}),
        (eve("never seen; odd"), EventClass.BASE_EVENT, {"metadata.log_name": "unknown"}),
    ],
)  # fmt: skip
def test_each_event_type_is_mapped(
    record: dict[str, object], event_class: EventClass, expected: dict[str, object]
) -> None:
    part = only(parse(orjson.dumps(record)))
    assert part.group.event_class is event_class
    holds(row_of(part), expected)


def test_values_of_the_wrong_type_leave_the_event_without_them() -> None:
    broken = eve("alert", alert=[1], http="x", flow=3)
    broken |= {"src_ip": {"a": 1}, "src_port": "no", "timestamp": 5}
    dns = eve("dns", dns={"answers": [1, {"rdata": 2}], "queries": ["x"], "grouped": {"A": 1}})
    parsed = parse(b"\n".join(map(orjson.dumps, [broken, ALERT, dns, eve("flow", flow=[])])))
    assert parsed.events == 4


def test_an_object_without_an_event_type_is_rejected() -> None:
    parsed = parse(b'{"a":1}\n' + orjson.dumps(FLOW) + b'\n{"event_type":7}')
    assert parsed.events == 1
    assert parsed.groups[0].records.tolist() == [1]
    assert all("event_type" in reject.reason for reject in parsed.rejects)


def test_a_document_gives_the_same_events_as_lines() -> None:
    records = [ALERT, FLOW]
    lines = parse(b"\n".join(map(orjson.dumps, records)))
    document = orjson.dumps(records, option=orjson.OPT_INDENT_2)
    gathered = parse(document, SuricataDocument())
    assert [row_of(part) for part in lines.groups] == [row_of(part) for part in gathered.groups]
    start, length = int(gathered.offsets[1]), int(gathered.lengths[1])
    assert orjson.loads(document[start : start + length]) == FLOW


def test_sniffing_tells_lines_documents_and_others_apart() -> None:
    lines = orjson.dumps(ALERT) + b"\n" + orjson.dumps(FLOW)
    document = orjson.dumps([ALERT], option=orjson.OPT_INDENT_2)
    assert Suricata().sniff(lines, None) > 0.9
    assert SuricataDocument().sniff(lines, None) == 0
    assert Suricata().sniff(document, None) == 0
    assert SuricataDocument().sniff(document, None) > 0.8
    assert SuricataDocument().sniff(orjson.dumps([ALERT]), None) > 0.8
    for other in (b'{"EventID":1}', b'[{"eventName":"x"}]', b"", b"\xff\xfe", b'{"event_type":1}'):
        assert Suricata().sniff(other, None) == SuricataDocument().sniff(other, None) == 0


def test_real_eve_logs_are_accounted_for_record_by_record(
    shared_data: Callable[[str], Path],
) -> None:
    for path in shared_data("slips-testdata").rglob("*.suricata.json"):
        data = path.read_bytes()
        parsed = parse(data)
        assert Suricata().sniff(data[:65536], None) > 0.9
        assert parsed.events == len([line for line in data.split(b"\n") if line.strip()]) == 5000
    for path in shared_data("suricata-eve").rglob("alerts-only.json"):
        data = path.read_bytes()
        assert SuricataDocument().sniff(data[:65536], None) > 0.8
        part = only(parse(data, SuricataDocument()))
        assert part.group.events.height == len(orjson.loads(data))
        assert part.group.events["finding_info.title"].null_count() == 0


EDITS = st.lists(
    st.tuples(st.integers(0, 5000), st.binary(max_size=5), st.integers(0, 9)), max_size=5
)


@settings(max_examples=100, deadline=None)
@given(EDITS, st.booleans())
def test_mangled_records_are_accounted_for_and_never_raise(
    edits: list[tuple[int, bytes, int]], document: bool
) -> None:
    records = [ALERT, FLOW, eve("dns", dns={"answers": [{"rdata": "x"}]})]
    if document:
        sample = orjson.dumps(records, option=orjson.OPT_INDENT_2)
        parse(mangled(sample, edits), SuricataDocument())
    else:
        parse(mangled(b"\n".join(map(orjson.dumps, records)), edits))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = ["timestamp", "src_ip", "src_port", "flow_id", "alert", "flow", "dns", "http", "fileinfo"]
TYPES = ["alert", "flow", "dns", "http", "fileinfo", "netflow", "smtp", "tls"]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_json_under_known_keys_is_an_event_beside_a_good_one(
    event_type: str, record: dict[str, object]
) -> None:
    odd = json.dumps({**record, "event_type": event_type}).encode()
    good = orjson.dumps(eve(event_type))
    parsed = parse(b"\n".join([good, odd, good]))
    assert parsed.events == 3
