"""Which of many networks an address lies in: one lookup for each length of prefix."""

import ipaddress

LONGEST = 64
"""Letters above which a text is no address."""


class Networks:
    """Networks by number, asked all at once."""

    def __init__(self) -> None:
        # version -> bits of the host's part -> network's part -> numbers
        self._held: dict[int, dict[int, dict[int, list[int]]]] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def add(self, text: str, number: int) -> None:
        """Have `number` found for addresses of a network. Raises ValueError where it is none."""
        network = ipaddress.ip_network(text)
        shift = network.max_prefixlen - network.prefixlen
        of_length = self._held.setdefault(network.version, {}).setdefault(shift, {})
        of_length.setdefault(int(network.network_address) >> shift, []).append(number)

    def find(self, text: str) -> list[int]:
        """Networks that an address lies in; one in IPv6's mapped spelling counts as IPv4 too."""
        if len(text) > LONGEST:
            return []
        try:
            address = ipaddress.ip_address(text.strip().strip("[]").partition("%")[0])
        except ValueError:
            return []
        found = self._of(address)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            found += self._of(address.ipv4_mapped)
        return found

    def _of(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[int]:
        place = int(address)
        found: list[int] = []
        for shift, networks in self._held.get(address.version, {}).items():
            found += networks.get(place >> shift, ())
        return found
