"""`hauberk rules`: what detection engineers do with rules."""

import json as json_module
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from hauberk.detect.sigma import Rule, check_rules, check_samples, load_rules
from hauberk.errors import ExitCode, UsageError
from hauberk.events import technique_name
from hauberk.pipeline import (
    Explained,
    Progress,
    Silent,
    explain_event,
    explain_file,
    find_rule,
    hunt,
    known_rules,
    rule_records,
    update_rules,
)
from hauberk.reports import (
    coverage,
    navigator_layer,
    plain,
    print_coverage,
    print_explained,
    print_hunt,
    print_rules,
    print_update,
    write_findings,
)

from . import output, tuning
from .home import Home, home_or_default
from .progress import Bars
from .times import instant, ordered

HELP = """Work with Sigma rules: list, check, test, explain, coverage, hunt, update.

Examples:

  hauberk rules list --level high --technique T1003

  hauberk rules check ~/sigma/rules

  hauberk rules hunt --since 2026-03-01 --rule "LSASS"
"""

app = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)

app.command("suppress", help=tuning.SUPPRESS_HELP)(tuning.suppress_command)
app.command("suppressions", help=tuning.LIST_HELP)(tuning.list_command)
app.command("unsuppress", help=tuning.LIFT_HELP)(tuning.lift_command)

More = Annotated[
    list[Path] | None,
    typer.Option("--rules", metavar="DIR", help="More Sigma rules: a folder of them, or one."),
]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")]
Folders = Annotated[
    list[Path] | None,
    typer.Argument(metavar="DIR", help="Rule files or folders; without any, Hauberk's own."),
]


@app.command(
    "list",
    help="""List rules, with what this estate has taught of each.

    A rule that fires all day sinks by itself: its firing is worth the bits that are shown, not
    those of its level.

    Examples:

      hauberk rules list --level high

      hauberk rules list --fired --home /srv/hauberk

      hauberk rules list --technique T1059 --json | jq -r .title
    """,
)
def list_rules(
    search: Annotated[str, typer.Argument(metavar="TEXT", help="Part of a title.")] = "",
    level: Annotated[str, typer.Option(metavar="LEVEL", help="Only this level.")] = "",
    technique: Annotated[
        str, typer.Option(metavar="ID", help="Only this ATT&CK technique, sub-techniques too.")
    ] = "",
    fired: Annotated[bool, typer.Option("--fired", help="Only rules that fired here.")] = False,
    more: More = None,
    home: Home = None,
    json: Json = False,
) -> ExitCode:
    """Print rules and their records."""
    place = home_or_default(home)
    rules = known_rules(place, _there(more))
    records = rule_records(place)
    chosen = [
        rule
        for rule in rules.rules
        if search.casefold() in rule.title.casefold()
        and level in ("", rule.level)
        and (not technique or any(_within(one, technique) for one in rule.techniques))
        and (not fired or rule.uid in records)
    ]
    if not json:
        console = output.screen()
        print_rules(chosen, records, console)
        console.print(f"{len(chosen):,} of {len(rules.rules):,} rules", style="dim")
        return ExitCode.OK
    lines = []
    for rule in chosen:
        record = records.get(rule.uid)
        here = {**asdict(record), "sunk": record.sunk} if record else None
        lines.append({**_rule(rule), "here": here})
    _write(lines)
    return ExitCode.OK


@app.command(
    help="""Name every fault of a rule tree, with file and line.

    A rule that cannot be compiled, that names no known log source, or that has the id of another
    is a fault; so is a file that is no rule. Nothing else of the tree suffers by it.

    Examples:

      hauberk rules check ~/sigma/rules

      hauberk rules check my.yml --json

    Exit codes: 0 no fault, 9 faults were found.
    """,
)
def check(paths: Folders = None, json: Json = False) -> ExitCode:
    """Print faults."""
    rules, faults = check_rules(_there(paths))
    if json:
        _write(asdict(fault) for fault in faults)
    else:
        console = output.screen()
        for fault in faults:
            rule = f"{fault.rule_id}: " if fault.rule_id else ""
            console.print(
                plain(f"{fault.path}:{fault.line}: {rule}{fault.reason}", 600), soft_wrap=True
            )
        console.print(f"{len(rules.rules):,} rules, {len(faults):,} faults", style="dim")
    return ExitCode.FAULTY if faults else ExitCode.OK


@app.command(
    "test",
    help="""Run the samples that stand beside rules.

    NAME.samples.yml beside NAME.yml lists events on which the rule must fire (positive) and events
    on which it must not (negative).

    Examples:

      hauberk rules test my-rules/

      hauberk rules test my-rules/ --strict     a rule without samples is a fault too

    Exit codes: 0 all passed, 9 some did not.
    """,
)
def run_samples(
    paths: Folders = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Rules without samples are faults.")
    ] = False,
    json: Json = False,
) -> ExitCode:
    """Run samples and print what came out otherwise."""
    rules = load_rules(_there(paths)) if paths else known_rules(None)
    found = check_samples(rules)
    faults = [one for one in found if strict or not one.missing]
    without = len(found) - len(faults)
    if json:
        _write(asdict(fault) for fault in faults)
    else:
        console = output.screen()
        for fault in faults:
            console.print(plain(f"{fault.path}:{fault.line}: {fault.reason}", 600), soft_wrap=True)
        said = f"{len(rules.rules) - without:,} rules tested, {len(faults):,} faults"
        console.print(
            said + (f", {without:,} rules without samples" if without else ""), style="dim"
        )
    return ExitCode.FAULTY if faults else ExitCode.OK


