from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.detect.network import volume
from hauberk.events import FINDING_SCHEMA, EventClass

from .conftest import START, Capture
from .test_beacons import C2, HOST, people


def judge(rows, state=None):
    capture = Capture()
    return capture.run(volume.detector(), [capture.flows(rows)], state)


def fetched(rows):
    """HTTP events from (seconds, host asked, path, media type) tuples."""
    return Capture().batch(
        {
            EventClass.HTTP_ACTIVITY: [
                {
                    "time": START + timedelta(seconds=at),
                    "metadata.uid": f"h:{number}",
                    "activity_id": 3,
                    "status_id": 0,
                    "src_endpoint.ip": HOST,
                    "src_endpoint.port": 50_000 + number,
                    "dst_endpoint.ip": C2,
                    "dst_endpoint.port": 80,
                    "connection_info.uid": f"C{number}",
                    "http_request.url.hostname": name,
                    "http_request.url.path": path,
                    "file.mime_type": kind,
                }
                for number, (at, name, path, kind) in enumerate(rows)
            ]
        }
    )


def test_much_data_sent_to_one_place_is_told_with_its_size():
    sent = {"traffic.bytes_out": 60_000_000, "traffic.bytes_in": 50_000}
    rows = [(i * 60, HOST, C2, 443, sent) for i in range(40)]
    findings, _ = judge([*people(), *rows])
    said = findings.sort("surprise")
    assert findings.schema == FINDING_SCHEMA
    assert said["surprise"][0] < 0.01
    assert said["techniques"][0].to_list()[:2] == ["T1048", "T1041"]
    assert f"{HOST} sent" in said["message"][0]
    assert "GB" in said["message"][0]


def daily(count, size, target=C2, begin=0):
    """One long session a day that sends so many bytes."""
    more = {"traffic.bytes_out": size, "traffic.bytes_in": size // 50, "duration": 7_200.0}
    return [((begin + day) * 86_400, HOST, target, 443, more) for day in range(count)]


def test_one_session_out_of_a_hosts_own_profile_weighs_more_than_its_size():
    usual = daily(6, 1_000_000, target="93.184.1.1")
    out_of_profile, _ = judge([*usual, *daily(1, 200_000_000, begin=6)])
    unknown, _ = judge(daily(1, 200_000_000))
    assert out_of_profile["surprise"].min() < unknown["surprise"].min() / 10
    assert out_of_profile["techniques"][0].to_list()[:2] == ["T1048", "T1041"]


def test_a_nightly_backup_becomes_no_news():
    findings, _ = judge(daily(12, 2_000_000_000))
    later = findings.filter(findings["time"] > START + timedelta(days=4))
    assert later.is_empty()


def test_downloads_are_no_uploads():
    got = {"traffic.bytes_out": 9_000_000, "traffic.bytes_in": 900_000_000}
    assert judge([(i * 60, HOST, C2, 443, got) for i in range(40)])[0].is_empty()


def test_data_in_pings_is_told_and_plain_pings_are_not():
    ping = {"connection_info.protocol_name": "icmp", "src_endpoint.port": 8, "status_id": 0}
    big = {**ping, "traffic.bytes_out": 9_000}
    findings, _ = judge([(i, HOST, C2, 0, big) for i in range(400)])
    assert findings["techniques"][0].to_list() == ["T1095", "T1048"]
    plain = {**ping, "traffic.bytes_out": 56}
    assert judge([(i, HOST, C2, 0, plain) for i in range(4000)])[0].is_empty()


@pytest.mark.parametrize(
    ("path", "kind"), [("/a/loader.exe", None), ("/x", "application/x-dosexec"), ("/i.sh", None)]
)
def test_a_program_fetched_by_address_is_told(path, kind):
    findings, _ = Capture().run(volume.detector(), [fetched([(0, C2, path, kind)])])
    assert findings["techniques"][0].to_list() == ["T1105", "T1071.001"]
    assert findings["surprise"][0] <= 0.002


def test_pages_and_a_program_fetched_by_name_say_little():
    rows = [(i, "www.example.org", f"/page{i}.html?x=a.exe.html", "text/html") for i in range(200)]
    findings, _ = Capture().run(volume.detector(), [fetched(rows)])
    assert findings.is_empty()
    rows = [(0, "dl.example.org", "/setup.exe", "application/x-dosexec")]
    findings, _ = Capture().run(volume.detector(), [fetched(rows)])
    assert findings["surprise"].min() >= 0.04


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(-(2**62), 2**62)), max_size=60),
    st.lists(st.integers(0, 90_000), max_size=4),
)
@settings(max_examples=15, deadline=None)
def test_findings_and_state_do_not_depend_on_how_batches_are_cut(steps, edges):
    capture, at = Capture(), 0
    rows: list[tuple[Any, ...]] = [(0, HOST, C2, 443)]
    for step, size in steps:
        at += step
        rows.append((at, HOST, C2, 443, {"traffic.bytes_out": size}))
    batch = capture.flows(rows)
    whole, after = capture.run(volume.detector(), [batch])
    parts, parts_after = capture.run(volume.detector(), capture.cut(batch, edges))
    assert sorted(whole.rows(), key=str) == sorted(parts.rows(), key=str)
    for name, frame in after.items():
        assert sorted(frame.rows(), key=str) == sorted(parts_after[name].rows(), key=str), name


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
@settings(max_examples=30, deadline=None)
def test_no_request_raises(name, path, kind):
    findings, _ = Capture().run(volume.detector(), [fetched([(0, name, path, kind)] * 5)])
    assert isinstance(findings, pl.DataFrame)
