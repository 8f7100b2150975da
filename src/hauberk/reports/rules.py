"""Rules on the terminal: lists, hunts, explanations, coverage."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hauberk.detect.sigma import Rule, Suppression
from hauberk.pipeline import Explained, Hunt, RuleRecord, RuleUpdate, Trial

from .navigator import by_tactic
from .words import count, moment, percent, plain

_LEVEL_STYLE = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}
SHOWN_FINDINGS = 3
"""Findings of one rule that a hunt prints."""


def print_rules(rules: Sequence[Rule], records: Mapping[str, RuleRecord], console: Console) -> None:
    """One line a rule; what this estate has taught of it beside what its level says."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("id", "level", "technique"):
        table.add_column(name, no_wrap=True)
    table.add_column("rule")
    for rule in rules:
        told = Text(plain(rule.title, 120))
        told.append(f"\n{rule.source} · {rule.status or 'no status'}", style="dim")
        record = records.get(rule.uid)
        if record:
            told.append("\n").append_text(_here(record))
        elif records:
            told.append(" · silent here", style="dim")
        table.add_row(
            rule.uid[:8],
            Text(rule.level, style=_LEVEL_STYLE.get(rule.level, "")),
            (rule.techniques or ("",))[0] + (" …" if len(rule.techniques) > 1 else ""),
            told,
        )
    console.print(table)


def _here(record: RuleRecord) -> Text:
    """`on 92 of 100 host-days: 0.1 bits, sunk from 9.0`."""
    said = f"on {record.host_days:,} of {record.watched:,} host-days: {record.bits:.1f} bits"
    if record.verdicts:
        said += (
            f" · wrong by {count(record.verdicts, 'verdict')}: {record.wrong_rate:.0%},"
            f" counts {record.worth:.2f} times"
        )
    if record.sunk:
        return Text(f"{said}, sunk from {record.stated_bits:.1f}", style="yellow")
    if record.risen:
        return Text(f"{said}, risen from {record.stated_bits:.1f}", style="green")
    return Text(said)


def print_hunt(found: Hunt, rules: Iterable[Rule], console: Console) -> None:
    """What each rule that fired found: how often, where, the first and the last time."""
    titles = {rule.uid: rule for rule in rules}
    grouped = (
        found.findings.group_by("rule_uid")
        .agg(
            pl.col("count").sum().alias("events"),
            pl.col("entities").list.first().n_unique().alias("places"),
            pl.col("time").min().alias("first"),
            pl.col("end_time").max().alias("last"),
            pl.col("severity_id").first(),
            pl.col("message").head(SHOWN_FINDINGS),
            pl.col("uid").head(1),
        )
        .sort("severity_id", "events", descending=[True, False])
    )
    for row in grouped.iter_rows(named=True):
        rule = titles[row["rule_uid"]]
        head = Text(f"\n{plain(rule.title, 160)}", style="bold")
        head.append(f"  {rule.level}", style=_LEVEL_STYLE.get(rule.level, ""))
        head.append(f"  {rule.uid[:8]}", style="not bold dim")
        console.print(head)
        console.print(
            Text(
                f"   {count(row['events'], 'event')}, {count(row['places'], 'place')}, "
                f"{_moment(row['first'])} – {_moment(row['last'])}",
                style="dim",
            )
        )
        for message in row["message"]:
            console.print(Text(f"   {plain(message, 240)}"))
    fired = grouped.height
    console.print(
        Text(
            f"\n{count(found.rules, 'rule')} over {count(found.events, 'event')}: "
            f"{fired:,} fired, {count(found.findings.height, 'finding')}. Nothing was stored.",
            style="dim",
        )
    )
    for fault in found.faults[:3]:
        console.print(Text(f"not judged: {plain(fault)}", style="red"))


def _moment(value: object) -> str:
    return moment(value if isinstance(value, datetime) else None)


def print_explained(rule: Rule, events: Sequence[Explained], console: Console) -> None:
    """Each part of the rule and whether it held, an event at a time."""
    console.print(Text(f"{plain(rule.title)}  {rule.uid}", style="bold"))
    for one in events:
        verdict = (
            Text("fires", style="bold green")
            if one.fires
            else Text("does not fire", style="yellow")
        )
        console.print(Text(f"\n{plain(one.event)}  {plain(one.log)}  ", style="dim") + verdict)
        if one.trace is None:
            console.print(Text(f"   the rule reads {rule.source}, not this log", style="dim"))
            continue
        for depth, part in one.trace.lines():
            mark = Text("✓ " if part.held else "✗ ", style="green" if part.held else "red")
            line = Text("   " * (depth + 1)) + mark + Text(plain(part.asked, 240))
            if part.value:
                line.append(f"  {plain(part.value, 240)}", style="dim")
            if part.failed:
                line.append(f"  and {part.failed:,} that did not hold", style="dim")
            console.print(line, soft_wrap=True)


