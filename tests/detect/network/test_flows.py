import itertools
import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.detect import Detector
from hauberk.detect.network import beacons, flows, scans, sessions, volume
from hauberk.events import EventBatch, EventClass

from .conftest import UNANSWERED, Capture

DETECTORS: tuple[Detector, ...] = (
    beacons.detector(),
    scans.detector(),
    sessions.detector(),
    volume.detector(),
)

FLOW = st.tuples(
    st.integers(0, 3),
    st.sampled_from(["10.0.1.1", "10.0.1.2", "198.41.0.4", "198.41.0.5", "fe80::1", "224.0.0.1"]),
    st.sampled_from([22, 443, 1337, 8099]),
    st.booleans(),
)


def mixed(drawn, seed=1):
    """Flows at odd moments, with a beacon and a scan among them, so that something is said."""
    dice = random.Random(seed)
    rows = [
        (at * 5 + dice.random(), f"10.0.0.{src}", dst, port, UNANSWERED if bad else {})
        for at, (src, dst, port, bad) in enumerate(drawn)
    ]
    rows += [(i * 60.0, "10.0.0.5", "198.41.0.9", 8099, {}) for i in range(40)]
    rows += [(i / 10, "10.0.0.6", f"10.0.2.{i}", 445, UNANSWERED) for i in range(60)]
    return Capture().flows(rows)


def fresh(batch):
    """The same events in a batch that nobody has looked at."""
    return EventBatch(batch.batch_id, dict(batch.tables))


def judged(batches):
    """What each detector says and remembers, each of its own batch of `batches`."""
    return {
        one.spec.name: one.judge(batch, {}) for one, batch in zip(DETECTORS, batches, strict=True)
    }


def same(one, other):
    for name, (findings, state) in one.items():
        findings_other, state_other = other[name]
        assert findings.equals(findings_other), name
        assert state.keys() == state_other.keys()
        assert all(table.equals(state_other[key]) for key, table in state.items()), name


@given(st.lists(FLOW, max_size=120))
@settings(max_examples=20, deadline=None)
def test_detectors_that_share_a_batch_say_what_they_say_alone(drawn):
    batch = mixed(drawn)
    alone = judged([fresh(batch) for _ in DETECTORS])
    assert any(findings.height for findings, _ in alone.values())
    same(alone, judged([batch] * len(DETECTORS)))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_whoever_comes_first_shapes_for_all_alike(order):
    batch = mixed([(i % 4, "198.41.0.4", 443, i % 3 == 0) for i in range(80)])
    alone = judged([fresh(batch) for _ in DETECTORS])
    shared = fresh(batch)
    said = {DETECTORS[at].spec.name: DETECTORS[at].judge(shared, {}) for at in order}
    same(alone, said)


def test_the_flows_of_a_batch_are_shaped_once_for_the_same_memory():
    batch = mixed([])
    first = flows.flows(batch, {})
    assert flows.flows(batch, {}) is first
    again = flows.flows(batch, {name: table.clone() for name, table in first.tables.items()})
    assert again is flows.flows(batch, dict(first.tables))


def test_who_remembers_something_else_gets_flows_of_its_own():
    handshake = {"activity_id": 1, "app_name": "ssl", "connection_info.uid": "C0"}
    batch = Capture().flows([(10, "10.0.0.5", "198.41.0.4", 443, handshake)])
    seen = pl.DataFrame({"connection": ["C0"], "us": [0]})
    assert flows.flows(batch, {}).rows.height == 1
    assert flows.flows(batch, {"connections": seen}).rows.is_empty()
    assert flows.flows(batch, {}).rows.height == 1


@pytest.mark.parametrize(
    ("address", "internal", "to_many"),
    [
        ("10.1.2.3", True, False), ("172.31.0.1", True, False), ("172.32.0.1", False, False),
        ("224.0.0.251", True, True), ("10.0.0.255", True, True), ("ff02::1", True, True),
        ("fe80::2", True, False), ("2001:4860::8888", False, False), ("no address", False, False),
    ],
)  # fmt: skip
def test_sides_and_multicast_are_told_by_address(address, internal, to_many):
    rows = flows.flows(Capture().flows([(0, "10.0.0.5", address, 443)]), {}).rows
    assert rows["to_many"].to_list() == [to_many]
    assert rows["dst_in"].to_list() == [internal]


@pytest.mark.parametrize(
    ("written", "read"),
    [("TCP", "tcp"), ("ipv6-icmp", "icmp"), ("ICMP", "icmp"), (None, "tcp"), ("udp", "udp")],
)
def test_protocols_are_spelled_one_way(written, read):
    flow = (0, "10.0.0.5", "10.0.0.6", 443, {"connection_info.protocol_name": written})
    batch = Capture().flows([flow, (1, "10.0.0.5", "10.0.0.6", 443)])
    assert flows.flows(batch, {}).rows["proto"].to_list() == [read, "tcp"]


def test_events_of_no_class_asked_for_are_no_flows():
    assert flows.flows(EventBatch("b", {}), {}).rows.is_empty()
    empty = EventBatch("b", {EventClass.NETWORK_ACTIVITY: mixed([]).tables[4001].clear()})
    assert flows.flows(empty, {}).rows.is_empty()
