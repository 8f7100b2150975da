"""Wazuh's alerts."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import EventClass, LogKey
from hauberk.ingest.formats.wazuh import Wazuh

from .accounting import mangled, parsed_whole


def alert(level: object = 10, **more: object) -> dict[str, object]:
    return {
        "timestamp": "2024-01-02T03:04:05.678+0100",
        "rule": {"level": level, "description": "sshd: brute force", "id": "5763",
                 "groups": ["syslog", "sshd"], "mitre": {"id": ["T1110"]}},
        "agent": {"id": "001", "name": "web1", "ip": "10.0.0.5"},
        "manager": {"name": "m"}, "id": "1.2", "full_log": "Failed password ...",
        "data": {"srcip": "192.0.2.9", "srcport": "4000", "dstuser": "root"},
        "location": "/var/log/auth.log", **more,
    }  # fmt: skip


def lines(*alerts: object) -> bytes:
    return b"".join(json.dumps(a).encode() + b"\n" for a in alerts)


def test_an_alert_is_a_finding_with_rule_host_source_and_technique() -> None:
    data = lines(alert())
    assert Wazuh().sniff(data, None) > 0.9
    (part,) = parsed_whole(Wazuh(), data).groups
    assert part.group.key == LogKey("wazuh", "alerts")
    assert part.group.event_class is EventClass.DETECTION_FINDING
    row = part.group.events.row(0, named=True)
    assert row["time"] == datetime(2024, 1, 2, 2, 4, 5, 678000, tzinfo=UTC)
    assert row["finding_info.title"] == "sshd: brute force"
    assert row["finding_info.analytic.uid"] == "5763"
    assert row["finding_info.attacks"] == ["T1110"]
    assert row["finding_info.types"] == ["syslog", "sshd"]
    assert (row["device.hostname"], row["device.ip"]) == ("web1", "10.0.0.5")
    assert (row["src_endpoint.ip"], row["src_endpoint.port"]) == ("192.0.2.9", 4000)
    assert row["actor.user.name"] == "root"


@pytest.mark.parametrize(
    ("level", "severity"), [(0, 1), (3, 1), (5, 2), (7, 3), (12, 4), (15, 5), (99, 5), ("x", 0)]
)
def test_levels_become_severities(level: object, severity: int) -> None:
    (part,) = parsed_whole(Wazuh(), lines(alert(level))).groups
    assert part.group.events["severity_id"].to_list() == [severity]


def test_exports_of_the_index_are_unwrapped() -> None:
    data = lines({"_index": "wazuh-alerts", "_source": alert()})
    assert Wazuh().sniff(data, None) > 0.9
    (part,) = parsed_whole(Wazuh(), data).groups
    assert part.group.events["finding_info.analytic.uid"].to_list() == ["5763"]


def test_other_json_is_not_wazuh() -> None:
    for data in (b"", b"{}", b'{"rule": {"level": 1}}', b'{"rule": "x", "agent": 1}', b"[1]"):
        assert Wazuh().sniff(data, None) == 0.0


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9))
def test_mangled_files_never_raise_and_every_record_is_accounted_for(seed: int) -> None:
    odd = [{**alert(), "rule": seed}, {**alert(), "agent": [None, {"name": [["deep"]]}]}]
    parsed_whole(Wazuh(), mangled(lines(alert(), alert(3), *odd), seed))
