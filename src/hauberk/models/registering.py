"""What persons do to models before they rise: register, sign, trust keys, vote, revoke.

Each is one commit: a signed statement in the ledger and the event that tells of it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from hauberk.errors import RefusedError, UsageError
from hauberk.governance import VOTE, Conditions, PersonalKey, as_text, entry
from hauberk.store import Entry, Home

from .artifact import Artifact, read_artifact
from .clearance import risk_of
from .documents import DATA, MODEL, REPORT, SIGNATURE, Task
from .registry import Registry, read_registry
from .signing import (
    key_hint,
    key_of_pem,
    public_pem,
    read_signing_public,
    sign_files,
    verify_files,
    verify_identity,
)
from .storage import signature_folder, store_artifact, sweep, write_signature
from .telemetry import Occurrence, keep
from .versions import (
    ASSESSED,
    KEY_REVOKED,
    KEY_TRUSTED,
    REGISTERED,
    REVOKED,
    SIGNED,
    TRAINED,
    Version,
)

MAX_DOCUMENTS = 8 << 20
"""Bytes of a registration's documents, which the ledger keeps for good."""


def said(home: Home, now: datetime, **statement: object) -> dict[str, Any]:
    """A statement made for this home at this time."""
    return {"home": home.origin, "at": as_text(now), **statement}


def founded(home: Home, body: Mapping[str, Any], now: datetime) -> None:
    """Refuse an entry before it is stored, where the registry would pass it over afterwards.

    Raises RefusedError with the reason that would stand there as a fault.
    """
    registry = read_registry(home)
    before = len(registry.faults)
    registry.take(Entry(home.ledger.size, str(body["type"]), now, dict(body)))
    if len(registry.faults) > before:
        raise RefusedError(registry.faults[-1].reason)


def told(version: Version, operation: str, now: datetime, **more: Any) -> Occurrence:
    """An event about a version."""
    return Occurrence(
        operation, now, model=version.model.name, version=version.model.version,
        digest=version.artifact, task=version.model.task, **more,
    )  # fmt: skip


def enter(
    home: Home, body: Mapping[str, Any], *occurrences: Occurrence, now: datetime | None = None
) -> None:
    """Store an act that was built elsewhere, if it is founded. Raises RefusedError."""
    founded(home, body, now or home.clock())
    keep(home, [body], occurrences)


def register(
    home: Home, folder: Path, owner: PersonalKey, trainers: Sequence[str] = ()
) -> Artifact:
    """Register a model's folder as a candidate, and keep its files; its artifact.

    `trainers` are persons who made it beside those whom recorded training runs name; the owner
    where nobody is named. Raises ArtifactError naming file and field, RefusedError.
    """
    now = home.clock()
    sweep(home.path)
    artifact = read_artifact(folder)
    documents = {name: (folder / name).read_bytes() for name in (MODEL, DATA, REPORT)}
    if sum(map(len, documents.values())) > MAX_DOCUMENTS:
        raise RefusedError(
            f"the documents are larger than {MAX_DOCUMENTS:,} bytes together", where=str(folder)
        )
    statement = said(
        home, now, artifact=artifact.digest, name=artifact.model.name,
        version=artifact.model.version, task=artifact.model.task, owner=owner.person,
        trainers=sorted(set(trainers) or {owner.person}), files=dict(artifact.files),
        documents={name: data.decode() for name, data in documents.items()},
    )  # fmt: skip
    body = entry(REGISTERED, statement, [owner.sign(REGISTERED, statement)])
    founded(home, body, now)
    store_artifact(home, artifact)
    model = artifact.model
    tells = Occurrence(
        "register", now, actor=owner.person, model=model.name, version=model.version,
        digest=artifact.digest, task=model.task, after="candidate",
    )  # fmt: skip
    keep(home, [body], [tells])
    return artifact


def record_training(
    home: Home, artifact: str, trainer: str, *, key: PersonalKey | None = None, **facts: object
) -> None:
    """Record a training run: which artifact it gave, who ran it, and its facts (JSON).

    Signed where `key` is given. The trainer has no vote on that artifact where the policy says so.
    """
    now = home.clock()
    statement = said(home, now, artifact=artifact, trainer=trainer, **facts)
    tells = Occurrence("train", now, actor=trainer, digest=artifact)
    signatures = [] if key is None else [key.sign(TRAINED, statement)]
    body = entry(TRAINED, statement, signatures)
    founded(home, body, now)
    keep(home, [body], [tells])


def sign(home: Home, version: Version, key: ec.EllipticCurvePrivateKey) -> str:
    """Sign a registered version's files together; the bundle."""
    bundle = sign_files(version.files, version.name, key)
    add_signature(home, version, bundle)
    return bundle


def add_signature(home: Home, version: Version, bundle: str, key: str | None = None) -> None:
    """Enter a bundle that was made anywhere. Raises RefusedError where it does not hold.

    `key` names the identity of a bundle that no key signed.
    """
    now = home.clock()
    registry = read_registry(home)
    uid = key_hint(bundle) or key
    known = registry.keys.get(uid or "")
    if known is None:
        raise RefusedError(
            f"the key {str(uid)[:16]} is not trusted here",
            hint="Trust it first: hauberk models key trust FILE --as NAME",
        )
    if known.public_key:
        verify_files(bundle, version.files, known.public_key)
    else:
        with signature_folder(home, version) as copy:
            (copy / SIGNATURE).write_text(bundle, "utf-8")
            verify_identity(copy, bundle, known.identity, known.issuer, known.trust_root)
    statement = said(home, now, artifact=version.artifact, bundle=bundle, key=known.uid)
    keep(home, [entry(SIGNED, statement)], [told(version, "sign", now, actor=known.holder)])
    write_signature(home.path, version.artifact, bundle)


