"""Which model detectors a home has: none where no model may judge, and why one may not.

`hauberk.models.roster` decides who may judge; a model that cannot be made ready (features and
weights that do not fit, a library that is not installed) is refused like any other.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from hauberk.detect.interface import Detector, DetectorSpec
from hauberk.errors import HauberkError
from hauberk.events import FindingKind
from hauberk.models import Check, Failure, LoadedModel, Refusal, Roster, Task, rosters
from hauberk.store import Home

from . import domains, executables, mails, requests
from .counting import CountingDetector
from .panel import Panel, Seat

MAIL_COUNTS, EXECUTABLE_COUNTS = f"{mails.NAME}-counts", f"{executables.NAME}-counts"
COUNTED = (domains.NAME, MAIL_COUNTS, EXECUTABLE_COUNTS, requests.NAME)
"""Names of the detectors in whose state it stands what models did (tables `tally`, `inputs`)."""

_FIELDS: dict[Task, tuple[Callable[[Panel], Detector], str]] = {
    Task.MAIL: (mails.MailModels, MAIL_COUNTS),
    Task.EXECUTABLE: (executables.ExecutableModels, EXECUTABLE_COUNTS),
}
TASKS = (Task.DOMAIN, *_FIELDS)
"""Tasks that are judged as telemetry comes, and that other programs may ask for."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """Detectors of records as they are parsed, of the lake, and the models that may not judge."""

    fields: list[Detector] = field(default_factory=list)
    behaviour: list[Detector] = field(default_factory=list)
    refusals: tuple[Refusal, ...] = ()

    @property
    def faults(self) -> list[str]:
        """A sentence for each model that may not judge; rules carry on without it."""
        return [f"{one}; rules judge alone there" for one in self.refusals]


@dataclass(frozen=True, slots=True)
class Seated:
    """Who judges one task; no panel where nobody may. `live` says why there is no live model."""

    panel: Panel | None
    live: Refusal | None
    refusals: tuple[Refusal, ...] = ()


def panels(home: Home, *, now: datetime | None = None) -> dict[Task, Seated]:
    """Who judges each of TASKS, from one proof of the ledger; `now` is the home's clock's."""
    return {task: _panel(known) for task, known in rosters(home, TASKS, now=now).items()}


def _panel(known: Roster) -> Seated:
    refusals, seats = list(known.refusals), []
    live = known.live if isinstance(known.live, Refusal) else None
    for loaded in (known.live, known.canary, *known.shadows):
        if isinstance(loaded, LoadedModel):
            seat = _seated(loaded)
            if isinstance(seat, Seat):
                seats.append(seat)
                continue
            refusals.append(seat)
            live = seat if loaded is known.live else live
    return Seated(Panel(tuple(seats)) if seats else None, live, tuple(refusals))


def assemble(home: Home) -> Assembled:
    """The model detectors of a home, each with the models that every check let through."""
    made = Assembled()
    refusals: list[Refusal] = []
    for task, known in panels(home).items():
        refusals += known.refusals
        if known.panel is not None:
            _add(made, task, known.panel)
    if made.behaviour:
        made.behaviour.append(requests.RequestCounts())
    once = {(one.stage, one.digest, str(one)): one for one in refusals}
    return Assembled(made.fields, made.behaviour, tuple(once.values()))


def _seated(loaded: LoadedModel) -> Seat | Refusal:
    try:
        return Seat.of(loaded)
    except HauberkError as error:
        model = loaded.model
        failure = Failure(Check.CONTENT, error.what, error.where)
        name = f"{model.name}@{model.version}"
        return Refusal(model.task, loaded.stage, (failure,), name, loaded.digest)


def _add(made: Assembled, task: Task, panel: Panel) -> None:
    if task is Task.DOMAIN:
        made.behaviour.append(domains.DomainModels(panel))
        return
    detector, counts = _FIELDS[task]
    judging = detector(panel)
    spec = DetectorSpec(
        name=counts,
        version=panel.version,
        kind=FindingKind.MODEL,
        title=f"What models did, by day: {judging.spec.title}",
        reads_hits=True,
    )
    made.fields.append(judging)
    made.behaviour.append(CountingDetector(spec, judging.spec.name, panel))
