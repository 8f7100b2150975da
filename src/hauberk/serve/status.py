"""The status of a running system: written by its supervisor, read by everybody else."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from hauberk import __version__

from .interface import RUN, PartStatus, State
from .running import Holder, holder_of, write_whole

STATUS = "status.json"
STALE_SECONDS = 15.0
"""Age at which a status says that its supervisor no longer does what it should."""


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """How a running system stood at `time` (seconds since 1970)."""

    state: State
    holder: Holder | None
    time: float
    version: str
    parts: tuple[PartStatus, ...] = ()
    stale: bool = False

    @property
    def healthy(self) -> bool:
        """Whether all parts are up, and the supervisor too."""
        return self.state is State.UP and not self.stale

    def as_json(self) -> dict[str, Any]:
        """It as `hauberk status --json` tells it."""
        return {
            **asdict(self),
            "time": datetime.fromtimestamp(self.time, UTC).isoformat(timespec="seconds"),
            "healthy": self.healthy,
        }


def write_status(
    home: Path, state: State, holder: Holder, parts: Sequence[PartStatus], now: float
) -> None:
    """Write `run/status.json`, whole or not at all. Raises OSError."""
    told = {
        "state": state, "holder": asdict(holder), "time": now, "version": __version__,
        "parts": [asdict(one) for one in parts],
    }  # fmt: skip
    write_whole(home / RUN / STATUS, orjson.dumps(told))


def read_status(home: Path, now: float | None = None) -> SystemStatus:
    """How a home's system stands; `ENDED` where nothing runs. Never raises."""
    now = time.time() if now is None else now
    holder = holder_of(home)
    alive = holder is not None and holder.process.alive
    try:
        told = orjson.loads((home / RUN / STATUS).read_bytes())
        parts = tuple(_part(one) for one in told["parts"])
        found = SystemStatus(
            State(told["state"]), holder, float(told["time"]), str(told["version"]), parts
        )
    except (OSError, ValueError, KeyError, TypeError):
        state = State.STARTING if alive else State.ENDED
        return SystemStatus(state, holder if alive else None, now, __version__)
    if not alive:
        return SystemStatus(State.ENDED, None, found.time, found.version, found.parts)
    if Holder(**told["holder"]) != holder:  # what its predecessor wrote
        return SystemStatus(State.STARTING, holder, now, __version__)
    stale = now - found.time > STALE_SECONDS
    return SystemStatus(found.state, holder, found.time, found.version, parts, stale)


def _part(told: dict[str, Any]) -> PartStatus:
    return PartStatus(
        **{**told, "state": State(told["state"]), "last_words": tuple(told["last_words"])}
    )