def trust_key(
    home: Home,
    person: PersonalKey,
    *,
    holder: str,
    tasks: Sequence[Task] = tuple(Task),
    public: str = "",
    identity: str = "",
    issuer: str = "",
    trust_root: str = "",
    days: int | None = None,
) -> str:
    """Trust a public key (PEM) or a Sigstore identity to sign models of some tasks; its id.

    `trust_root` (JSON) is what an identity's signatures are verified by, offline; without it the
    public Sigstore instance is asked whenever a model of that identity is loaded.
    """
    now = home.clock()
    policy = read_registry(home).authority.policy
    pem = public_pem(read_signing_public(public)) if public else ""
    uid = key_of_pem(pem) if pem else f"{issuer}#{identity}"
    expires = now + timedelta(days=policy.key_days if days is None else days)
    statement = said(
        home, now, key=uid, public_key=pem, identity=identity, issuer=issuer, holder=holder,
        tasks=list(tasks), expires=as_text(expires), trust_root=trust_root,
    )  # fmt: skip
    body = entry(KEY_TRUSTED, statement, [person.sign(KEY_TRUSTED, statement)])
    founded(home, body, now)
    keep(home, [body], [Occurrence("trust-key", now, actor=person.person, after=uid[:16])])
    return uid


def revoke_key(
    home: Home, person: PersonalKey, uid: str, reason: str, since: datetime | None = None
) -> list[Version]:
    """Revoke a signing key; the versions that are no longer signed.

    Signatures that the ledger got before `since` (the beginning) stay good.
    """
    now = home.clock()
    registry = read_registry(home)
    found = [key for key in registry.keys if key == uid or key.startswith(uid)]
    if len(found) != 1:
        raise UsageError(f"{len(found)} signing keys begin with {uid}", hint="Give its whole id")
    start = since or registry.keys[found[0]].trusted
    statement = said(home, now, key=found[0], since=as_text(start), reason=reason)
    body = entry(KEY_REVOKED, statement, [person.sign(KEY_REVOKED, statement)])
    founded(home, body, now)
    tells = Occurrence("revoke-key", now, actor=person.person, before=found[0][:16], message=reason)
    keep(home, [body], [tells])
    return [
        version
        for version in registry.versions.values()
        if any(one.key == found[0] and one.at >= start for one in version.bundles)
    ]


def assess_risk(home: Home, registry: Registry, version: Version) -> dict[str, object]:
    """Compute a version's risk and enter it into the register; as JSON."""
    now = home.clock()
    policy = registry.authority.policy
    risk = risk_of(version, policy)
    tier = policy.tier(risk.score)
    facts = {**risk.as_json(), "tier": tier.name, "policy": policy.digest}
    statement = said(home, now, artifact=version.artifact, risk=facts)
    tells = told(version, "assess", now, metric="risk", value=risk.score, after=tier.name)
    keep(home, [entry(ASSESSED, statement)], [tells])
    return facts


def ballot(
    home: Home,
    person: str,
    version: Version,
    *,
    approve: bool,
    conditions: Conditions | None = None,
    days: int | None = None,
    comment: str = "",
) -> dict[str, Any]:
    """The statement that a vote is, before anybody signed it: it may be signed elsewhere."""
    now = home.clock()
    policy = read_registry(home).authority.policy
    expires = now + timedelta(days=policy.approval_days if days is None else days)
    return said(
        home, now, person=person, decision="approve" if approve else "reject",
        artifact=version.artifact, report=version.report_digest, policy=policy.digest,
        conditions=(conditions or Conditions()).as_json(), expires=as_text(expires),
        comment=comment, name=version.name,
    )  # fmt: skip


def vote(
    home: Home,
    person: PersonalKey,
    version: Version,
    *,
    approve: bool,
    conditions: Conditions | None = None,
    days: int | None = None,
    comment: str = "",
) -> dict[str, Any]:
    """Approve or reject a version with a person's signature; the statement that was signed."""
    statement = ballot(
        home, person.person, version, approve=approve, conditions=conditions, days=days,
        comment=comment,
    )  # fmt: skip
    cast(home, entry(VOTE, statement, [person.sign(VOTE, statement)]))
    return statement


def cast(home: Home, body: Mapping[str, Any]) -> None:
    """Enter an act that was signed, here or elsewhere, with the event that tells of it.

    Raises RefusedError where the registry would pass it over.
    """
    now = home.clock()
    statement = body.get("statement")
    statement = statement if isinstance(statement, dict) else {}
    version = read_registry(home).versions.get(str(statement.get("artifact")))
    if body.get("type") == VOTE and version is not None:
        operation = str(statement.get("decision"))
        tells = told(
            version, operation, now, actor=str(statement.get("person")),
            message=str(statement.get("comment", "")),
        )  # fmt: skip
    else:
        signers = [str(one.get("person")) for one in body.get("signatures", [])]
        act = str(body.get("type")).replace("policy.adopted", "adopt")
        tells = Occurrence(act, now, actor=", ".join(signers))
    enter(home, body, tells, now=now)


def revocation(home: Home, version: Version, now: datetime, reason: str) -> dict[str, Any]:
    """The statement that revokes a version, before anybody signed it."""
    return said(home, now, artifact=version.artifact, reason=reason)


def revoke(home: Home, person: PersonalKey, version: Version, reason: str) -> None:
    """Revoke a version for good: it is never loaded again, and rules stand alone at once."""
    now = home.clock()
    statement = revocation(home, version, now, reason)
    body = entry(REVOKED, statement, [person.sign(REVOKED, statement)])
    founded(home, body, now)
    tells = told(version, "revoke", now, actor=person.person, before=version.stage, message=reason)
    keep(home, [body], [tells])
