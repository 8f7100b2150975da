"""`hauberk rules suppress`, `suppressions`, `unsuppress`: firings that somebody answers for."""

import getpass
import json as json_module
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from hauberk.detect.sigma import filter_detection
from hauberk.errors import ExitCode, UsageError
from hauberk.pipeline import (
    draft,
    find_rule,
    known_rules,
    lift,
    list_suppressions,
    suppress,
    tried,
)
from hauberk.reports import plain, print_suppressions, print_trial

from . import output
from .home import Home, home_or_default
from .progress import Bars
from .times import instant

SUPPRESS_HELP = """Hide a rule's firings that are known to be harmless, for a while.

First the rule is run over everything that the home keeps, and what would have been hidden is
shown, incidents included; then you are asked. Suppressed firings are kept as findings that no
incident is made of. A suppression has an owner, a reason and an end, stands in the ledger, and
goes by the time of events.

Examples:

  hauberk rules suppress "Shadow Copies" --where 'User=CORP\\svc_backup' --reason "backup, CHG-1"

  hauberk rules suppress 3f2a91c0 --where 'Image|endswith=\\robocopy.exe' --hours 22-6 --for 30d
  --owner kim --reason "nightly copy" --yes

  hauberk rules suppress 3f2a91c0 --filter backup.filter.yml --reason "see the filter" --dry-run
"""
LIST_HELP = """List suppressions: whose, why, until when, and how much each has hidden.

Examples:

  hauberk rules suppressions

  hauberk rules suppressions --json
"""
LIFT_HELP = """End a suppression before its time.

Example:

  hauberk rules unsuppress 9f31c2 --reason "the job is gone"
"""

_SPAN = re.compile(r"(\d{1,3})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
Owner = Annotated[
    str, typer.Option("--owner", metavar="NAME", help="Who answers for it.", show_default="you")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why. Needed.")]


def suppress_command(  # one option for each thing a suppression says
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Id or part of the title.")],
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="FIELD=VALUE", help="Sigma's field test; all must hold."),
    ] = None,
    filter_file: Annotated[
        Path | None, typer.Option("--filter", metavar="FILE", help="A Sigma filter instead.")
    ] = None,
    hours: Annotated[
        str, typer.Option("--hours", metavar="A-B", help="Only between these hours (UTC).")
    ] = "",
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="From this time of events on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--expires", metavar="TIME", help="Until this time of events.")
    ] = None,
    span: Annotated[
        str, typer.Option("--for", metavar="SPAN", help="Until so long from now: 12h, 30d, 8w.")
    ] = "30d",
    owner: Owner = "",
    reason: Reason = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what it would have hidden.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    home: Home = None,
    json: Annotated[bool, typer.Option("--json", help="The trial as JSON.")] = False,
) -> ExitCode:
    """Try, show, ask, store."""
    place = home_or_default(home)
    rules = known_rules(place)
    made = draft(
        find_rule(rules, rule),
        _detection(where or [], filter_file),
        owner=owner or getpass.getuser(),
        reason=reason,
        since=instant("--from", since),
        until=instant("--expires", until) or datetime.now(UTC) + _span(span),
        hours=_hours(hours),
    )
    trial = tried(place, rules, made, Bars() if sys.stderr.isatty() else None)
    if json:
        with output.stdout() as stream:
            stream.write(json_module.dumps(trial.as_json()) + "\n")
    else:
        print_trial(trial, output.screen())
    if dry_run:
        return ExitCode.OK
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("nobody is there to say yes", hint="Give --yes, or --dry-run to look")
        typer.confirm("Put it in force?", abort=True, err=True)
    suppress(place, made)
    return ExitCode.OK


def list_command(
    home: Home = None,
    json: Annotated[bool, typer.Option("--json", help="JSON lines.")] = False,
) -> ExitCode:
    """List."""
    place = home_or_default(home)
    found = list_suppressions(place)
    if json:
        with output.stdout() as stream:
            for one, hidden in found:
                stream.write(json_module.dumps({**one.as_entry(), "hidden": hidden}) + "\n")
        return ExitCode.OK
    titles = {one.uid: one.title for one in known_rules(place).rules}
    print_suppressions(found, titles, datetime.now(UTC), output.screen())
    return ExitCode.OK


def lift_command(
    suppression: Annotated[str, typer.Argument(metavar="SUPPRESSION", help="Start of its uid.")],
    owner: Owner = "",
    reason: Reason = "",
    home: Home = None,
) -> ExitCode:
    """Lift."""
    if not reason.strip():
        raise UsageError("say why it ends", where="--reason")
    lifted = lift(home_or_default(home), suppression, owner or getpass.getuser(), reason)
    output.screen().print(f"{lifted.uid} is lifted: scans to come tell its firings again")
    return ExitCode.OK


def _detection(where: list[str], filter_file: Path | None) -> dict[str, object]:
    if where and filter_file:
        raise UsageError("give --where or --filter, not both")
    if filter_file is not None:
        return filter_detection(filter_file)
    if not where:
        raise UsageError(
            "say which firings: a rule is not suppressed as a whole",
            where="--where",
            hint="Give --where 'User=CORP\\svc_backup', or take the rule out of the tree",
        )
    tests: dict[str, object] = {}
    for one in where:
        field, equals, value = one.partition("=")
        if not field or not equals:
            raise UsageError(f"{plain(one)!r} is no FIELD=VALUE", where="--where")
        tests[field] = value
    return {"selection": tests, "condition": "selection"}


def _span(text: str) -> timedelta:
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(f"{text!r} is no span of time", where="--for", hint="Write 12h, 30d or 8w")
    return int(found.group(1)) * _UNITS[found.group(2)]


def _hours(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal() and int(first) < 24 and int(last) <= 24):
        raise UsageError(f"{text!r} are no hours", where="--hours", hint="Write 22-6")
    return int(first), int(last)
