"""What a version may be used for, computed from the ledger alone: signature, gates, approval.

The same function decides when somebody promotes, when the registry is read, when a model is
loaded, and when a home is verified: there is no second opinion to bring out of step.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hauberk.governance import (
    Authority,
    Conditions,
    Decision,
    GateBound,
    Policy,
    Risk,
    assess,
    decide,
)

from .documents import Report
from .signing import SignatureError, verify_files
from .versions import SigningKey, Stage, Version


class Check(StrEnum):
    """What a model must hold to be loaded, in the order in which it is asked."""

    LEDGER = "ledger"
    STAGE = "stage"
    FILES = "files"
    CONTENT = "content"
    SIGNATURE = "signature"
    REVOKED = "revoked"
    SCOPE = "scope"
    GATES = "gates"
    APPROVAL = "approval"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Failure:
    """One check that did not hold, where, and why."""

    check: Check
    what: str
    where: str | None = None

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{self.check}: {place}{self.what}"


@dataclass(frozen=True, slots=True)
class Clearance:
    """The checks that failed (none: cleared), and what the answer rests on."""

    failures: tuple[Failure, ...]
    risk: Risk
    decision: Decision
    signed_by: SigningKey | None

    @property
    def conditions(self) -> Conditions:
        """What the approvals demand."""
        return self.decision.conditions


def measured(report: Report) -> dict[str, dict[str, float]]:
    """The report's numbers by gate and measure."""
    return {
        gate.gate: {name: one.value for name, one in gate.measured.items()} for gate in report.gates
    }


def risk_of(version: Version, policy: Policy) -> Risk:
    """The version's risk under a policy."""
    capability = policy.capabilities.get(version.model.task)
    if capability is None:
        raise SignatureError(f"the policy knows no capability {version.model.task}")
    return assess(capability, measured(version.report))


def cleared(
    authority: Authority,
    keys: Mapping[str, SigningKey],
    version: Version,
    stage: Stage,
    now: datetime,
    *,
    policy: Policy | None = None,
) -> Clearance:
    """Whether a version may stand at `stage` now, under a policy (the one in force).

    A shadow needs its signature and its gates; a canary and a live model the board's grant too.
    """
    policy = policy or authority.policy
    key, failures = _signature(keys, version)
    if version.revoked is not None:
        failures.append(
            Failure(Check.REVOKED, f"{version.revoked.by} revoked it: {version.revoked.reason}")
        )
    gates = policy.gates_for(version.model.task)
    failures.extend(
        Failure(Check.GATES, said, f"report.json, {gate.name}")
        for gate in gates
        for said in _gate(gate, version.report)
    )
    failures.extend(
        Failure(Check.GATES, "its recipe's bound did not hold", f"report.json, {gate.gate}")
        for gate in version.report.gates
        if not gate.passed and all(gate.gate != one.name for one in gates)
    )
    risk = risk_of(version, policy)
    decision = board(authority, policy, version, key, risk, now)
    if stage in (Stage.CANARY, Stage.LIVE) and not decision.granted:
        failures.append(_refused(authority, policy, version, key, risk, decision))
    return Clearance(tuple(failures), risk, decision, key)


def board(
    authority: Authority,
    policy: Policy,
    version: Version,
    key: SigningKey | None,
    risk: Risk,
    now: datetime,
) -> Decision:
    """What the AI Risk Board says of a version."""
    relations = {
        "owner": (version.owner,),
        "trainer": version.trainers,
        "signer": (key.holder,) if key else (),
    }
    conflicts = {name: kind for kind in policy.conflict for name in relations[kind]}
    return decide(
        authority,
        policy,
        policy.tier(risk.score),
        artifact=version.artifact,
        report=version.report_digest,
        votes=version.votes,
        conflicts=conflicts,
        now=now,
    )


def _signature(
    keys: Mapping[str, SigningKey], version: Version
) -> tuple[SigningKey | None, list[Failure]]:
    """The key of a bundle that holds, newest first; else why none does.

    What held when the ledger got it holds until its key is revoked.
    """
    failure = Failure(Check.SIGNATURE, "it is not signed", "model.sig")
    for bundle in reversed(version.bundles):
        key = keys.get(bundle.key)
        said: str | None = None
        if key is None:
            said = f"it is signed by a key that is not trusted here ({bundle.key[:16]})"
        elif key.void_since is not None and bundle.at >= key.void_since:
            said = f"its key {key.uid[:16]} of {key.holder} was revoked"
        elif bundle.at > key.expires:
            said = f"its key {key.uid[:16]} had expired when it signed"
        elif version.model.task not in key.tasks:
            said = f"its key {key.uid[:16]} may not sign models that judge {version.model.task}"
        if key is None or said is not None:
            failure = Failure(Check.SIGNATURE, said or "", "model.sig")
            continue
        try:
            if key.public_key:
                verify_files(bundle.text, version.files, key.public_key)
        except SignatureError as error:
            failure = Failure(Check.SIGNATURE, error.what, error.where)
            continue
        return key, []
    return None, [failure]


def _gate(bound: GateBound, report: Report) -> list[str]:
    result = report.gate(bound.name)
    if result is None:
        return ["was not measured"]
    said = [] if result.passed else [f"did not hold its bound ({result.bound})"]
    if bound.measure is None:
        return said
    found = result.measured.get(bound.measure)
    if found is None:
        return [*said, f"{bound.measure} was not measured"]
    value = {"value": found.value, "low": found.low, "high": found.high}[bound.use]
    if bound.at_least is not None and not value >= bound.at_least:
        said.append(f"{bound.measure} ({bound.use}) {value:g} is below {bound.at_least:g}")
    if bound.at_most is not None and not value <= bound.at_most:
        said.append(f"{bound.measure} ({bound.use}) {value:g} is above {bound.at_most:g}")
    return said


def _refused(
    authority: Authority,
    policy: Policy,
    version: Version,
    key: SigningKey | None,
    risk: Risk,
    decision: Decision,
) -> Failure:
    """Why the board does not grant it; expired where it did until votes ran out."""
    if not decision.rejected_by:
        expiries = [vote.expires for vote in version.votes if vote.policy == policy.digest]
        for expiry in sorted(expiries, reverse=True):
            before = board(authority, policy, version, key, risk, expiry - timedelta(seconds=1))
            if before.granted and before.expires is not None:
                return Failure(
                    Check.EXPIRED, f"its approval ended at {before.expires:%Y-%m-%d %H:%M} UTC"
                )
    reasons = "; ".join(f"{vote.person}: {why}" for vote, why in decision.passed_over[:5])
    return Failure(Check.APPROVAL, f"{decision}{f' ({reasons})' if reasons else ''}")
