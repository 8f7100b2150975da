"""The one way to a model: `load`, which gives it with its limits, or says which check refused it.

The checks, in order: the ledger is what was committed; something stands at the stage asked for;
the files are those that were registered, and plain data; a trusted key signed them together; nobody
revoked them; they are for this task; the policy's gates held; the board's grant stands and has not
expired. No file is opened a second time after it was hashed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hauberk.errors import HauberkError, HomeDamagedError
from hauberk.governance import Conditions, Decision, Risk
from hauberk.store import Home

from .artifact import Artifact, read_artifact
from .clearance import Check, Failure, cleared
from .documents import SIGNATURE, Model, Task
from .reading import ArtifactError
from .registry import Registry, read_registry
from .signing import SignatureError, verify_identity
from .storage import folder_of
from .telemetry import Occurrence, keep
from .versions import SigningKey, Stage, Version


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that every check let through: its artifact, and what it may be used for.

    `conditions` are the board's demands, which `hauberk.models.held` applies to its findings.
    A canary judges the entities that `share` and `salt` assign to it.
    """

    artifact: Artifact
    stage: Stage
    conditions: Conditions
    decision: Decision
    risk: Risk
    signed_by: SigningKey
    share: float | None = None
    salt: str = ""

    @property
    def model(self) -> Model:
        """What the model is."""
        return self.artifact.model

    @property
    def digest(self) -> str:
        """The artifact's digest, as findings name it."""
        return self.artifact.digest

    @property
    def observes_only(self) -> bool:
        """Whether its findings are recorded and never shown: shadows, and by condition."""
        return self.stage is Stage.SHADOW or self.conditions.observe_only


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no model was loaded: the first check that failed, and all of them."""

    task: Task
    stage: Stage
    failures: tuple[Failure, ...]
    model: str = ""
    digest: str = ""

    @property
    def check(self) -> Check:
        """The check that refused."""
        return self.failures[0].check

    @property
    def absent(self) -> bool:
        """Whether there simply is no model at this stage; rules carry on alone."""
        return self.check is Check.STAGE

    def __str__(self) -> str:
        what = self.model or f"the {self.stage} model for {self.task}"
        return f"{what} was refused, {'; '.join(map(str, self.failures))}"

    def occurrence(self, at: datetime) -> Occurrence:
        """The refusal as an event."""
        name, _, version = self.model.partition("@")
        return Occurrence(
            "load", at, succeeded=False, model=name, version=version, digest=self.digest,
            task=self.task, after=self.stage, check=self.check, message=str(self),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Roster:
    """All that may judge one task: the live model or why there is none, the canary, shadows."""

    live: LoadedModel | Refusal
    canary: LoadedModel | Refusal | None
    shadows: tuple[LoadedModel | Refusal, ...]

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What was refused, without what simply is not there."""
        found = (self.live, self.canary, *self.shadows)
        return tuple(one for one in found if isinstance(one, Refusal) and not one.absent)


def load(
    home: Home, task: Task, stage: Stage = Stage.LIVE, *, now: datetime | None = None
) -> LoadedModel | Refusal:
    """The model that stands at a stage for a task, checked whole; never raises for a bad model.

    `now` is the time that expiries are held against (the home's clock).
    """
    now = now or home.clock()
    registry = _registry(home, task, stage)
    if isinstance(registry, Refusal):
        return registry
    slot = registry.slot(task)
    standing = {Stage.LIVE: slot.live, Stage.CANARY: slot.canary}.get(stage)
    if standing is None:
        return Refusal(task, stage, (Failure(Check.STAGE, f"there is no {stage} model"),))
    return admit(home, registry, registry.versions[standing], stage, now)


