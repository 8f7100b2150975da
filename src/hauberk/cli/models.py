"""`hauberk models`: what models there are, where they come from, and what they may do."""

from datetime import datetime
from typing import Annotated

import typer

from hauberk.errors import ExitCode, UsageError
from hauberk.models import (
    Clearance,
    Refusal,
    Registry,
    Stage,
    Task,
    Version,
    admit,
    cleared,
    read_registry,
)
from hauberk.models import keep as keep_events
from hauberk.reports import (
    as_facts,
    different,
    judged_at,
    lineage,
    listed,
    risk_lines,
    shown,
    when,
)

from . import acting
from .home import Home

models_app = typer.Typer(
    help="""Models as signed data: registered, judged, approved, rolled out, and taken back.

    A MODEL is NAME (its newest version), NAME@VERSION, or the start of its artifact's digest.

    Examples:

      hauberk models register model/ --as ada

      hauberk models submit phishing-mail

      hauberk models approve phishing-mail --as sam --condition max_findings_per_day=50

      hauberk models promote phishing-mail --as sam

      hauberk models history mail --at 2026-03-03T14:02

      hauberk models rollback mail --reason "too many false alarms"
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)

Reference = Annotated[str, typer.Argument(metavar="MODEL", help="NAME, NAME@VERSION or digest.")]


@models_app.command("list")
def list_models(home: Home = None, json: acting.Json = False) -> None:
    """List all versions with stage, risk and the board's answer."""
    with acting.for_reading(home) as opened:
        registry, now = read_registry(opened), opened.clock()
    if json:
        acting.tell_json([as_facts(one, _cleared(registry, one, now)) for one in _all(registry)])
    else:
        acting.tell(listed(registry, now))
        acting.tell(f"passed over: {fault}" for fault in registry.faults)


@models_app.command("show")
def show(reference: Reference, home: Home = None, json: acting.Json = False) -> None:
    """Show a version: gates, risk with its arithmetic, the board's decision and its votes."""
    with acting.for_reading(home) as opened:
        registry, now = read_registry(opened), opened.clock()
    version = registry.named(reference)
    answer = _cleared(registry, version, now)
    if json:
        acting.tell_json(as_facts(version, answer))
    else:
        acting.tell(shown(version, answer))


@models_app.command("lineage")
def show_lineage(reference: Reference, home: Home = None) -> None:
    """Show where a version comes from: data, licences, training, signatures, votes, stages."""
    with acting.for_reading(home) as opened:
        registry = read_registry(opened)
    acting.tell(lineage(registry, registry.named(reference)))


@models_app.command("diff")
def diff(reference: Reference, other: Reference, home: Home = None) -> None:
    """Show in what two versions differ."""
    with acting.for_reading(home) as opened:
        registry = read_registry(opened)
    acting.tell(different(registry.named(reference), registry.named(other)))


@models_app.command("history")
def history(
    subject: Annotated[str, typer.Argument(metavar="TASK|MODEL", help="A task or a model.")],
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="What judged then, by whose vote.")
    ] = None,
    home: Home = None,
    json: acting.Json = False,
) -> None:
    """Show what judged a task over time, or at one time and by whose approval."""
    with acting.for_reading(home) as opened:
        registry = read_registry(opened)
        task = _task(registry, subject)
        if at is not None:
            then = acting.a_time(at, "--at")
            registry = read_registry(opened, until=then)
    if at is not None and not json:
        acting.tell(judged_at(registry, task, then))
        return
    rows = [
        {
            "time": time.isoformat(),
            "entry": position,
            "live": registry.versions[digest].name if digest else None,
            "artifact": digest,
        }
        for time, position, digest in registry.slot(task).history
    ]
    if json:
        acting.tell_json(rows[-1:] if at is not None else rows)
        return
    acting.tell([f"{task}: what was live, from when on"])
    acting.tell(
        f"  {when(datetime.fromisoformat(str(row['time'])))}  entry {row['entry']}  "
        f"{row['live'] or 'rules alone'}"
        for row in rows
    )


@models_app.command("verify")
def verify(
    subject: Annotated[str, typer.Argument(metavar="TASK|MODEL", help="A task or a model.")],
    home: Home = None,
    json: acting.Json = False,
) -> ExitCode:
    """Check everything that loading checks, from the files to the approvals.

    A refusal is stored as an event. Exit codes: 0 it would be loaded, 8 it is refused.
    """
    with acting.for_writing(home) as opened:
        registry = read_registry(opened)
        version = _standing(registry, subject)
        stage = version.stage if version.stage in (Stage.CANARY, Stage.LIVE) else Stage.SHADOW
        found = admit(opened, registry, version, stage, opened.clock())
        if isinstance(found, Refusal):
            keep_events(opened, (), [found.occurrence(opened.clock())])
    if isinstance(found, Refusal):
        failures = [
            {"check": one.check, "where": one.where, "what": one.what} for one in found.failures
        ]
        if json:
            acting.tell_json({"model": version.name, "loads": False, "refused_by": failures})
        else:
            acting.tell([f"{version.name} is refused as {stage}"])
            acting.tell(f"  {failure}" for failure in found.failures)
        return ExitCode.REFUSED
    if json:
        acting.tell_json({"model": version.name, "loads": True, "refused_by": []})
    else:
        acting.tell(
            [
                f"{version.name} would be loaded as {stage}",
                f"  files      {len(found.artifact.files)} as registered, plain data",
                f"  signature  by {found.signed_by.holder}, key {found.signed_by.uid[:12]}",
                f"  board      {found.decision}",
                f"  conditions {found.conditions}",
            ]
        )
    return ExitCode.OK


@models_app.command("risk")
def risk(
    reference: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="A model; without, the register.")
    ] = None,
    home: Home = None,
    json: acting.Json = False,
) -> None:
    """Show a model's risk with its arithmetic, or the register of risks over time."""
    with acting.for_reading(home) as opened:
        registry, now = read_registry(opened), opened.clock()
    if reference is not None:
        found = _cleared(registry, registry.named(reference), now).risk
        if json:
            acting.tell_json(found.as_json())
        else:
            acting.tell(risk_lines(found))
        return
    rows = [
        {
            "time": entry.time.isoformat(),
            "entry": entry.position,
            "model": registry.versions[entry.body["statement"]["artifact"]].name,
            "score": entry.body["statement"]["risk"]["score"],
            "tier": entry.body["statement"]["risk"]["tier"],
        }
        for entry in registry.assessments
    ]
    if json:
        acting.tell_json(rows)
    else:
        acting.tell(
            f"{when(datetime.fromisoformat(row['time']))}  entry {row['entry']}  {row['model']}"
            f"  risk {row['score']:g} ({row['tier']})"
            for row in rows
        )
        if not rows:
            acting.tell(["no risk was assessed yet: hauberk models submit MODEL"])


def _all(registry: Registry) -> list[Version]:
    return list(registry.versions.values())


def _cleared(registry: Registry, version: Version, now: datetime) -> Clearance:
    """What a live model of this version would need, as of now."""
    return cleared(registry.authority, registry.keys, version, Stage.LIVE, now)


def _task(registry: Registry, subject: str) -> Task:
    """A task by its name, or the one that a model judges."""
    if subject in tuple(Task):
        return Task(subject)
    return registry.named(subject).model.task


def _standing(registry: Registry, subject: str) -> Version:
    """The live model of a task, or the model named. Raises UsageError."""
    if subject not in tuple(Task):
        return registry.named(subject)
    live = registry.slot(Task(subject)).live
    if live is None:
        raise UsageError(f"no model is live for {subject}", hint="hauberk models list")
    return registry.versions[live]
