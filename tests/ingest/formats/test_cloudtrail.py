import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import EventClass
from hauberk.ingest.formats.cloudtrail import CloudTrail, CloudTrailDocument
from hauberk.ingest.interface import Format, Parsed, RecordBatch

from .accounts import check_accounts, holds, mangled, only, row_of

CALL: dict[str, object] = {
    "eventVersion": "1.08",
    "eventTime": "2024-05-01T12:00:00Z",
    "eventSource": "iam.amazonaws.com",
    "eventName": "CreateAccessKey",
    "awsRegion": "eu-north-1",
    "sourceIPAddress": "192.0.2.10",
    "userAgent": "tool/1",
    "errorCode": "AccessDenied",
    "errorMessage": "not authorised",
    "recipientAccountId": "000000000001",
    "requestParameters": {"userName": "bob", "policy": "arn:aws:iam::000000000001:policy/p"},
    "resources": [{"ARN": "arn:aws:iam::000000000001:user/bob"}],
    "userIdentity": {
        "type": "AssumedRole",
        "arn": "arn:aws:sts::000000000001:assumed-role/ops/ann",
        "accountId": "000000000001",
        "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {"sessionIssuer": {"userName": "ops"}},
    },
}
LOGIN: dict[str, object] = {
    "eventTime": "2024-05-01T12:00:01Z",
    "eventSource": "signin.amazonaws.com",
    "eventName": "ConsoleLogin",
    "sourceIPAddress": "2001:db8::1",
    "userIdentity": {"type": "Root", "arn": "arn:aws:iam::000000000001:root"},
    "responseElements": {"ConsoleLogin": "Failure"},
    "additionalEventData": {"MFAUsed": "Yes"},
    "errorMessage": "Failed authentication",
}


def parse(data: bytes, form: Format | None = None) -> Parsed:
    parsed = (form or CloudTrail()).parse(RecordBatch(data, "test"))
    check_accounts(parsed)
    return parsed


def test_a_call_becomes_api_activity_of_its_principal() -> None:
    part = only(parse(orjson.dumps(CALL)))
    assert part.group.event_class is EventClass.API_ACTIVITY
    key = part.group.key
    assert (key.product, key.service, key.event_code) == ("aws", "cloudtrail", "CreateAccessKey")
    holds(
        row_of(part),
        {
            "actor.user.name": "ops",
            "actor.user.uid": "arn:aws:sts::000000000001:assumed-role/ops/ann",
            "actor.user.type": "AssumedRole",
            "actor.session.uid": "ASIAEXAMPLE",
            "src_endpoint.ip": "192.0.2.10",
            "api.operation": "CreateAccessKey",
            "api.service.name": "iam.amazonaws.com",
            "api.response.error": "AccessDenied",
            "status_id": 2,
            "activity_id": 1,
            "cloud.account.uid": "000000000001",
            "cloud.region": "eu-north-1",
            "resources": [
                "arn:aws:iam::000000000001:user/bob",
                "bob",
                "arn:aws:iam::000000000001:policy/p",
            ],
        },
    )
    assert part.group.fields.column("userIdentity.type") == ["AssumedRole"]
    assert part.group.fields.column("errorCode") == ["AccessDenied"]


def test_a_console_login_becomes_an_authentication() -> None:
    part = only(parse(orjson.dumps(LOGIN)))
    assert part.group.event_class is EventClass.AUTHENTICATION
    holds(
        row_of(part),
        {
            "user.name": "root", "status_id": 2, "is_mfa": True, "src_endpoint.ip": "2001:db8::1",
            "logon_type_id": 2, "activity_id": 1,
        },
    )  # fmt: skip


def test_a_hidden_name_is_nobody() -> None:
    who = {"type": "IAMUser", "userName": "HIDDEN_DUE_TO_SECURITY_REASONS"}
    assert row_of(only(parse(orjson.dumps({**LOGIN, "userIdentity": who}))))["user.name"] is None


def test_a_service_that_calls_on_behalf_of_somebody_is_no_address() -> None:
    record = {**CALL, "sourceIPAddress": "autoscaling.amazonaws.com"}
    holds(
        row_of(only(parse(orjson.dumps(record)))),
        {"src_endpoint.ip": None, "src_endpoint.hostname": "autoscaling.amazonaws.com"},
    )


@pytest.mark.parametrize(
    ("operation", "activity"),
    [
        ("DescribeInstances", 2), ("GetObject", 2), ("RunInstances", 1), ("DeleteTrail", 4),
        ("StopLogging", 3), ("AssumeRole", 99),
    ],
)  # fmt: skip
def test_operations_are_sorted_by_their_verb(operation: str, activity: int) -> None:
    record = {**CALL, "eventName": operation}
    assert row_of(only(parse(orjson.dumps(record))))["activity_id"] == activity


WRAPPED = {
    "event bridge": {"version": "0", "detail-type": "AWS API Call", "detail": CALL},
    "sns": {"Type": "Notification", "Message": json.dumps({"detail": CALL})},
    "splunk": {"_time": "x", "_raw": json.dumps(CALL)},
    "elasticsearch": {"_index": "x", "_source": CALL},
    "lookup-events": {"EventId": "1", "CloudTrailEvent": json.dumps(CALL)},
}


@pytest.mark.parametrize("wrapper", WRAPPED.values(), ids=WRAPPED)
def test_a_wrapped_record_is_the_record(wrapper: dict[str, object]) -> None:
    data = orjson.dumps(wrapper)
    assert CloudTrail().sniff(data, None) > 0.9
    assert row_of(only(parse(data))) == row_of(only(parse(orjson.dumps(CALL))))
    assert only(parse(data)).group.fields.column("eventName") == ["CreateAccessKey"]


