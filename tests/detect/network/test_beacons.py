import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.detect.network import beacons, regularity
from hauberk.events import FINDING_SCHEMA, EventClass

from .conftest import Capture

HOST, C2 = "10.0.0.5", "198.41.0.4"
NO_ANSWER = {
    "status_id": 2, "traffic.bytes_out": 0, "traffic.bytes_in": 0, "traffic.packets_in": 0,
}  # fmt: skip


def judge(capture, rows, state=None):
    return capture.run(beacons.detector(), [capture.flows(rows)], state)


def calls(count, period, jitter, *, port=8099, more=None, seed=1, dst=C2, src=HOST):
    dice = random.Random(seed)
    at, rows = 0.0, []
    for _ in range(count):
        rows.append((at, src, dst, port, more or {}))
        at += period * dice.uniform(1 - jitter, 1 + jitter)
    return rows


def people(hours=8, hosts=8, seed=3):
    """People browse in bursts to sites they like more or less."""
    dice = random.Random(seed)
    rows: list[tuple[Any, ...]] = []
    for host in range(hosts):
        at = 0.0
        while at < hours * 3600:
            at += dice.expovariate(1 / 300)
            site = f"93.184.{int(dice.paretovariate(1)) % 90}.7"
            rows.extend(
                (at + burst * dice.random() * 4, f"10.0.0.{20 + host}", site, 443,
                 {"traffic.bytes_out": int(dice.lognormvariate(7, 1))})
                for burst in range(dice.randrange(1, 6))
            )  # fmt: skip
    return rows


@pytest.mark.parametrize("jitter", [0.0, 0.1, 0.3, 0.5, 0.7])
def test_a_beacon_is_told_through_jitter(capture, jitter):
    findings, _ = judge(capture, [*people(), *calls(130, 60, jitter)])
    said = findings.filter(findings["entities"].list.first() == f"ip:{HOST}").sort("surprise")
    assert findings.schema == FINDING_SCHEMA
    assert said["surprise"][0] <= 1e-3
    assert f"calls {C2} port 8099/tcp every " in said["message"][0]
    assert said["techniques"][0].to_list()[0] == "T1571"


def test_bursts_and_sleep_do_not_hide_a_beacon(capture):
    rows: list[tuple[Any, ...]] = []
    for number in range(60):
        begin = number * 300 + (9 * 3600 if number > 30 else 0)
        rows.extend((begin + i * 0.2, HOST, C2, 8099) for i in range(1 + number % 4))
    findings, _ = judge(capture, rows)
    assert findings["surprise"].min() <= 1e-3
    assert findings.sort("surprise")["message"].str.contains("every 5 minutes").any()


def test_a_command_server_that_is_gone_is_told_as_failing(capture):
    findings, _ = judge(capture, calls(40, 10, 0.05, more=NO_ANSWER))
    said = findings.sort("surprise")
    assert said["rule_uid"][0] == "network.beacon-failed"
    assert said["surprise"][0] < 1e-4


def test_people_do_not_beacon(capture):
    findings, _ = judge(capture, people())
    assert findings.is_empty()


def test_what_everybody_calls_and_clocks_are_explained_away(capture):
    rows = [
        row
        for host in range(20)
        for row in calls(40, 600, 0.02, port=8099, seed=host, src=f"10.0.0.{30 + host}")
    ]
    rows += calls(200, 64, 0.01, port=123, dst="198.41.0.9")
    findings, _ = judge(capture, rows)
    assert not findings["message"].str.contains("port 123/").any()
    late = findings.filter(~findings["message"].str.contains("10.0.0.3[01] calls"))
    assert late.filter(late["surprise"] < 1e-3).is_empty()


def test_a_rhythm_on_a_web_port_says_less_than_on_an_odd_one(capture):
    web, _ = judge(capture, calls(60, 60, 0.05, port=443))
    odd, _ = judge(capture, calls(60, 60, 0.05, port=8099))
    assert web["surprise"].min() > 10 * odd["surprise"].min()


def test_http_alone_is_enough_and_is_not_counted_twice(capture):
    flows = [
        {
            **dict(capture.flows(calls(20, 60, 0.02)).tables[EventClass.NETWORK_ACTIVITY].row(
                number, named=True)),
        }
        for number in range(20)
    ]  # fmt: skip
    names = ("time", "metadata.uid", "src_endpoint.ip", "src_endpoint.port", "dst_endpoint.ip",
             "dst_endpoint.port", "connection_info.uid")  # fmt: skip
    requests = [
        {**{name: row[name] for name in names}, "metadata.uid": f"h:{i}"}
        for i, row in enumerate(flows)
    ]
    alone, _ = capture.run(
        beacons.detector(), [capture.batch({EventClass.HTTP_ACTIVITY: requests})]
    )
    assert not alone.is_empty()
    for row in flows:
        row["app_name"] = "http"
    both = capture.batch({EventClass.HTTP_ACTIVITY: requests, EventClass.NETWORK_ACTIVITY: flows})
    findings, _ = capture.run(beacons.detector(), [both])
    assert findings["count"].max() <= 20


