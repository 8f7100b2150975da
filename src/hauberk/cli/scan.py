"""`hauberk scan`: logs in, ranked incidents out."""

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TextIO

import typer

from hauberk.errors import ExitCode, HauberkError, UsageError
from hauberk.pipeline import Progress, Scan, ScanOptions, Silent, scan
from hauberk.reports import print_scan, write_html, write_json
from hauberk.triage import BUDGET

from . import output
from .home import Home, home_or_default
from .progress import Bars
from .times import instant, ordered

HELP = """Scan files, folders and archives of logs for incidents.

Formats are recognised by content; archives (zip, tar, gz, bz2, xz, zst) are read where they lie,
nested ones too. What was scanned before is not stored twice.

Formats: Windows events (EVTX, JSON), Zeek, Suricata, CloudTrail, Argus, syslog, journald, auditd,
Cowrie, Wazuh, OCSF, OTLP, mail, Windows executables; any CSV or JSON by a map (docs/formats.md).

Examples:

  hauberk scan /var/log/zeek

  hauberk scan evidence.zip --rules ~/sigma/rules --html report.html

  hauberk scan today/ --baseline lastweek/ --budget 3

  hauberk scan logs/ --json - --quiet | jq .

Exit codes: 0 nothing above budget, 10 incidents found, 2 usage, 3 nothing could be read,
4 home in use, 5 home damaged, 6 disk full, 1 a fault of Hauberk's, 130 stopped by Ctrl-C.
"""


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was asked for, and what fills it."""

    option: str
    path: Path
    write: Callable[[Scan, TextIO], None]


def command(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Files, folders, archives; - is standard input."),
    ],
    home: Home = None,
    rules: Annotated[
        list[Path] | None,
        typer.Option("--rules", metavar="DIR", help="More Sigma rules: a folder of them, or one."),
    ] = None,
    budget: Annotated[
        float, typer.Option("--budget", metavar="N", min=0, help="Incidents a day you can read.")
    ] = BUDGET,
    baseline: Annotated[
        list[Path] | None,
        typer.Option("--baseline", metavar="PATH", help="Quiet telemetry, to learn from first."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Report findings from this time (ISO, UTC).")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Report findings before this time.")
    ] = None,
    json_file: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="OCSF findings and incidents; - for stdout."),
    ] = None,
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="A page that opens offline.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> ExitCode:
    """Run a scan and show it."""
    _check(paths, rules or [], baseline or [])
    if not math.isfinite(budget):
        raise UsageError(f"{budget} is no number of incidents", where="--budget")
    first, last = ordered(instant("--since", since), instant("--until", until))
    options = ScanOptions(
        paths=paths,
        home=home_or_default(home),
        rules=rules or (),
        baseline=baseline or (),
        budget=budget,
        since=first,
        until=last,
    )
    files = _files(json_file, html_file)
    # A page or a pipe on standard output must not be mixed with what people read.
    console = output.screen(stderr=json_file == output.STDOUT, quiet=quiet)
    bars: Progress = Silent() if quiet or not sys.stderr.isatty() else Bars()
    found = scan(options, bars)
    if json_file == output.STDOUT:
        with output.stdout() as stream:
            write_json(found, stream)
    faults = list(_written(found, files))
    print_scan(found, console, html=None if faults else html_file)
    if faults:
        raise faults[0]
    return ExitCode.INCIDENTS if found.above else ExitCode.OK


def _files(json_file: str | None, html_file: Path | None) -> list[_File]:
    """The files to write, each tried before anything is read."""
    files = []
    if json_file is not None and json_file != output.STDOUT:
        files.append(_File("--json", Path(json_file).expanduser(), write_json))
    if html_file is not None:
        files.append(_File("--html", html_file.expanduser(), write_html))
    for one in files:
        output.check_writable(one.path, one.option)
    return files


def _written(found: Scan, files: list[_File]) -> Iterator[HauberkError]:
    """Write the files; what could not be written, after all that could."""
    for one in files:
        try:
            with output.file(one.path, one.option) as stream:
                one.write(found, stream)
        except HauberkError as error:
            yield error


def _check(paths: list[Path], rules: list[Path], baseline: list[Path]) -> None:
    """Refuse what is not there before anything is opened."""
    for path in [*paths, *rules, *baseline]:
        if str(path) == "-":
            continue
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise UsageError("there is no such file or folder", where=str(path)) from None
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else str(error)
            raise UsageError(f"cannot be looked at: {said}", where=str(path)) from error
