"""Attack campaigns: each a file, its steps emitted through the same logs as ordinary life."""

from collections.abc import Callable, Mapping

from hauberk.emulate.agenda import Actor

from .attack import Attack
from .ransomware import ransomware

CAMPAIGNS: Mapping[str, Callable[[Attack], Actor]] = {
    "ransomware": ransomware,
}

__all__ = ["CAMPAIGNS", "Attack"]
