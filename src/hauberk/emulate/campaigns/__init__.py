"""Attack campaigns: each a file, its steps emitted through the same logs as ordinary life."""

from collections.abc import Callable, Mapping

from hauberk.emulate.agenda import Actor

from .attack import Attack
from .cloud_keys import cloud_keys
from .dns_tunnel import dns_tunnel
from .intrusion import intrusion
from .password_spray import password_spray
from .ransomware import ransomware

CAMPAIGNS: Mapping[str, Callable[[Attack], Actor]] = {
    "cloud-keys": cloud_keys,
    "dns-tunnel": dns_tunnel,
    "intrusion": intrusion,
    "password-spray": password_spray,
    "ransomware": ransomware,
}
"""By the names that `--campaign` knows. A new campaign is a file here and a line above."""

__all__ = ["CAMPAIGNS", "Attack"]