@given(
    st.lists(
        st.tuples(st.integers(1, 50), st.integers(0, 2), st.sampled_from([443, 8099])),
        min_size=1,
        max_size=300,
    ),
    st.lists(st.integers(0, 8000), max_size=4),
)
@settings(max_examples=20, deadline=None)
def test_findings_and_state_do_not_depend_on_how_batches_are_cut(drawn, edges):
    capture = Capture()
    at, rows = 0, []
    for step, host, port in drawn:
        at += step
        rows.append((at, f"10.0.0.{host}", C2, port))
    rows += calls(40, 100, 0.02)
    batch = capture.flows(rows)
    whole, after = capture.run(beacons.detector(), [batch])
    parts, parts_after = capture.run(beacons.detector(), capture.cut(batch, edges))
    assert sorted(whole.rows(), key=str) == sorted(parts.rows(), key=str)
    assert set(whole["rule_uid"]) <= {"network.beacon", "network.beacon-failed"}
    for name, frame in after.items():
        assert sorted(frame.rows(), key=str) == sorted(parts_after[name].rows(), key=str), name


def test_chance_is_seldom_called_regular():
    dice = np.random.default_rng(7)
    moments = np.cumsum(dice.exponential(30, (20_000, 32)), axis=1)
    bits = regularity.rhythm(moments).bits
    for strength in (4.0, 7.0, 10.0):
        assert (bits >= strength).mean() <= 2 * 2.0**-strength


def test_more_jitter_is_less_evidence():
    dice = np.random.default_rng(7)
    said = []
    for jitter in (0.05, 0.3, 0.6, 0.9):
        steps = 60 * (1 + jitter * dice.uniform(-1, 1, (200, 64)))
        said.append(np.median(regularity.rhythm(np.cumsum(steps, axis=1)).bits))
    assert all(more > less for more, less in pairwise(said))
    assert said[-1] > 10


def test_state_is_bounded(capture, monkeypatch):
    monkeypatch.setattr(beacons, "EPOCH", 256)
    monkeypatch.setattr(beacons, "MAX_MOMENTS", 300)
    monkeypatch.setattr(beacons, "MAX_USERS", 100)
    rows = [(i, HOST, f"93.{i % 200}.{i // 200}.7", 8099) for i in range(4000)]
    _, state = judge(capture, rows)
    assert state["moments"].height <= 300 + 256
    assert state["users"].height <= 100 + 256


def test_a_near_perfect_beacon_that_nobody_else_has_rises_on_a_web_port(capture):
    estate = people(hosts=14)
    lone = calls(130, 60, 0.02, port=443)
    findings, _ = judge(capture, [*estate, *lone])
    said = findings.filter(findings["entities"].list.first() == f"ip:{HOST}")
    assert said["surprise"].min() <= 2 * beacons.LONE
    loose, _ = judge(capture, [*estate, *calls(130, 60, 0.4, port=443)])
    assert loose.is_empty() or loose["surprise"].min() >= beacons.INNOCENT


def test_a_rhythm_that_others_share_stays_low_on_a_web_port(capture):
    shared = [row for host in range(3) for row in calls(130, 60, 0.02, port=443,
                                                         src=f"10.0.0.{20 + host}")]  # fmt: skip
    findings, _ = judge(capture, [*people(hosts=14), *shared])
    assert findings.is_empty() or findings["surprise"].min() >= beacons.INNOCENT


def test_evidence_is_of_the_pair_and_ends_with_the_latest(capture):
    rows = [*people(hosts=4), *calls(70, 60, 0.05)]
    batch = capture.flows(rows)
    findings, _ = capture.run(beacons.detector(), [batch])
    flows = batch.tables[EventClass.NETWORK_ACTIVITY]
    for row in findings.iter_rows(named=True):
        shown = flows.filter(flows["metadata.uid"].is_in(row["evidence"]))
        assert shown.select("src_endpoint.ip", "dst_endpoint.ip").n_unique() == 1
        assert shown["time"].max() == row["end_time"]
