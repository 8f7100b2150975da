"""Statements that were made and signed elsewhere, let into a registry one at a time.

The same checks as for an act at the command line, before the entry is stored: shape, signature of
somebody who is there, freshness, rights, and for a step up that the model can still be loaded.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from hauberk.errors import RefusedError
from hauberk.governance import PREFIXES, VOTE, Unfounded, as_time, read_signatures
from hauberk.store import Entry, Home

from .documents import Task
from .registering import told
from .registry import MACHINE, Registry
from .rollout import still_whole, threshold_moved
from .telemetry import Occurrence
from .versions import KEY_REVOKED, KEY_TRUSTED, MOVED, RAISES, REVOKED, ROLLED_BACK, Stage

SIGNED_ELSEWHERE = (*PREFIXES, VOTE, MOVED, REVOKED, ROLLED_BACK, KEY_TRUSTED, KEY_REVOKED)
"""How the types of statements begin that may be made elsewhere."""

LASTS = timedelta(days=7)
"""How long after it was made a statement may come in."""

AHEAD = timedelta(minutes=5)
"""By how much the clock of who made it may be ahead of ours."""

_PERSONS = {
    "person.added": "add-person",
    "person.roles": "give-roles",
    "person.key_added": "add-key",
    "person.key_revoked": "revoke-key",
    "person.left": "remove-person",
    "policy.adopted": "adopt",
    KEY_TRUSTED: "trust-key",
    KEY_REVOKED: "revoke-key",
}


class ForgedError(RefusedError):
    """A statement without the signature of somebody who may sign, or played again."""


def admit_statement(
    home: Home, registry: Registry, entry: Entry, *, whole: bool = True
) -> list[Occurrence]:
    """Take a statement into a registry as the ledger will have it; the events that tell of it.

    `whole` has a step up look whether the model's files are what was registered. Raises ForgedError
    where nobody signed it who is there, RefusedError where its signers had no right to it now.
    The registry is left as it was then.
    """
    _check_signatures(registry, entry)
    if not _leads_down(entry):  # which no clock must hinder
        _check_time(registry, entry)
    tells = _tells(registry, entry)
    statement = entry.body["statement"]
    if whole and entry.type == MOVED:
        after = _stage(statement)
        version = registry.versions.get(str(statement.get("artifact")))
        if version is not None and after is not None and RAISES.get(version.stage) is after:
            still_whole(home, registry, version, after)
    before = len(registry.faults)
    registry.take(entry)
    if len(registry.faults) > before:
        raise RefusedError(registry.faults.pop().reason)
    return tells


def _check_signatures(registry: Registry, entry: Entry) -> None:
    if not entry.type.startswith(SIGNED_ELSEWHERE):
        raise ForgedError(f"no statement of the type {entry.type[:60]} is made elsewhere")
    try:
        registry.authority.statement(entry)
        signatures = read_signatures(entry.body)
        if not signatures and not _leads_down(entry):
            raise ForgedError("nobody signed it")
        registry.authority.signers(entry)
    except (Unfounded, ValueError, TypeError, AttributeError, RefusedError) as error:
        raise ForgedError(str(error)) from error


def _check_time(registry: Registry, entry: Entry) -> None:
    """Refuse what was kept back: too long, or until after its person or model had moved on."""
    try:
        at = as_time(entry.body["statement"]["at"])
    except (KeyError, ValueError) as error:
        raise RefusedError("it does not say when it was made") from error
    if at > entry.time + AHEAD:
        raise RefusedError(f"it was made in the future, at {at:%Y-%m-%d %H:%M} UTC")
    if at < entry.time - LASTS:
        raise RefusedError(f"it was made {(entry.time - at).days} days ago, {LASTS.days} is most")
    version = registry.versions.get(str(entry.body["statement"].get("artifact")))
    if version is not None and entry.type == VOTE:
        person = entry.body["statement"].get("person")
        if any(vote.person == person and vote.at > at for vote in version.votes):
            raise RefusedError(f"it was made before the last vote of {person}")
    if version is not None and entry.type == MOVED and version.moves and version.moves[-1].at > at:
        raise RefusedError(f"it was made before {version.name} last moved")


def _leads_down(entry: Entry) -> bool:
    """Whether it takes a model down, which needs no signature."""
    if entry.type == ROLLED_BACK:
        return True
    statement = entry.body["statement"]
    down = _stage(statement) in (Stage.SHADOW, Stage.RETIRED)
    return entry.type == MOVED and down and statement.get("from") in (Stage.CANARY, Stage.LIVE)


def _stage(statement: Mapping[str, Any]) -> Stage | None:
    said = statement.get("to")
    return Stage(said) if said in tuple(Stage) else None


def _tells(registry: Registry, entry: Entry) -> list[Occurrence]:
    """The events of an act, by what stands before it."""
    statement = entry.body["statement"]
    actor = ", ".join(one.person for one in read_signatures(entry.body)) or str(
        entry.body.get("by") or MACHINE
    )
    operation = _PERSONS.get(entry.type)
    if operation is not None:
        after = str(statement.get("name") or statement.get("key") or statement.get("policy") or "")
        reason = str(statement.get("reason", ""))
        return [Occurrence(operation, entry.time, actor=actor, after=after, message=reason)]
    if entry.type == ROLLED_BACK:
        return [_rolled_back(registry, entry, actor)]
    version = registry.versions.get(str(statement.get("artifact")))
    if version is None:
        raise RefusedError("there is no such model")
    if entry.type == VOTE:
        comment = str(statement.get("comment", ""))
        decision = str(statement.get("decision"))
        return [told(version, decision, entry.time, actor=actor, message=comment)]
    reason = str(statement.get("reason", ""))
    if entry.type == REVOKED:
        return [
            told(version, "revoke", entry.time, actor=actor, before=version.stage, message=reason)
        ]
    to = _stage(statement)
    raised = to is not None and RAISES.get(version.stage) is to
    step = told(
        version, "promote" if raised else "retire", entry.time, actor=actor,
        before=version.stage, after=str(to or ""), message=reason,
    )  # fmt: skip
    return [step, *(threshold_moved(registry, version, to, step) if raised and to else ())]


def _rolled_back(registry: Registry, entry: Entry, actor: str) -> Occurrence:
    statement = entry.body["statement"]
    task = str(statement.get("task"))
    live = registry.slot(Task(task)).live if task in tuple(Task) else None
    name = _name_of(registry)
    return Occurrence(
        "rollback", entry.time, actor=actor, task=task, before=name(live),
        after=name(statement.get("to")), message=str(statement.get("reason", "")),
        model=name(live).partition("@")[0], digest=live or "",
    )  # fmt: skip


def _name_of(registry: Registry) -> Callable[[object], str]:
    def name(artifact: object) -> str:
        version = registry.versions.get(str(artifact))
        return version.name if version else "rules"

    return name
