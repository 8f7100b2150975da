import random

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.detect.network import sessions
from hauberk.events import FINDING_SCHEMA

from .conftest import Capture
from .test_beacons import C2, HOST, NO_ANSWER, people


def judge(rows, state=None):
    capture = Capture()
    return capture.run(sessions.detector(), [capture.flows(rows)], state)


def test_hours_on_an_odd_port_are_told_with_their_length():
    rows = [(i * 3600, HOST, C2, 4455, {"duration": 3500.0}) for i in range(10)]
    findings, _ = judge([*people(), *rows])
    said = findings.filter(pl.col("rule_uid") == "network.long").sort("surprise")
    assert findings.schema == FINDING_SCHEMA
    assert said["surprise"][0] < 0.01
    assert f"was connected to {C2} port 4455/tcp for" in said["message"][0]
    assert said["entities"][0].to_list() == [f"ip:{HOST}", f"ip:{C2}"]


def test_a_push_channel_that_is_open_all_day_says_little():
    rows = [(i * 3600, HOST, C2, 5223, {"duration": 3600.0}) for i in range(14)]
    findings, _ = judge(rows)
    assert findings.is_empty() or findings["surprise"].min() >= 0.02


def test_calls_in_vain_are_told_even_without_a_rhythm():
    dice = random.Random(1)
    rows = [(dice.uniform(0, 20_000), HOST, C2, 5888, NO_ANSWER) for _ in range(600)]
    findings, _ = judge([*people(), *rows])
    said = findings.filter(pl.col("rule_uid") == "network.retries").sort("surprise")
    assert said["surprise"][0] < 1e-3
    assert "512 times in vain" in said["message"][0]
    assert len(said["evidence"][0]) > 5


def test_sessions_on_an_odd_port_are_told():
    rows = [(i * 100, HOST, C2, 1338) for i in range(40)]
    findings, _ = judge([*people(), *rows])
    assert "network.odd-port" in set(findings["rule_uid"])


def test_tls_on_the_port_of_another_service_is_told():
    rows = [(i * 700, HOST, C2, 25, {"app_name": "ssl"}) for i in range(3)]
    findings, _ = judge(rows)
    assert findings["techniques"][0].to_list()[0] == "T1571"


def test_what_many_sources_use_is_ordinary():
    """A support tool on a port of its own, everywhere and all day; each host has its own server."""
    rows = [
        (host + i * 700, f"10.0.7.{host}", f"93.184.9.{host}", 5938, {"duration": 690.0})
        for host in range(30)
        for i in range(60)
    ]
    findings, _ = judge([*people(), *rows])
    assert findings.height <= 6
    assert judge([row for row in rows if row[1] == "10.0.7.3"])[0].height > 0


def test_a_flood_of_like_findings_is_bounded():
    rows = [
        (i, f"10.0.{host // 200}.{host % 200}", f"93.{host // 200}.{host % 200}.9", 4000 + host)
        for host in range(600)
        for i in range(0, 36_000, 1000)
    ]
    assert judge(rows)[0].height <= 100


def test_people_who_browse_say_nothing():
    assert judge(people())[0].is_empty()


@given(
    st.lists(
        st.tuples(st.integers(0, 900), st.integers(0, 2), st.integers(0, 4000), st.booleans()),
        min_size=1,
        max_size=150,
    ),
    st.lists(st.integers(0, 90_000), max_size=4),
)
@settings(max_examples=15, deadline=None)
def test_findings_and_state_do_not_depend_on_how_batches_are_cut(steps, edges):
    capture, at, rows = Capture(), 0, []
    for step, host, seconds, bad in steps:
        at += step
        more = NO_ANSWER if bad else {"duration": float(seconds)}
        rows.append((at, f"10.0.0.{host}", C2, 4455, more))
    batch = capture.flows(rows)
    whole, after = capture.run(sessions.detector(), [batch])
    parts, parts_after = capture.run(sessions.detector(), capture.cut(batch, edges))
    assert sorted(whole.rows(), key=str) == sorted(parts.rows(), key=str)
    for name, frame in after.items():
        assert sorted(frame.rows(), key=str) == sorted(parts_after[name].rows(), key=str), name