def rosters(
    home: Home, tasks: Sequence[Task], *, now: datetime | None = None
) -> dict[Task, Roster]:
    """Everything that may judge each task, from one proof and reading of the ledger."""
    now = now or home.clock()
    try:
        registry = read_registry(home)
    except HomeDamagedError as error:
        failure = Failure(Check.LEDGER, error.what, error.where)
        return {task: Roster(Refusal(task, Stage.LIVE, (failure,)), None, ()) for task in tasks}
    return {task: _roster(home, registry, task, now) for task in tasks}


def roster(home: Home, task: Task, *, now: datetime | None = None) -> Roster:
    """Everything that may judge a task."""
    return rosters(home, [task], now=now)[task]


def _roster(home: Home, registry: Registry, task: Task, now: datetime) -> Roster:
    slot = registry.slot(task)
    absent = Refusal(task, Stage.LIVE, (Failure(Check.STAGE, "there is no live model"),))

    def admitted(artifact: str, stage: Stage) -> LoadedModel | Refusal:
        return admit(home, registry, registry.versions[artifact], stage, now)

    shadows = [
        version.artifact
        for version in registry.versions.values()
        if version.model.task is task and version.stage is Stage.SHADOW
    ]
    return Roster(
        admitted(slot.live, Stage.LIVE) if slot.live else absent,
        admitted(slot.canary, Stage.CANARY) if slot.canary else None,
        tuple(admitted(artifact, Stage.SHADOW) for artifact in shadows),
    )


def report_refusals(home: Home, refusals: tuple[Refusal, ...]) -> None:
    """Store refusals as events, so that they can be hunted; nothing where there are none."""
    if refusals:
        now = home.clock()
        keep(home, (), [refusal.occurrence(now) for refusal in refusals])


def _registry(home: Home, task: Task, stage: Stage) -> Registry | Refusal:
    try:
        return read_registry(home)
    except HomeDamagedError as error:
        return Refusal(task, stage, (Failure(Check.LEDGER, error.what, error.where),))


def admit(
    home: Home, registry: Registry, version: Version, stage: Stage, now: datetime
) -> LoadedModel | Refusal:
    """Check one version for one stage, from its files to its approvals."""
    task = version.model.task
    failures: list[Failure] = []
    artifact: Artifact | None = None
    folder = folder_of(home.path, version.artifact)
    try:
        artifact = read_artifact(folder, expected=version.files)
    except ArtifactError as error:
        altered = error.what.startswith(("was ", "is missing"))
        failures.append(Failure(Check.FILES if altered else Check.CONTENT, error.what, error.where))
    if artifact is not None and artifact.signature is not None:
        known = {bundle.text for bundle in version.bundles}
        if artifact.signature not in known:
            failures.append(
                Failure(Check.SIGNATURE, "is no signature that the ledger holds", SIGNATURE)
            )
    policy = registry.authority.policy
    if not policy.recheck_live and version.risen_under is not None:
        policy = version.risen_under
    try:
        answer = cleared(registry.authority, registry.keys, version, stage, now, policy=policy)
        failures.extend(answer.failures)
        if artifact is not None and answer.signed_by is not None and answer.signed_by.identity:
            key = answer.signed_by
            verify_identity(
                folder, version.bundles[-1].text, key.identity, key.issuer, key.trust_root
            )
    except (SignatureError, HauberkError) as error:
        failures.append(Failure(Check.SIGNATURE, error.what, error.where))
        return Refusal(task, stage, tuple(failures), version.name, version.artifact)
    if artifact is not None and artifact.model.scope.task is not task:
        failures.append(Failure(Check.SCOPE, f"it is for {artifact.model.scope.task}"))
    if failures or artifact is None or answer.signed_by is None:
        order = list(Check)
        failures.sort(key=lambda failure: order.index(failure.check))
        return Refusal(task, stage, tuple(failures), version.name, version.artifact)
    move = version.moves[-1] if version.moves else None
    return LoadedModel(
        artifact=artifact,
        stage=stage,
        conditions=answer.conditions,
        decision=answer.decision,
        risk=answer.risk,
        signed_by=answer.signed_by,
        share=move.share if move else None,
        salt=move.salt if move else "",
    )