def test_lower_cased_names_are_given_back_their_spelling() -> None:
    lowered = json.loads(json.dumps(CALL))
    lowered = {name.lower(): value for name, value in lowered.items()}
    lowered["useridentity"] = {k.lower(): v for k, v in lowered["useridentity"].items()}
    row = row_of(only(parse(orjson.dumps(lowered))))
    holds(row, {"api.operation": "CreateAccessKey", "src_endpoint.ip": "192.0.2.10"})


def test_time_falls_back_on_the_exporters_stamp() -> None:
    record = {name: value for name, value in CALL.items() if name != "eventTime"}
    record["@timestamp"] = "2024-05-01T12:00:09.000Z"
    assert str(row_of(only(parse(orjson.dumps(record))))["time"]) == "2024-05-01 12:00:09+00:00"


@pytest.mark.parametrize("indent", [False, True])
@pytest.mark.parametrize("shape", ["Records", "array", "logEvents"])
def test_documents_hold_one_event_a_record(shape: str, *, indent: bool) -> None:
    whole: object = [CALL, LOGIN]
    if shape == "Records":
        whole = {"Records": whole}
    if shape == "logEvents":
        whole = {"logEvents": [{"id": "1", "message": json.dumps(r)} for r in (CALL, LOGIN)]}
    data = orjson.dumps(whole, option=orjson.OPT_INDENT_2 if indent else 0)
    assert CloudTrailDocument().sniff(data, None) > 0.9
    assert CloudTrail().sniff(data, None) == 0
    parsed = parse(data, CloudTrailDocument())
    assert parsed.events == parsed.records == 2
    assert {part.group.event_class for part in parsed.groups} == {
        EventClass.AUTHENTICATION,
        EventClass.API_ACTIVITY,
    }


def test_deliveries_one_a_line_are_taken_apart() -> None:
    delivery = orjson.dumps({"Records": [CALL, LOGIN, CALL]})
    assert parse(delivery + b"\n" + delivery).events == 6


def test_events_are_grouped_by_operation_and_lead_back_to_their_records() -> None:
    records = [{**CALL, "eventName": name} for name in ("GetA", "GetB", "GetA")]
    parsed = parse(b"\n".join(map(orjson.dumps, records)))
    groups = {part.group.key.event_code: part.records.tolist() for part in parsed.groups}
    assert groups == {"GetA": [0, 2], "GetB": [1]}
    for part in parsed.groups:
        assert set(part.group.events["api.operation"]) == {part.group.key.event_code}


def test_invented_operations_do_not_make_groups_without_end() -> None:
    records = [{**CALL, "eventName": f"Op{i}"} for i in range(2000)]
    assert len(parse(b"\n".join(map(orjson.dumps, records))).groups) <= 513


def test_what_is_no_cloudtrail_record_is_rejected() -> None:
    data = orjson.dumps(CALL) + b'\n{"a":1}\nnonsense\n' + orjson.dumps(CALL)
    parsed = parse(data)
    assert parsed.events == 2
    assert "eventName" in parsed.rejects[-1].reason


def test_sniffing_leaves_others_alone() -> None:
    for other in (
        b'{"EventID":1}',
        b'{"eventName":"x"}',
        b'{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put"}]}',
        b'[{"event_type":"alert"}]',
        b"",
    ):
        assert CloudTrail().sniff(other, None) == CloudTrailDocument().sniff(other, None) == 0


def test_real_detonations_are_accounted_for_record_by_record(
    shared_data: Callable[[str], Path],
) -> None:
    total = 0
    for path in shared_data("cloudtrail-stratus").rglob("detonation-logs/*.json"):
        data = path.read_bytes()
        assert CloudTrailDocument().sniff(data[:65536], None) > 0.9
        parsed = parse(data, CloudTrailDocument())
        assert parsed.events == parsed.records == len(orjson.loads(data))
        assert all(part.group.events["time"].null_count() == 0 for part in parsed.groups)
        total += parsed.events
    assert total == 310


def test_a_real_export_by_logstash_is_read(shared_data: Callable[[str], Path]) -> None:
    found = 0
    for path in shared_data("win-otrf-atomic").rglob("aws/**/*.zip"):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".json"):
                    data = archive.read(name)
                    assert CloudTrail().sniff(data[:65536], None) > 0.9
                    parsed = parse(data)
                    assert parsed.events == len([x for x in data.split(b"\n") if x.strip()])
                    assert all(p.group.events["time"].null_count() == 0 for p in parsed.groups)
                    found += parsed.events
    assert found > 100


EDITS = st.lists(
    st.tuples(st.integers(0, 5000), st.binary(max_size=5), st.integers(0, 9)), max_size=5
)


@settings(max_examples=100, deadline=None)
@given(EDITS, st.booleans())
def test_mangled_records_are_accounted_for_and_never_raise(
    edits: list[tuple[int, bytes, int]], document: bool
) -> None:
    if document:
        sample = orjson.dumps({"Records": [CALL, LOGIN]}, option=orjson.OPT_INDENT_2)
        parse(mangled(sample, edits), CloudTrailDocument())
    else:
        parse(mangled(b"\n".join(map(orjson.dumps, [CALL, LOGIN, CALL])), edits))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["ConsoleLogin", "GetObject", "{odd}", ""]),
    st.dictionaries(st.sampled_from(sorted(set(CALL) - {"eventName"})), JSON),
)
def test_any_json_under_known_keys_is_an_event_beside_a_good_one(
    operation: str, record: dict[str, object]
) -> None:
    odd = json.dumps({**record, "eventName": operation}).encode()
    good = orjson.dumps(CALL)
    assert parse(b"\n".join([good, odd, good])).events == 3
