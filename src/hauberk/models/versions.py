"""Versions of models as the ledger tells of them, and the stages that they go through."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hauberk.governance import Policy, Vote

from .documents import DataSource, Model, Report, Task

REGISTERED, TRAINED, SIGNED, ASSESSED, MOVED, ROLLED_BACK, REVOKED = (
    "model.registered",
    "model.trained",
    "model.signed",
    "model.assessed",
    "model.moved",
    "model.rolled_back",
    "model.revoked",
)
KEY_TRUSTED, KEY_REVOKED, RETRAINING = "model.key_trusted", "model.key_revoked", "model.retraining"
CANARY_JUDGED = "model.canary_judged"


class Stage(StrEnum):
    """Where a version stands."""

    CANDIDATE = "candidate"
    SHADOW = "shadow"
    CANARY = "canary"
    LIVE = "live"
    RETIRED = "retired"


RAISES: Mapping[Stage, Stage] = {
    Stage.CANDIDATE: Stage.SHADOW,
    Stage.RETIRED: Stage.SHADOW,
    Stage.SHADOW: Stage.CANARY,
    Stage.CANARY: Stage.LIVE,
}
"""The one way up: each step takes a person's signature, and what `clearance` demands of it."""

LOWERS: Mapping[Stage, tuple[Stage, ...]] = {
    Stage.CANDIDATE: (Stage.RETIRED,),
    Stage.SHADOW: (Stage.RETIRED,),
    Stage.CANARY: (Stage.SHADOW, Stage.RETIRED),
    Stage.LIVE: (Stage.RETIRED,),
    Stage.RETIRED: (),
}
"""The ways down, which Hauberk may take by itself."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, or a Sigstore identity, whose signatures of models are believed.

    Signatures that the ledger got at or after `void_since`, or after `expires`, are not.
    """

    uid: str
    public_key: str  # PEM; empty for an identity
    identity: str
    issuer: str
    holder: str
    tasks: tuple[Task, ...]
    trusted: datetime
    expires: datetime
    void_since: datetime | None = None
    trust_root: str = ""  # of an identity: what its signatures are verified by, offline (JSON)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A signature of a version: its text, the id of its key, and when the ledger got it."""

    position: int
    at: datetime
    text: str
    key: str


@dataclass(frozen=True, slots=True)
class Move:
    """A version's step to a stage: when, why, by whom (`hauberk` for what it did by itself)."""

    position: int
    at: datetime
    stage: Stage
    by: str
    reason: str
    share: float | None = None
    salt: str = ""
    policy: Policy | None = None


@dataclass(slots=True)
class Version:
    """One artifact that was registered, and all that became of it."""

    artifact: str
    position: int
    registered: datetime
    files: Mapping[str, str]
    model: Model
    data: tuple[DataSource, ...]
    report: Report
    owner: str
    trainers: tuple[str, ...]
    bundles: list[Bundle] = field(default_factory=list)
    votes: list[Vote] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    revoked: Move | None = None

    @property
    def stage(self) -> Stage:
        """Where it stands."""
        return self.moves[-1].stage if self.moves else Stage.CANDIDATE

    @property
    def name(self) -> str:
        """Name and version, as people write them."""
        return f"{self.model.name}@{self.model.version}"

    @property
    def report_digest(self) -> str:
        """SHA-256 of its report."""
        return self.files["report.json"]

    @property
    def risen_under(self) -> Policy | None:
        """The policy that its last step up was decided under."""
        return next((move.policy for move in reversed(self.moves) if move.policy), None)
