import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.detect.network import guessing, noise, scans, tally
from hauberk.events import FINDING_SCHEMA

from .conftest import Capture

INSIDE, TARGET, OUTSIDE = "10.0.0.5", "10.0.0.9", "8.8.4.4"
NO_ANSWER = {
    "status_id": 2, "traffic.bytes_out": 0, "traffic.bytes_in": 0, "traffic.packets_in": 0,
}  # fmt: skip


def judge(capture, rows, state=None):
    return capture.run(scans.detector(), [capture.flows(rows)], state)


def browsing(hours=8, hosts=6, seed=3):
    """Ordinary use: many web servers, a few that are down, a resolver, a file server."""
    dice = random.Random(seed)
    rows: list[tuple[Any, ...]] = []
    for host in range(hosts):
        for _ in range(hours * 40):
            at = dice.uniform(0, hours * 3600)
            down = NO_ANSWER if dice.random() < 0.03 else {}
            there = f"93.184.{dice.randrange(60)}.{dice.randrange(1, 250)}"
            rows.append((at, f"10.0.0.{20 + host}", there, dice.choice([80, 443, 443]), down))
            rows.append((at, f"10.0.0.{20 + host}", "10.0.0.2", 53,
                         {"connection_info.protocol_name": "udp"}))  # fmt: skip
        rows.extend((dice.uniform(0, hours * 3600), f"10.0.0.{20 + host}", "10.0.0.3", 445)
                    for _ in range(20))  # fmt: skip
    return rows


def test_a_vertical_scan_by_an_internal_host_is_told_with_numbers(capture):
    rows = [(i / 50, INSIDE, TARGET, 1000 + i, NO_ANSWER) for i in range(300)]
    findings, _ = judge(capture, [*browsing(), *rows])
    assert findings.schema == FINDING_SCHEMA
    said = findings.filter(findings["rule_uid"] == "network.ports").sort("surprise")
    assert said["message"][0].startswith(f"{INSIDE} tried 256 ports of {TARGET} that did not ans")
    assert said["entities"][0].to_list() == [f"ip:{INSIDE}", f"ip:{TARGET}"]
    assert said["techniques"][0].to_list() == ["T1046"]
    assert said["surprise"][0] < 1e-5
    assert 1 < len(said["evidence"][0]) <= 50


def test_one_port_on_many_hosts_and_a_ping_sweep_are_told(capture):
    rows: list[tuple[Any, ...]] = [
        (i, INSIDE, f"10.0.1.{i + 1}", 445, NO_ANSWER) for i in range(100)
    ]
    ping = {"connection_info.protocol_name": "icmp", "src_endpoint.port": 8, "status_id": 0}
    rows += [(200 + i, INSIDE, f"10.0.1.{i + 1}", 0, ping) for i in range(100)]
    findings, _ = judge(capture, [*browsing(), *rows])
    assert {"network.hosts", "network.sweep"} <= set(findings["rule_uid"])
    assert findings["surprise"].min() < 2e-4


def test_a_scan_over_hours_is_seen_as_well(capture):
    rows = [(i * 400, INSIDE, f"10.0.1.{i + 1}", 22, NO_ANSWER) for i in range(100)]
    findings, _ = judge(capture, rows)
    assert findings["surprise"].min() < 1e-3


def test_dead_hosts_in_haste_are_told_though_most_others_answer(capture):
    rows = [
        (i / 3, INSIDE, f"93.{i}.{i % 7}.9", 80, NO_ANSWER if i % 3 == 0 else {}) for i in range(60)
    ]
    said = judge(capture, [*browsing(), *rows])[0]
    assert set(said["rule_uid"]) == {"network.haste"}
    assert said["techniques"][0].to_list() == ["T1046"]
    assert scans.HASTE <= said["surprise"].min() < 0.02


def test_ordinary_browsing_is_no_scan(capture):
    findings, _ = judge(capture, browsing())
    assert findings.is_empty()


def test_noise_from_the_internet_is_told_once_and_softly(capture):
    rows = [
        (i, f"185.{i % 200}.{i // 200}.7", TARGET, [22, 23, 3389][i % 3], NO_ANSWER)
        for i in range(3000)
    ]
    findings, _ = judge(capture, rows)
    inbound = findings.filter(findings["rule_uid"] == "network.inbound")
    assert 1 <= inbound.height <= 12
    assert findings["surprise"].min() >= noise.NOISE
    assert inbound["entities"][0][0] == f"ip:{TARGET}"


def test_many_like_connections_to_a_password_service_are_guessing(capture):
    rows = [
        (i * 2, INSIDE, TARGET, 22, {"traffic.bytes_out": 1500 + i % 7, "duration": 1.5})
        for i in range(400)
    ]
    findings, _ = judge(capture, [*browsing(), *rows])
    said = findings.filter(findings["rule_uid"] == "network.guessing").sort("surprise")
    assert said["techniques"][0].to_list() == ["T1110"]
    assert said["surprise"][0] < 1e-3


