"""What a running system is made of, and what is told of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hauberk.errors import ExitCode, HauberkError

if TYPE_CHECKING:
    from hauberk.store import Settings

    from .inference import Inference

RUN = "run"
"""The folder of a home in which a running system keeps its lock, its status and its logs."""

STUCK_SECONDS = 120.0
"""Seconds without a sign of life after which a part is ended and started again."""

Report = Mapping[str, Any]
"""What a part says of itself, as JSON has it."""


class State(StrEnum):
    """How a part, or the whole, stands."""

    WAITING = "waiting"  # for the parts before it
    STARTING = "starting"
    UP = "up"
    DOWN = "down"  # it died and will be started again
    STOPPING = "stopping"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of a running system: by its settings, then by the command line.

    A part that owes a sign of life and gives none for `patience` seconds is started again.
    """

    home: Path
    settings: "Settings"
    paths: tuple[Path, ...] = ()
    sources_file: Path | None = None
    sources: int = 0
    rules: tuple[Path, ...] = ()
    budget: float | None = None
    every: float | None = None
    console: bool = True
    listen: tuple[str, int] = ("127.0.0.1", 8443)
    names: tuple[str, ...] = ()
    inference: "Inference | None" = None
    patience: float = STUCK_SECONDS


@dataclass(frozen=True, slots=True)
class Part:
    """One process of a running system.

    `arguments` are those of the `hauberk` command that it is, or None where the plan does not ask
    for it. `reports` is the key of the JSON lines that it says how it does with; it is ready once
    it has said one and `answers` (it may wait for seconds) says so. `grace` is how many seconds it
    may take to end; `silence` after how many without a report something is wrong with it.
    """

    name: str
    arguments: Callable[[Plan], Sequence[str] | None]
    reports: str
    describe: Callable[[Plan], str]
    answers: Callable[[Plan, Report], bool] | None = None
    grace: float = 30.0
    silence: float | None = None


@dataclass(frozen=True, slots=True)
class PartStatus:
    """How a part stands. Times are ISO 8601 in UTC; `rate` in records a second."""

    name: str
    state: State
    about: str
    pid: int | None = None
    started: str | None = None  # the process's own start time, as the system counts it
    since: str | None = None
    restarts: int = 0
    last_exit: str | None = None
    last_words: tuple[str, ...] = ()
    next_start: str | None = None
    rate: float | None = None
    silent: float | None = None  # seconds since its last report, where it owes some
    stuck: bool = False
    report: Report | None = None


class Listener(Protocol):
    """Told of what happens to a running system, in the order that it happens."""

    def ready(self, parts: Sequence[PartStatus], report: Mapping[str, Report]) -> None:
        """Everything is up for the first time; `report` is what each part said of itself."""
        ...

    def died(self, part: str, how: str, words: Sequence[str], again: float) -> None:
        """A part ended that should not have; it is started again in `again` seconds."""
        ...

    def stuck(self, part: str, silent: float) -> None:
        """A part has given no sign of life for `silent` seconds, and is ended for that."""
        ...

    def back(self, part: str) -> None:
        """A part that died is up again."""
        ...

    def ending(self, parts: Sequence[str]) -> None:
        """The whole is being ended, in this order."""
        ...

    def forced(self, part: str) -> None:
        """A part did not end in time and was killed."""
        ...

    def ended(self) -> None:
        """Nothing runs any more."""
        ...


class PartFailedError(HauberkError):
    """A part ended before it was ever up, for a reason that another try would not change."""

    def __init__(self, part: str, code: int, words: Sequence[str]) -> None:
        said = [one.removeprefix("error: ") for one in words] or ["it said nothing"]
        super().__init__("; ".join(said), where=part)
        known = {int(one) for one in ExitCode}
        self.exit_code = ExitCode(code) if code in known and code else ExitCode.INTERNAL
