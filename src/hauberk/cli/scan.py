"""`hauberk scan`: logs in, ranked incidents out."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hauberk.errors import ExitCode, UsageError
from hauberk.pipeline import Progress, ScanOptions, Silent, scan
from hauberk.reports import print_scan, write_html, write_json
from hauberk.triage import BUDGET

from .home import Home, home_or_default
from .progress import Bars

HELP = """Scan files, folders and archives of logs for incidents.

Formats are recognised by content; archives (zip, tar, gz, bz2, xz, zst) are read where they lie,
nested ones too. What was scanned before is not stored twice.

Examples:

  hauberk scan /var/log/zeek

  hauberk scan evidence.zip --rules ~/sigma/rules --html report.html

  hauberk scan today/ --baseline lastweek/ --budget 3

  hauberk scan logs/ --json - --quiet | jq .

Exit codes: 0 nothing above budget, 10 incidents found, 2 usage, 3 nothing could be read,
4 home in use, 5 home damaged, 6 disk full, 1 a fault of Hauberk's.
"""


def command(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Files, folders, archives; - is standard input."),
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
    options = ScanOptions(
        paths=paths,
        home=home_or_default(home),
        rules=rules or (),
        baseline=baseline or (),
        budget=budget,
        since=_time("--since", since),
        until=_time("--until", until),
    )
    # A page or a pipe on standard output must not be mixed with what people read.
    console = Console(stderr=json_file == "-", quiet=quiet)
    bars: Progress = Silent() if quiet or not sys.stderr.isatty() else Bars()
    found = scan(options, bars)
    if json_file == "-":
        write_json(found, sys.stdout)
    elif json_file:
        with Path(json_file).open("w", encoding="utf-8") as stream:
            write_json(found, stream)
    if html_file:
        write_html(found, html_file)
    print_scan(found, console, html=html_file)
    return ExitCode.INCIDENTS if found.above else ExitCode.OK


def _check(paths: list[Path], rules: list[Path], baseline: list[Path]) -> None:
    """Refuse what is not there before anything is opened."""
    for path in [*paths, *rules, *baseline]:
        if str(path) != "-" and not path.exists():
            raise UsageError("there is no such file or folder", where=str(path))


def _time(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is no time",
            where=option,
            hint="Write it like 2026-03-14 or 2026-03-14T09:30",
        ) from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
