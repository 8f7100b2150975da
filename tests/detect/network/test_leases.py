from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.detect.network import leases
from hauberk.events import EventBatch, EventClass

from .conftest import START, Capture

SERVER = "192.168.7.1"


def asked(rows):
    """DHCP events from (seconds, hardware address, client address, address asked for) tuples."""
    return Capture().batch(
        {
            EventClass.DHCP_ACTIVITY: [
                {
                    "time": START + timedelta(seconds=at),
                    "metadata.uid": f"d:{number:05}",
                    "src_endpoint.ip": client,
                    "src_endpoint.mac": mac,
                    "dst_endpoint.ip": SERVER,
                    "lease.requested": address,
                }
                for number, (at, mac, client, address) in enumerate(rows)
            ]
        }
    )


def judge(rows, state=None):
    return Capture().run(leases.detector(), [asked(rows)], state)


def office(day=0, clients=40):
    """A morning: each client asks once for the address that it had."""
    return [
        (day * 86_400 + i * 20, f"02:00:00:00:00:{i:02x}", None, f"192.168.7.{i + 20}")
        for i in range(clients)
    ]


def test_a_client_that_asks_for_address_after_address_is_told():
    scan = [(i, "AA:bb:cc:00:00:01", "192.168.7.9", f"192.168.7.{100 + i}") for i in range(20)]
    findings, _ = judge(office() + scan)
    assert findings["rule_uid"].unique().to_list() == ["network.leases"]
    assert findings["techniques"][0].to_list()[0] == "T1557.003"
    assert findings["entities"][0].to_list() == ["ip:192.168.7.9"]
    assert findings["surprise"].min() <= 0.0005


def test_a_morning_and_renewals_say_nothing():
    renewals = [(i * 300, "02:00:00:00:00:01", None, "192.168.7.21") for i in range(200)]
    assert judge(office() + renewals)[0].is_empty()


def test_too_many_hardware_addresses_within_a_minute_are_told():
    flood = [(86_400 + i / 10, f"de:ad:00:00:{i >> 8:02x}:{i & 255:02x}", None, None)
             for i in range(500)]  # fmt: skip
    findings, _ = judge(office() + flood)
    assert findings["rule_uid"].unique().to_list() == ["network.clients"]
    assert findings["surprise"].min() <= 0.002


def test_a_server_that_is_always_asked_by_many_is_no_news():
    busy = [
        (
            minute * 60 + i / 10,
            f"02:00:00:{minute & 255:02x}:{i >> 8:02x}:{i & 255:02x}",
            None,
            None,
        )
        for minute in range(5)
        for i in range(60 if minute < 3 else 130)
    ]
    assert judge(busy)[0].is_empty()


@pytest.mark.parametrize("mac", [None, "", "x|y|z"])
def test_odd_hardware_addresses_do_no_harm(mac):
    judge([(i, mac, None, f"192.168.7.{i}") for i in range(30)])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 4_000), max_size=4))
def test_findings_and_state_do_not_depend_on_how_batches_are_cut(cuts):
    scan = [(i * 60, "aa:bb:cc:00:00:01", "192.168.7.9", f"192.168.7.{i}") for i in range(60)]
    batch = asked(office() + scan)
    capture = Capture()
    whole, after = capture.run(leases.detector(), [batch])
    cut, after_cut = capture.run(leases.detector(), capture.cut(batch, cuts))
    assert cut.sort("uid").equals(whole.sort("uid"))
    assert {name: table.sort(table.columns).rows() for name, table in after_cut.items()} == {
        name: table.sort(table.columns).rows() for name, table in after.items()
    }


def test_no_leases_no_findings():
    findings, _ = leases.detector().judge(EventBatch("b", {}), {})
    assert findings.is_empty()
