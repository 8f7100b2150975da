"""Networks asked all at once."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hauberk.detect.sigma.networks import LONGEST, Networks

HELD = ["10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/16", "0.0.0.0/0", "fe80::/10", "::1/128"]


def _networks() -> Networks:
    networks = Networks()
    for number, text in enumerate(HELD):
        networks.add(text, number)
    return networks


@given(some.ip_addresses())
def test_an_address_is_found_in_just_the_networks_that_hold_it(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    spellings = {address, getattr(address, "ipv4_mapped", None) or address}
    expected = {
        number
        for number, text in enumerate(HELD)
        if any(one in ipaddress.ip_network(text) for one in spellings)
    }
    assert set(_networks().find(str(address))) == expected


@pytest.mark.parametrize("text", ["::ffff:10.1.2.3", " 10.1.2.3 ", "[::ffff:10.1.2.3]"])
def test_other_spellings_of_an_address_are_read(text: str) -> None:
    assert {0, 1, 2, 3} <= set(_networks().find(text))


def test_what_is_no_address_lies_nowhere() -> None:
    assert not _networks().find("10.1.2")
    assert not _networks().find(" " * LONGEST + "10.1.2.3")
    assert not Networks()
