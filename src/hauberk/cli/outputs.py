"""`hauberk outputs`: findings and incidents told elsewhere."""

import json as json_module
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from hauberk.errors import ExitCode, HauberkError, UsageError
from hauberk.pipeline import IncidentView, look_up
from hauberk.reports import count, plain
from hauberk.reports.outputs import (
    Output,
    OutputStatus,
    letters_path,
    read_outputs,
    run_outputs,
    sender_of,
    statuses,
    trial_message,
)
from hauberk.store import Home as Opened
from hauberk.store import load_settings

from . import acting, output
from .home import Home, home_or_default
from .stopping import ended_in_order

REPORT_SECONDS = 5.0

app = typer.Typer(
    help="""Findings and incidents, told elsewhere: SIEMs, buses, files, chat, mail, STIX 2.1.

    They are named in `[outputs.NAME]` of hauberk.toml; `hauberk up` runs them (docs/outputs.md).

    Examples:

      hauberk outputs check

      hauberk outputs test siem

      hauberk outputs status

      hauberk outputs export --stix 1
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="An output of hauberk.toml.")]


def _outputs(home: Path) -> list[Output]:
    return read_outputs(load_settings(home))


@app.command("run")
def run(
    home: Home = None,
    status: Annotated[
        bool, typer.Option("--status", help="How outputs stand, as JSON lines on standard error.")
    ] = False,
) -> None:
    """Send what comes, until stopped; what was not sent yet is sent at the next start."""
    path = home_or_default(home).absolute()
    outputs = _outputs(path)
    if not outputs:
        raise UsageError(
            "there are no outputs", where=str(path / "hauberk.toml"),
            hint="Add a table [outputs.NAME]; docs/outputs.md has examples",
        )  # fmt: skip
    screen = output.screen()
    turn = threading.Lock()
    told = float("-inf")

    def tell(name: str, said: str) -> None:
        with turn:
            screen.print(f"{plain(name)}: {plain(said, 1000)}", soft_wrap=True, markup=False)
            output.flush()

    def report(found: Sequence[OutputStatus]) -> None:
        nonlocal told
        if status and time.monotonic() - told >= REPORT_SECONDS:
            told = time.monotonic()
            said = json_module.dumps({"outputs": {"outputs": [asdict(one) for one in found]}},
                                     separators=(",", ":"))  # fmt: skip
            with turn:
                print(said, file=sys.stderr, flush=True)  # noqa: T201

    stop = threading.Event()
    with ended_in_order(stop):
        run_outputs(path, outputs, stop, tell, report)


@app.command("check")
def check(
    home: Home = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Read the settings; reach nobody.")
    ] = False,
) -> ExitCode:
    """Read the settings, and reach every receiver without telling it anything."""
    path = home_or_default(home).absolute()
    outputs = _outputs(path)
    failed = []
    for one in outputs:
        said = [*one.notes]
        try:
            sender = sender_of(one)
            try:
                if not offline:
                    said.insert(0, sender.check())
            finally:
                sender.close()
        except HauberkError as error:
            failed.append(one.name)
            said.insert(0, error.what)
        mark = "✗" if one.name in failed else "✓"
        acting.tell([f"{mark} {one.name}: {one.where}: {'; '.join(said) or 'well formed'}"])
    if failed:
        acting.tell([f"not reached: {', '.join(failed)}"])
        return ExitCode.UNREACHABLE
    well = f"{count(len(outputs), 'output')}, nothing wrong"
    acting.tell([well if outputs else "there are no outputs"])
    return ExitCode.OK


@app.command("test")
def send_test(name: Name, home: Home = None) -> None:
    """Send one message that says of itself that it is a test."""
    found = [one for one in _outputs(home_or_default(home).absolute()) if one.name == name]
    if not found:
        raise UsageError(f"there is no output {name!r}", hint="`hauberk outputs check` names them")
    sender = sender_of(found[0])
    message = trial_message(name, datetime.now(UTC))
    try:
        refused = sender.send([message])
    finally:
        sender.close()
    if refused:
        raise HauberkError(f"it was refused: {refused[0].reason}", where=found[0].where)
    acting.tell([f"{found[0].where} has taken {message.id}"])


@app.command("status")
def status(home: Home = None, json: acting.Json = False) -> ExitCode:
    """Say how far each output is, and what holds it back."""
    path = home_or_default(home).absolute()
    with Opened.open(path, read_only=True) as opened:
        newest = opened.records.last_commit()
    found = statuses(path, _outputs(path), newest)
    if json:
        acting.tell_json([asdict(one) for one in found])
    else:
        acting.tell(list(_lines(found, path)) or ["there are no outputs"])
    return ExitCode.UNREACHABLE if any(one.fault for one in found) else ExitCode.OK


def _lines(found: Sequence[OutputStatus], home: Path) -> Iterator[str]:
    for one in found:
        said = f"{one.name:<12} {one.where}  "
        if not one.started:
            yield f"{said}not started yet"
            continue
        said += f"{one.sent:,} sent, {one.refused:,} refused"
        if one.behind:
            said += f", {count(one.commits, 'commit')} behind for {one.behind:.0f} s"
        yield said
        if one.fault:
            yield f"{'':<12} since {one.since}: {one.fault}"
        if one.refusal:
            letters = letters_path(home, one.name)
            kept = f"; kept in {letters}" if letters.exists() else ""
            yield f"{'':<12} refused last: {one.refusal}{kept}"


@app.command("export")
def export(
    incident: Annotated[str, typer.Argument(metavar="INCIDENT", help="Its uid, or its rank.")],
    home: Home = None,
    stix: Annotated[bool, typer.Option("--stix", help="As a STIX 2.1 bundle.")] = False,
    tlp: Annotated[str, typer.Option("--tlp", help="How it may be shared.")] = "amber",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to; standard output else.")
    ] = None,
) -> None:
    """Write one incident, as a STIX 2.1 bundle."""
    if not stix:
        raise UsageError("export as what", hint="Give --stix")
    try:
        from hauberk.reports.outputs.stix import MARKINGS, bundle  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("hauberk"):
            raise
        raise UsageError(
            f"this needs {error.name}, which is not installed", hint="pip install 'hauberk[stix]'"
        ) from error
    if tlp not in MARKINGS:
        raise UsageError(f"{tlp!r} is no marking", hint=f"Expected one of {', '.join(MARKINGS)}")
    view = look_up(home_or_default(home), incident)
    if not isinstance(view, IncidentView):
        raise UsageError(f"{incident!r} is a finding", hint="Name an incident")
    made = bundle(view.incident, "export", datetime.now(UTC), tlp)
    if out is None:
        with output.stdout() as stream:
            stream.write(made + "\n")
        return
    with output.file(out, "--out") as stream:
        stream.write(made + "\n")
