"""`hauberk watch`: logs as they are written."""

import json
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console

from hauberk.errors import ExitCode, UsageError
from hauberk.ingest.receivers import Sources, read_sources
from hauberk.pipeline import Pace, WatchOptions, watch
from hauberk.reports import (
    finding_line,
    incident_line,
    pace_line,
    plain,
    write_findings,
    write_incidents,
)
from hauberk.triage import BUDGET, Incident

from . import output
from .home import Home, home_or_default
from .stopping import ended_in_order

HELP = """Follow files and folders of logs, and tell findings and incidents as they come.

Lines are judged by rules as soon as they are written; behaviour, correlations and triage follow
every minute. Rotated and truncated files are followed, archives that appear are read once whole.
Stop with Ctrl-C: what has come is committed and judged first. Started again, it goes on where it
was, without loss and without doubles.

With --sources it also listens for syslog and HTTP, and holds every source to its contract
(docs/live.md).

Examples:

  hauberk watch /var/log/zeek/current /var/log/suricata/eve.json

  hauberk watch --sources sources.toml

  hauberk watch /srv/logs --rules ~/sigma/rules --json - | nc siem 5140

Exit codes: 0 stopped, 2 usage, 4 home in use, 5 home damaged, 6 disk full.
"""


def command(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Files and folders to follow."),
    ] = None,
    home: Home = None,
    sources: Annotated[
        Path | None,
        typer.Option("--sources", metavar="FILE", help="What else to follow and to listen for."),
    ] = None,
    rules: Annotated[
        list[Path] | None,
        typer.Option("--rules", metavar="DIR", help="More Sigma rules: a folder of them, or one."),
    ] = None,
    budget: Annotated[
        float, typer.Option("--budget", metavar="N", min=0, help="Incidents a day you can read.")
    ] = BUDGET,
    every: Annotated[
        float,
        typer.Option("--every", metavar="SECONDS", min=1, help="How often behaviour is judged."),
    ] = 60.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="OCSF JSON lines on standard output.")
    ] = False,
    status: Annotated[
        float | None,
        typer.Option(
            "--status",
            metavar="SECONDS",
            min=1,
            help="So often a JSON line on standard error of how the watch and its sources keep up.",
        ),
    ] = None,
) -> ExitCode:
    """Follow until stopped."""
    for path in [*(paths or []), *(rules or [])]:
        if not path.exists():
            raise UsageError("there is no such file or folder", where=str(path))
    if not paths and sources is None:
        raise UsageError("there is nothing to watch", hint="Name a PATH, or give --sources FILE")
    options = WatchOptions(
        paths or (), home_or_default(home), rules or (), budget, every,
        Sources(()) if sources is None else read_sources(sources),
    )  # fmt: skip
    stop = threading.Event()
    with ended_in_order(stop):
        pace = watch(options, _Machine(status) if as_json else _Person(status), stop)
    said = f"{pace.records:,} records, {pace.events:,} events, {pace.rejected:,} rejected"
    output.screen(stderr=True).print(f"{said}, {pace.findings:,} findings of rules", style="dim")
    return ExitCode.OK


class _Status:
    """JSON lines on standard error: how a watch and each of its sources keep up."""

    def __init__(self, every: float | None) -> None:
        self._every = every
        self._told = time.monotonic()

    def pace(self, pace: Pace) -> None:
        """Tell it, if it is time."""
        now = time.monotonic()
        if self._every is None or now - self._told < self._every:
            return
        self._told = now
        print(json.dumps({"pace": asdict(pace)}, default=str), file=sys.stderr, flush=True)  # noqa: T201


class _Machine:
    """OCSF JSON lines; what goes wrong on standard error."""

    def __init__(self, status: float | None) -> None:
        self._status = _Status(status)
        self._stderr = output.screen(stderr=True)

    def findings(self, found: pl.DataFrame) -> None:
        with output.stdout() as stream:
            write_findings(found, {}, stream)

    def incidents(self, ranked: Sequence[Incident]) -> None:
        with output.stdout() as stream:
            write_incidents(ranked, stream)

    def unread(self, source: str, reason: str) -> None:
        self._stderr.print(f"not read  {plain(source)}: {plain(reason)}", style="yellow")

    def fault(self, said: str) -> None:
        self._stderr.print(plain(said), style="red")

    def pace(self, pace: Pace) -> None:
        """Only where somebody asked for it: machines ask for findings."""
        self._status.pace(pace)


class _Person:
    """Lines as they come, and one that says how the watch keeps up."""

    def __init__(self, status: float | None) -> None:
        self._lines = _Status(status)
        self._screen: Console = output.screen()
        shown = sys.stderr.isatty() and status is None
        self._status = output.screen(stderr=True).status("waiting") if shown else None
        self._last = Pace()
        if self._status is not None:
            self._status.start()

    def findings(self, found: pl.DataFrame) -> None:
        for row in found.sort("time").iter_rows(named=True):
            self._screen.print(finding_line(row), soft_wrap=True)
        output.flush()

    def incidents(self, ranked: Sequence[Incident]) -> None:
        for one in ranked:
            self._screen.print(incident_line(one), soft_wrap=True)
        output.flush()

    def unread(self, source: str, reason: str) -> None:
        self._screen.print(f"not read  {plain(source)}: {plain(reason)}", style="yellow")

    def fault(self, said: str) -> None:
        self._screen.print(plain(said), style="red")

    def pace(self, pace: Pace) -> None:
        self._lines.pace(pace)
        if self._status is not None:
            rate = pace.records - self._last.records
            self._status.update(pace_line(pace, rate))
            self._last.records = pace.records
