"""OpenTelemetry log records, as lines and as export requests."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.ingest import RecordBatch, recognise
from hauberk.ingest.formats.otlp import Otlp
from hauberk.ingest.receivers import otlp

logs = pytest.importorskip("opentelemetry.proto.collector.logs.v1.logs_service_pb2")


def request(*bodies: object, **record: object) -> dict[str, Any]:
    def text(value: object) -> dict[str, object]:
        return {"stringValue": value}

    return {
        "resourceLogs": [
            {
                "resource": {
                    "attributes": [
                        {"key": "host.name", "value": text("ws07")},
                        {"key": "service.name", "value": text("sshd")},
                    ]
                },
                "scopeLogs": [
                    {
                        "logRecords": [
                            {"timeUnixNano": "1772445600000000000", "body": text(body), **record}
                            for body in bodies
                        ]
                    }
                ],
            }
        ]
    }


def lines(found: dict[str, Any]) -> bytes:
    split = otlp.lines_of(json.dumps(found).encode(), otlp.JSON)
    return b"".join(one + b"\n" for one in split)


def test_a_log_record_means_what_the_same_message_means_in_syslog() -> None:
    data = lines(request("Failed password for root from 10.9.9.9 port 1 ssh2", severityNumber=17))
    known = recognise(data, None)
    assert known is not None
    assert known.name == "otlp"
    found = known.parse(RecordBatch(data, "o.log", 0, data))
    (event,) = found.groups[0].group.events.to_dicts()
    assert event["time"] == datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
    assert (event["device.hostname"], event["src_endpoint.ip"]) == ("ws07", "10.9.9.9")
    assert event["status_id"] == 2
    assert event["severity_id"] == 4
    assert found.groups[0].group.fields.row(0)["host.name"] == "ws07"


def test_a_body_that_is_a_syslog_line_is_read_as_one() -> None:
    data = lines(request("<34>Mar  2 09:00:00 db01 cron[1]: hello"))
    (event,) = Otlp().parse(RecordBatch(data, "o.log", 0, data)).groups[0].group.events.to_dicts()
    assert (event["device.hostname"], event["message"]) == ("db01", "hello")


def test_a_request_in_protobuf_gives_the_lines_of_the_same_request_in_json() -> None:
    from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]  # noqa: PLC0415

    said = request("a", "b")
    packed = ParseDict(said, logs.ExportLogsServiceRequest()).SerializeToString()
    one, other = (
        otlp.lines_of(packed, otlp.PROTOBUF),
        otlp.lines_of(json.dumps(said).encode(), otlp.JSON),
    )
    events = [Otlp().parse(RecordBatch(b"\n".join(each), "", 0)).events for each in (one, other)]
    assert events == [2, 2]
    assert len(one) == len(other) == 2


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["resourceLogs", "scopeLogs", "logRecords", "body", "attributes", "value",
                         "stringValue", "kvlistValue", "values", "key", "timeUnixNano"]),
        inner, max_size=4),
    max_leaves=20,
))  # fmt: skip
def test_any_json_is_refused_or_accounted_for(value: object) -> None:
    data = json.dumps(value).encode()
    found = Otlp().parse(RecordBatch(data + b"\n", "o.log", 0, data))
    assert found.records == found.events + len(found.rejects)
    try:
        otlp.lines_of(data, otlp.JSON)
    except (ValueError, AttributeError):
        return


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read_as_protobuf(data: bytes) -> None:
    try:
        otlp.lines_of(data, otlp.PROTOBUF)
    except ValueError:
        return
