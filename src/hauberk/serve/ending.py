"""Ends a running system from outside: asked first, and killed only where it does not answer."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .interface import PartStatus
from .running import Process, holder_of, wait_until
from .status import read_status

KILL_SECONDS = 10.0
"""Seconds for a killed supervisor's parts, which are told of its death, to end."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a running system. `killed` names what had to be killed."""

    was_up: bool
    killed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def bring_down(home: Path, seconds: float, told: Callable[[str], None]) -> Ended:
    """End what runs a home, within `seconds` in order, and else by force.

    Only processes that are known by id and by start time are signalled. `told` hears what is done.
    """
    holder = holder_of(home)
    parts = [one for one in read_status(home).parts if one.pid]
    if holder is None or not holder.process.alive:
        # Its parts were told of its death; they may be busy with their last commit.
        return _after_a_crash(parts, told)
    supervisor = holder.process
    told(f"asking process {holder.pid} to end")
    supervisor.signal(signal.SIGTERM)
    if wait_until(lambda: not supervisor.alive, seconds):
        return Ended(was_up=True)
    parts = [one for one in read_status(home).parts if one.pid]
    told(f"it did not end in {seconds:.0f} s: killing it")
    supervisor.signal(signal.SIGKILL)
    wait_until(lambda: not supervisor.alive, KILL_SECONDS)
    rest = _after_a_crash(parts, told)
    return Ended(was_up=True, killed=("supervisor", *rest.killed), left=rest.left)


def _after_a_crash(parts: list[PartStatus], told: Callable[[str], None]) -> Ended:
    alive = {one.name: _process(one) for one in parts if _process(one).alive}
    if not alive:
        return Ended(was_up=False)
    told(f"its supervisor is gone; asking {', '.join(alive)} to end")
    for one in alive.values():
        one.signal(signal.SIGTERM)
    wait_until(lambda: not any(one.alive for one in alive.values()), KILL_SECONDS)
    killed = [name for name, one in alive.items() if one.alive]
    for name in killed:
        alive[name].signal(signal.SIGKILL)
    wait_until(lambda: not any(one.alive for one in alive.values()), KILL_SECONDS)
    left = tuple(name for name, one in alive.items() if one.alive)
    return Ended(was_up=True, killed=tuple(killed), left=left)


def _process(part: PartStatus) -> Process:
    return Process(part.pid or 0, part.started or "")