def print_coverage(counts: Counter[str], console: Console) -> None:
    """Techniques that rules name, tactic by tactic."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("tactic")
    for name in ("named", "of", "", "rules"):
        table.add_column(name, justify="right" if name else "left")
    for tactic, named, known, rules in by_tactic(counts):
        bar = "█" * round(20 * named / known) if known else ""
        table.add_row(
            tactic.title, f"{named:,}", f"{known:,}", Text(bar, style="cyan"), f"{rules:,}"
        )
    console.print(table)


SHOWN_FILES = 5
"""Files of each kind that an update names."""


def print_update(done: RuleUpdate, console: Console, *, dry_run: bool = False) -> None:
    """What an update changed, and what of the tree cannot be compiled."""
    for word, style, names in (
        ("added", "green", done.added),
        ("changed", "yellow", done.changed),
        ("removed", "red", done.removed),
    ):
        for name in names[:SHOWN_FILES]:
            console.print(Text(f"{word:>8}  ", style=style) + Text(plain(name)), soft_wrap=True)
        if len(names) > SHOWN_FILES:
            console.print(Text(f"{'':>8}  … and {len(names) - SHOWN_FILES:,} more", style="dim"))
    for refusal in done.refused[:SHOWN_FILES]:
        said = plain(f"{refusal.path}:{refusal.line}: {refusal.reason}", 400)
        console.print(Text(f"{'refused':>8}  ", style="yellow") + Text(said), soft_wrap=True)
    verb = "would be" if dry_run else "are"
    console.print(
        Text(
            f"{count(done.rules, 'rule')} {verb} installed as {done.name}: "
            f"{count(len(done.added), 'file')} added, {len(done.changed):,} changed, "
            f"{len(done.removed):,} removed, {done.same:,} the same; "
            f"{count(len(done.refused), 'rule')} refused",
            style="dim",
        )
    )


def print_trial(trial: Trial, console: Console) -> None:
    """What a suppression would have hidden of the past."""
    made = trial.suppression
    console.print(Text(f"{plain(trial.rule.title)}  {trial.rule.uid[:8]}", style="bold"))
    console.print(
        Text(
            f"   until {moment(made.until)}, {plain(made.owner)}: {plain(made.reason)}", style="dim"
        )
    )
    total = trial.hidden + trial.kept
    style = "yellow" if trial.hidden == total else ""
    said = f"   would have hidden {trial.hidden:,} of {count(total, 'firing')}"
    where = ", ".join(plain(one.partition(":")[2], 60) for one in trial.places[:SHOWN_FILES])
    console.print(Text(said + (f", on {where}" if where else ""), style=style))
    for incident in trial.incidents[:SHOWN_FILES]:
        line = f"   {percent(incident.probability)}  {plain(incident.title, 160)}"
        console.print(Text(f"{line}  {incident.uid[:8]} rests on one of them", style="red"))
    if len(trial.incidents) > SHOWN_FILES:
        console.print(Text(f"   … and {len(trial.incidents) - SHOWN_FILES:,} more incidents"))
    if not trial.hidden:
        console.print(Text("   nothing of this home would have been hidden", style="dim"))


def print_suppressions(
    found: Sequence[tuple[Suppression, int]],
    titles: Mapping[str, str],
    now: datetime,
    console: Console,
) -> None:
    """Every suppression, those that have expired dimmed."""
    for made, hidden in found:
        expired = made.until <= now
        style = "dim" if expired else ""
        title = plain(titles.get(made.rule, "a rule that is gone"), 120)
        console.print(Text(f"{made.uid}  {title}  {made.rule[:8]}", style=style or "bold"))
        end = "expired" if expired else "until"
        told = f"   {end} {moment(made.until)}, {plain(made.owner)}: {plain(made.reason)}"
        console.print(Text(told, style=style))
        tests = {key: value for key, value in made.detection.items() if key != "condition"}
        console.print(Text(f"   {plain(tests, 240)}  hid {count(hidden, 'firing')}", style="dim"))
    console.print(Text(count(len(found), "suppression"), style="dim"))