def guesses(findings):
    return findings.filter(findings["rule_uid"] == "network.guessing")


def test_a_service_that_is_polled_day_and_night_is_not_guessed_at(capture):
    """An application and its database, a monitor and a service: a connection every few seconds."""
    rows = [
        (i * every, INSIDE, f"10.0.9.{port % 250}", port, {"duration": 0.05})
        for port, every in ((1433, 225), (5432, 30), (22, 20), (3306, 5), (445, 60))
        for i in range(86_400 // every)
    ]
    findings, _ = judge(capture, rows)
    assert guesses(findings).is_empty()


def test_what_a_pair_did_before_as_fast_is_no_news(capture):
    def burst(begin, count):
        return [(begin + i, INSIDE, TARGET, 22, {"duration": 0.8}) for i in range(count)]

    first, state = judge(capture, burst(0, 400))
    again, state = judge(capture, burst(90_000, 500), state)
    more, _ = judge(capture, burst(180_000, 500), state)
    assert not guesses(first).is_empty()
    assert guesses(again).is_empty()
    assert guesses(more).is_empty()


def test_transfers_in_a_hurry_are_not_guesses(capture):
    rows = [(i, INSIDE, TARGET, 445, {"traffic.bytes_in": 90_000}) for i in range(400)]
    assert guesses(judge(capture, rows)[0]).is_empty()


def test_guesses_at_a_database_in_a_hurry_are_told_softly(capture):
    rows = [(i / 5, INSIDE, TARGET, 1433, {"traffic.bytes_in": 300}) for i in range(1000)]
    said = guesses(judge(capture, rows)[0])
    assert said["surprise"].min() >= guessing.POOLED


def test_a_flood_is_told_by_its_rate(capture):
    rows = [(i / 200, INSIDE, "93.184.1.1", 80, NO_ANSWER) for i in range(4000)]
    findings, _ = judge(capture, rows)
    said = findings.filter(findings["rule_uid"] == "network.flood").sort("surprise")
    assert said["techniques"][0].to_list() == ["T1498", "T1499"]
    assert said["surprise"][0] < 1e-3


def test_what_many_hosts_do_is_less_surprising_than_what_one_does(capture):
    def scan_by(hosts):
        return [
            (1000 * host + i, f"10.0.3.{host}", f"10.0.1.{i + 1}", 445, NO_ANSWER)
            for host in range(1, hosts + 1)
            for i in range(64)
        ]

    alone, _ = judge(capture, scan_by(1))
    crowd, _ = judge(capture, scan_by(60))
    last = crowd.filter(crowd["entities"].list.contains("ip:10.0.3.60"))
    assert last.is_empty() or last["surprise"].min() > 10 * alone["surprise"].min()


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(20, 45), st.booleans()),
        min_size=1,
        max_size=300,
    ),
    st.lists(st.integers(0, 900), max_size=4),
)
@settings(max_examples=25, deadline=None)
def test_findings_and_state_do_not_depend_on_how_batches_are_cut(capture_kind, drawn, edges):
    capture = capture_kind
    rows = [
        (3 * second, f"10.0.0.{src}", f"10.0.1.{dst % 4}", port, NO_ANSWER if bad else {})
        for second, (src, dst, port, bad) in enumerate(drawn)
    ]
    batch = capture.flows(rows)
    whole, after = capture.run(scans.detector(), [batch])
    parts, parts_after = capture.run(scans.detector(), capture.cut(batch, edges))
    assert sorted(whole.rows(), key=str) == sorted(parts.rows(), key=str)
    for name, frame in after.items():
        assert sorted(frame.rows(), key=str) == sorted(parts_after[name].rows(), key=str), name


@pytest.fixture(scope="module")
def capture_kind():
    return Capture()


def test_state_is_bounded(capture, monkeypatch):
    monkeypatch.setattr(tally, "EPOCH", 256)
    monkeypatch.setattr(tally, "MAX_KEYS", 50)
    monkeypatch.setattr(tally, "MAX_TARGETS", 100)
    monkeypatch.setattr(tally, "MAX_TARGETS_OF_ONE", 20)
    rows = [(i / 10, f"10.0.{i % 200}.1", f"10.1.0.{i % 250}", i, NO_ANSWER) for i in range(5000)]
    _, state = judge(capture, rows)
    assert state["ports.keys"].height <= 50 + 256
    assert state["ports.targets"].height <= 100 + 256


def test_hostile_values_do_not_raise(capture):
    odd = {"src_endpoint.port": None, "traffic.bytes_out": -(2**62), "duration": float("nan"),
           "connection_info.protocol_name": None, "status_id": 99}  # fmt: skip
    rows = [(i, "not an address", "", 10**12, odd) for i in range(100)]
    findings, _ = judge(capture, rows)
    assert findings.schema == FINDING_SCHEMA
