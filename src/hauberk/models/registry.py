"""The registry: what models there are and where they stand, folded from the ledger.

Nothing here is stored. Every entry is taken in order; one that is not covered by signatures,
rights, gates or the board's grant at its own point of the ledger moves nothing and is a fault.
The registry of a former time is the fold of the entries up to then.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hauberk.errors import HauberkError, UsageError
from hauberk.governance import (
    PREFIXES,
    VOTE,
    Authority,
    Fault,
    Unfounded,
    as_time,
    read_vote,
)
from hauberk.store import Entry, Home

from .artifact import manifest_digest
from .clearance import cleared
from .documents import DATA, MODEL, REPORT, Task, read_data, read_model, read_report
from .reading import is_digest, read_json
from .signing import key_hint, key_of_pem, read_signing_public
from .versions import (
    ASSESSED,
    CANARY_JUDGED,
    KEY_REVOKED,
    KEY_TRUSTED,
    LOWERS,
    MOVED,
    RAISES,
    REGISTERED,
    RETRAINING,
    REVOKED,
    ROLLED_BACK,
    SIGNED,
    TRAINED,
    Bundle,
    Move,
    SigningKey,
    Stage,
    Version,
)

ENTRY_PREFIXES = (*PREFIXES, "board.", "model.")
MACHINE = "hauberk"
"""Who moved a model, where no person did: only ever down."""


@dataclass(slots=True)
class Slot:
    """What stands for one task: at most one live model and one canary, any number of shadows.

    `history` says what was live from when on (None: rules alone).
    """

    live: str | None = None
    canary: str | None = None
    history: list[tuple[datetime, int, str | None]] = field(default_factory=list)

    def now(self, move: Move, artifact: str | None) -> None:
        """Remember what is live from a move on; of one entry the last word counts."""
        if self.history and self.history[-1][1] == move.position:
            self.history.pop()
        self.history.append((move.at, move.position, artifact))


@dataclass(slots=True)
class Registry:
    """Models, keys and slots as the ledger says, with the authority that they rest on."""

    authority: Authority
    versions: dict[str, Version] = field(default_factory=dict)
    keys: dict[str, SigningKey] = field(default_factory=dict)
    slots: dict[Task, Slot] = field(default_factory=dict)
    runs: list[Entry] = field(default_factory=list)
    assessments: list[Entry] = field(default_factory=list)
    retraining: list[Entry] = field(default_factory=list)
    judgements: list[Entry] = field(default_factory=list)

    @property
    def faults(self) -> list[Fault]:
        """Entries that moved nothing, and why."""
        return self.authority.faults

    def slot(self, task: Task) -> Slot:
        """What stands for a task."""
        return self.slots.setdefault(task, Slot())

    def named(self, reference: str) -> Version:
        """A version by NAME, NAME@VERSION or the beginning of its digest. Raises UsageError.

        A bare name means its newest version.
        """
        found = [
            version
            for version in self.versions.values()
            if reference in (version.name, version.model.name)
            or (len(reference) >= 6 and version.artifact.startswith(reference))
        ]
        if not found:
            known = ", ".join(sorted(version.name for version in self.versions.values())[:8])
            raise UsageError(
                f"there is no model {reference}",
                hint=f"Known are {known}" if known else "Register one: hauberk models register DIR",
            )
        return max(found, key=lambda version: version.position)

    def verdict(self, version: Version) -> str | None:
        """What was last said of a version as the canary that it is; None where nothing was."""
        since = version.moves[-1].position if version.moves else version.position
        for look in reversed(self.judgements):
            if look.body["statement"]["canary"] == version.artifact and look.position > since:
                return str(look.body["statement"]["verdict"])
        return None

    def take(self, entry: Entry) -> None:
        """Take the next entry of the ledger."""
        step = _STEPS.get(entry.type)
        if step is None:
            self.authority.take(entry)
            return
        try:
            step(self, entry, self.authority.statement(entry))
        except (Unfounded, HauberkError, ValueError, KeyError, TypeError, AttributeError) as error:
            # Whatever stands in an entry: one that cannot be read moves nothing.
            self.faults.append(Fault(entry.position, entry.type, str(error) or repr(error)))

    def _trusted(self, entry: Entry, said: Mapping[str, Any]) -> None:
        policy = self.authority.policy
        self.authority.require(entry, policy.keys_trusted_by, "trusting a signing key")
        pem, identity = str(said.get("public_key", "")), str(said.get("identity", ""))
        if bool(pem) == bool(identity):
            raise ValueError("expected a public key or an identity")
        if pem:
            read_signing_public(pem)
        uid = key_of_pem(pem) if pem else f"{said['issuer']}#{identity}"
        if uid in self.keys:
            raise Unfounded("this key is known already")
        holder, expires = str(said["holder"]), as_time(said["expires"])
        if holder not in self.authority.people:
            raise Unfounded(f"there is no person {holder}")
        if (expires - entry.time).days > policy.key_days:
            raise Unfounded(f"it lasts longer than the {policy.key_days} days of the policy")
        self.keys[uid] = SigningKey(
            uid, pem, identity, str(said.get("issuer", "")), holder,
            tuple(Task(one) for one in said["tasks"]), entry.time, expires,
            trust_root=str(said.get("trust_root", "")),
        )  # fmt: skip

    def _distrusted(self, entry: Entry, said: Mapping[str, Any]) -> None:
        key = self.keys[said["key"]]
        signers = {person.name for person in self.authority.signers(entry)}
        if key.holder not in signers:
            roles = self.authority.policy.keys_trusted_by
            self.authority.require(entry, roles, "revoking a signing key")
        since = as_time(said["since"])
        if since > entry.time:
            raise Unfounded("a key is revoked from now or from earlier on, not from later")
        self.keys[key.uid] = replace(key, void_since=min(since, key.void_since or since))

    def _trained(self, entry: Entry, said: Mapping[str, Any]) -> None:
        if not is_digest(said["artifact"]):
            raise ValueError("its artifact is no digest")
        signers = [person.name for person in self.authority.signers(entry)]
        if signers and signers != [said["trainer"]]:
            raise Unfounded("a run is signed by who trained, or by nobody")
        self.runs.append(entry)

    def _registered(self, entry: Entry, said: Mapping[str, Any]) -> None:
        signers = self.authority.signers(entry)
        if [person.name for person in signers] != [said["owner"]]:
            raise Unfounded("registering takes the signature of the owner")
        files = dict(said["files"])
        if not all(is_digest(value) for value in files.values()):
            raise ValueError("a file has no SHA-256")
        if manifest_digest(files) != said["artifact"] or said["artifact"] in self.versions:
            raise Unfounded("the files are another artifact's, or it is registered already")
        documents = {name: _document(said, files, name) for name in (MODEL, DATA, REPORT)}
        trainers = {str(one) for one in said["trainers"]}
        trainers |= {
            str(run.body["statement"].get("trainer", ""))
            for run in self.runs
            if run.body["statement"]["artifact"] == said["artifact"]
        }
        version = Version(
            artifact=said["artifact"],
            position=entry.position,
            registered=entry.time,
            files=files,
            model=read_model(documents[MODEL]),
            data=read_data(documents[DATA]),
            report=read_report(documents[REPORT]),
            owner=signers[0].name,
            trainers=tuple(sorted(trainers - {""})),
        )
        if any(one.name == version.name for one in self.versions.values()):
            raise Unfounded(f"there is another artifact {version.name}")
        self.versions[version.artifact] = version

    def _signed(self, entry: Entry, said: Mapping[str, Any]) -> None:
        version, text = self.versions[said["artifact"]], str(said["bundle"])
        uid = key_hint(text) or str(said["key"])
        version.bundles.append(Bundle(entry.position, entry.time, text, uid))

    def _voted(self, entry: Entry, said: Mapping[str, Any]) -> None:
        self.versions[said["artifact"]].votes.append(read_vote(self.authority, entry))

    def _assessed(self, entry: Entry, said: Mapping[str, Any]) -> None:
        if said["artifact"] in self.versions:
            self.assessments.append(entry)

    def _moved(self, entry: Entry, said: Mapping[str, Any]) -> None:
        version = self.versions[said["artifact"]]
        before, after = Stage(said["from"]), Stage(said["to"])
        if version.stage is not before:
            raise Unfounded(f"{version.name} stands at {version.stage}, not at {before}")
        if after in LOWERS[before]:
            signers = self.authority.signers(entry)
            by = signers[0].name if signers else MACHINE
            move = Move(entry.position, entry.time, after, by, str(said.get("reason", "")))
        elif RAISES.get(before) is after:
            move = self._raised(entry, version, after, said)
        else:
            raise Unfounded(f"no step leads from {before} to {after}")
        self._place(version, move)

    def _raised(
        self, entry: Entry, version: Version, after: Stage, said: Mapping[str, Any]
    ) -> Move:
        policy = self.authority.policy
        person = self.authority.require(entry, policy.promoted_by, "a promotion")
        if not policy.promotes_at(entry.time):
            raise Unfounded("it lies outside of the policy's hours of promotion")
        answer = cleared(self.authority, self.keys, version, after, entry.time)
        if answer.failures:
            raise Unfounded("; ".join(map(str, answer.failures)))
        share, salt = said.get("share"), str(said.get("salt", ""))
        slot = self.slot(version.model.task)
        if after is Stage.LIVE and slot.live is not None and policy.rollout.must_be_good:
            verdict = self.verdict(version)
            if verdict != "good":
                raise Unfounded(f"as a canary it was judged {verdict or 'never'}, not good")
        if after is Stage.CANARY:
            if slot.canary is not None:
                raise Unfounded(f"there is a canary already: {self.versions[slot.canary].name}")
            most = answer.conditions.max_canary_share
            if not isinstance(share, int | float) or not 0 < share <= (most or 1) or not salt:
                raise Unfounded(f"a canary takes a share of at most {most or 1:g}, and a salt")
        return Move(
            entry.position, entry.time, after, person.name, str(said.get("reason", "")),
            None if share is None else float(share), salt, policy,
        )  # fmt: skip

    def _rolled_back(self, entry: Entry, said: Mapping[str, Any]) -> None:
        task = Task(said["task"])
        slot, target = self.slot(task), said["to"]
        if slot.live != said["from"]:
            raise Unfounded("another model is live than the one that was rolled back")
        if target is not None and not self._was_live(task, target, entry.position):
            raise Unfounded("a rollback leads to what was live before, or to rules")
        signers = self.authority.signers(entry)
        by = signers[0].name if signers else MACHINE
        reason = str(said.get("reason", ""))
        for artifact in (slot.canary, slot.live):
            if artifact is not None:
                move = Move(entry.position, entry.time, Stage.RETIRED, by, reason)
                self._place(self.versions[artifact], move)
        if target is not None:
            version = self.versions[target]
            move = Move(entry.position, entry.time, Stage.LIVE, by, reason)
            self._place(version, replace(move, policy=version.risen_under))

    def _was_live(self, task: Task, artifact: str, position: int) -> bool:
        version = self.versions.get(artifact)
        known = {digest for _, at, digest in self.slot(task).history if at < position}
        return version is not None and version.revoked is None and artifact in known

    def _place(self, version: Version, move: Move) -> None:
        """Move a version, and what stands in its way."""
        slot, was = self.slot(version.model.task), version.stage
        version.moves.append(move)
        if was is Stage.LIVE:
            slot.live = None
            slot.now(move, None)
        if was is Stage.CANARY:
            slot.canary = None
        if move.stage is Stage.CANARY:
            slot.canary = version.artifact
        if move.stage is Stage.LIVE:
            if slot.live is not None:
                former = self.versions[slot.live]
                former.moves.append(
                    replace(move, stage=Stage.RETIRED, reason=f"replaced by {version.name}",
                            policy=None)
                )  # fmt: skip
            slot.live = version.artifact
            slot.now(move, version.artifact)

    def _revoked(self, entry: Entry, said: Mapping[str, Any]) -> None:
        version = self.versions[said["artifact"]]
        roles = (*self.authority.policy.promoted_by, *self.authority.policy.keys_trusted_by)
        person = self.authority.require(entry, roles, "revoking a model")
        move = Move(entry.position, entry.time, Stage.RETIRED, person.name, str(said["reason"]))
        version.revoked = move
        if version.stage is not Stage.RETIRED:
            self._place(version, move)

    def _retraining(self, entry: Entry, said: Mapping[str, Any]) -> None:
        if said["artifact"] in self.versions:
            self.retraining.append(entry)

    def _judged(self, entry: Entry, said: Mapping[str, Any]) -> None:
        if said["canary"] in self.versions:
            self.judgements.append(entry)


_STEPS = {
    KEY_TRUSTED: Registry._trusted,
    KEY_REVOKED: Registry._distrusted,
    TRAINED: Registry._trained,
    REGISTERED: Registry._registered,
    SIGNED: Registry._signed,
    VOTE: Registry._voted,
    ASSESSED: Registry._assessed,
    MOVED: Registry._moved,
    ROLLED_BACK: Registry._rolled_back,
    REVOKED: Registry._revoked,
    RETRAINING: Registry._retraining,
    CANARY_JUDGED: Registry._judged,
}


def _document(said: Mapping[str, Any], files: Mapping[str, str], name: str) -> dict[str, Any]:
    """A document of a registration, which is exactly the file that was registered."""
    text = str(said["documents"][name]).encode()
    if hashlib.sha256(text).hexdigest() != files[name]:
        raise Unfounded(f"{name} is not the file that was registered")
    return read_json(text, name)


def fold(entries: Iterable[Entry], home: str, until: datetime | None = None) -> Registry:
    """The registry that proven entries lead to, up to and with a time."""
    registry = Registry(Authority(home))
    for entry in entries:
        if until is not None and entry.time > until:
            break
        registry.take(entry)
    return registry


def read_registry(home: Home, until: datetime | None = None) -> Registry:
    """The registry of a home, now or as it was. Raises HomeDamagedError where its ledger is."""
    return fold(home.proven_entries(ENTRY_PREFIXES), home.origin, until)