@app.command(
    help="""Show which part of a rule matched which value of an event, and which did not.

    EVENT is the uid of an event or of a finding in the home; with --file, the rule is held against
    the events of any log file.

    Examples:

      hauberk rules explain 3f2a91c0 4e45ba7d

      hauberk rules explain "Shadow Copies Deleted" --file one.json
    """,
)
def explain(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Id or part of the title.")],
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Uid of an event or finding.")] = "",
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A log file instead.")
    ] = None,
    more: More = None,
    home: Home = None,
    json: Json = False,
) -> ExitCode:
    """Explain and print."""
    if bool(event) == (file is not None):
        raise UsageError("give either an event's uid or --file FILE", where="explain")
    place = home_or_default(home)
    rules = known_rules(place, _there(more))
    chosen = find_rule(rules, rule)
    explained = (
        explain_event(place, rules, chosen, event)
        if file is None
        else explain_file(file, rules, chosen)
    )
    if json:
        _write({"rule": chosen.uid, "fires": one.fires, **_explained(one)} for one in explained)
    else:
        print_explained(chosen, explained, output.screen())
    return ExitCode.OK


@app.command(
    "coverage",
    help="""Show which ATT&CK techniques the rules name; write a layer for the ATT&CK Navigator.

    Examples:

      hauberk rules coverage

      hauberk rules coverage --rules ~/sigma/rules --navigator layer.json
    """,
)
def show_coverage(
    navigator: Annotated[
        str | None,
        typer.Option("--navigator", metavar="FILE", help="Write the layer; - for stdout."),
    ] = None,
    more: More = None,
    home: Home = None,
) -> ExitCode:
    """Count, print, write."""
    rules = known_rules(home_or_default(home), _there(more))
    counts = coverage(rule.techniques for rule in rules.rules)
    text = json_module.dumps(navigator_layer(counts), indent=2) + "\n"
    if navigator == output.STDOUT:
        with output.stdout() as stream:
            stream.write(text)
        return ExitCode.OK
    print_coverage(counts, output.screen())
    if navigator is not None:
        path = Path(navigator).expanduser()
        output.check_writable(path, "--navigator")
        with output.file(path, "--navigator") as stream:
            stream.write(text)
    return ExitCode.OK


@app.command(
    "hunt",
    help="""Run rules back over everything that the home keeps, or over a stretch of time.

    Nothing is stored and no base rate changes. Rules may be new: the records themselves are kept,
    so that a rule of today judges an event of last year.

    Examples:

      hauberk rules hunt --rules new-rules/ --only-new

      hauberk rules hunt --since 2026-03-01 --until 2026-03-08 --rule "LSASS"

      hauberk rules hunt --rule 3f2a91c0 --json | jq -r .message

    Exit codes: 0 nothing was found, 10 something was.
    """,
)
def hunt_rules(
    rule: Annotated[
        list[str] | None, typer.Option("--rule", metavar="RULE", help="Only these: id or title.")
    ] = None,
    only_new: Annotated[
        bool, typer.Option("--only-new", help="Only the rules that --rules brings.")
    ] = False,
    more: More = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="From (ISO, UTC).")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before.")] = None,
    home: Home = None,
    json: Json = False,
) -> ExitCode:
    """Hunt and print."""
    first, last = ordered(instant("--since", since), instant("--until", until))
    place = home_or_default(home)
    if only_new and not more:
        raise UsageError("there are no new rules", where="--only-new", hint="Give --rules DIR")
    rules = load_rules(_there(more)) if only_new else known_rules(place, _there(more))
    if rule:
        rules = rules.only({find_rule(rules, one).uid for one in rule})
    bars: Progress = Bars() if sys.stderr.isatty() else Silent()
    found = hunt(place, rules, first, last, bars)
    if json:
        with output.stdout() as stream:
            write_findings(found.findings, found.evidence, stream)
    else:
        print_hunt(found, rules.rules, output.screen())
    return ExitCode.INCIDENTS if found.findings.height else ExitCode.OK


@app.command(
    "update",
    help="""Install a rule tree into the home, or bring an installed one up to date.

    Every scan of that home judges by it from then on. What changed is shown and entered in the
    ledger; the tree is copied, so that a checkout may go on changing.

    Examples:

      git -C ~/sigma pull && hauberk rules update --from ~/sigma/rules --name sigmahq

      hauberk rules update --from ~/sigma/rules --name sigmahq --dry-run
    """,
)
def update(
    source: Annotated[Path, typer.Option("--from", metavar="DIR", help="The tree to install.")],
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Under which name.")
    ] = "local",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change.")
    ] = False,
    home: Home = None,
    json: Json = False,
) -> ExitCode:
    """Install and say what changed."""
    done = update_rules(home_or_default(home), _there([source])[0], name, dry_run=dry_run)
    if json:
        _write([asdict(done)])
    else:
        print_update(done, output.screen(), dry_run=dry_run)
    return ExitCode.OK


def _within(technique: str, wanted: str) -> bool:
    return technique == wanted.upper() or technique.startswith(wanted.upper() + ".")


def _there(paths: Sequence[Path] | None) -> list[Path]:
    for path in paths or ():
        if not path.exists():
            raise UsageError("there is no such file or folder", where=str(path))
    return [path.expanduser() for path in paths or ()]


def _rule(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.uid,
        "title": rule.title,
        "level": rule.level,
        "status": rule.status,
        "logsource": asdict(rule.source),
        "techniques": [{"id": one, "name": technique_name(one)} for one in rule.techniques],
        "path": rule.path,
        "line": rule.line,
    }


def _explained(one: Explained) -> dict[str, object]:
    return {"event": one.event, "log": one.log, "trace": asdict(one.trace) if one.trace else None}


def _write(lines: Iterable[object]) -> None:
    with output.stdout() as stream:
        for line in lines:
            stream.write(json_module.dumps(line, default=_readable) + "\n")


def _readable(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)
