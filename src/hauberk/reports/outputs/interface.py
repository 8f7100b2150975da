"""What is sent, to whom it is handed, and how a receiver says that it will not have it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from hauberk.errors import HauberkError
from hauberk.triage import Incident


class Subject(StrEnum):
    """What a message tells of."""

    FINDING = "finding"
    INCIDENT = "incident"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Message:
    """One finding or incident as it was said once.

    `id` is the same whenever the same is sent again, and of nothing else; `uid` is that of the
    finding or incident, through all that is said of it. `data` is OCSF as JSON. `is_new` is whether
    the receiver has been told nothing of that uid before.
    """

    id: str
    uid: str
    subject: Subject
    time: datetime
    severity_id: int
    title: str
    data: bytes
    is_new: bool = True
    incident: Incident | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that the receiver will never take, and why."""

    message: Message
    reason: str


class NotSentError(HauberkError):
    """The receiver was not reached, or takes nothing for now: nothing is wrong with the messages.

    `done` are the ids of those of the batch that it has taken all the same, `refused` those that
    it will never take.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str,
        done: frozenset[str] = frozenset(),
        refused: Sequence[Refused] = (),
    ) -> None:
        super().__init__(what[:400], where=where)
        self.done = done
        self.refused = refused


class RefusedError(HauberkError):
    """The receiver refused a batch for what is in it.

    `at` is the place of the message that it refused, all before it being taken; None where it does
    not say which.
    """

    def __init__(self, what: str, *, where: str, at: int | None = None) -> None:
        super().__init__(what[:400], where=where)
        self.at = at


class Sender(Protocol):
    """A connection to one receiver, used by one thread. It holds on to nothing but its connection.

    `batch` is how many messages it takes at once at most; `pause` how many seconds lie between two
    batches at least.
    """

    batch: int
    pause: float

    def send(self, messages: Sequence[Message]) -> Sequence[Refused]:
        """Hand over messages in order; once it returns all are with the receiver but the refused.

        Raises NotSentError, RefusedError.
        """
        ...

    def check(self) -> str:
        """Reach the receiver without telling it anything; what was found. Raises NotSentError."""
        ...

    def close(self) -> None:
        """Let go of the connection; the next use makes another, with secrets read anew."""
        ...


@dataclass(frozen=True, slots=True)
class Filter:
    """What of a home goes to an output."""

    findings: bool = True
    incidents: bool = True
    least_probability: float = 0.0
    least_severity: int = 0
    within_budget: bool = False
    only_new: bool = False
    leave_out: tuple[tuple[str, ...], ...] = ()
    raw: bool = False

    def lets(self, incident: Incident) -> bool:
        """Whether an incident is told of."""
        return (
            self.incidents
            and incident.probability >= self.least_probability
            and incident.severity_id >= self.least_severity
            and (incident.above_budget or not self.within_budget)
        )


@dataclass(frozen=True, slots=True)
class OutputStatus:
    """How an output stands. `commits` is how many of the home's commits it is behind."""

    name: str
    kind: str
    where: str
    commits: int
    sent: int = 0
    refused: int = 0
    refusal: str = ""  # why the newest of those was refused
    fault: str = ""
    since: str | None = None  # of the fault, ISO 8601
    last: str | None = None  # when something was sent, ISO 8601
    behind: float = 0.0  # seconds for which the receiver has waited for what is there
    started: bool = True  # whether it ever ran


@dataclass(frozen=True, slots=True)
class Output:
    """One `[outputs.NAME]`: its kind's own settings are in `target`."""

    name: str
    kind: str
    where: str
    target: object  # the settings dataclass of its kind
    filter: Filter = field(default_factory=Filter)
    from_beginning: bool = False
    notes: tuple[str, ...] = ()
