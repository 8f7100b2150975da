"""`show`, `verify` and `replay` on the terminal."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hauberk.events import EventClass, class_tables, technique_name
from hauberk.pipeline import FindingView, IncidentView, Replay
from hauberk.store import VerifyReport
from hauberk.triage import Incident

from .words import bits, count, entity_phrases, moment, percent, plain, span, tactic_titles

SHOWN_EVENTS = 5
"""Events of evidence that are printed for each finding of a timeline."""

SHOWN_ALERTS = 40
"""Kinds of alerts of other products that are printed, the rarest."""

_TELLING = (
    "process.cmd_line", "process.file.path", "process.parent_process.file.path", "actor.user.name",
    "user.name", "src_endpoint.ip", "dst_endpoint.ip", "dst_endpoint.port", "query.hostname",
    "http_request.url.hostname", "http_request.url.path", "file.path", "module.file.path",
    "reg_key.path", "reg_value.name", "reg_value.data", "win_service.name", "win_service.cmd_line",
    "job.name", "job.cmd_line", "script.content", "api.operation", "finding_info.title", "message",
)  # fmt: skip
"""Columns that say most about an event, in the order they are read in."""


def print_incident(view: IncidentView, console: Console) -> None:
    """The full timeline of an incident, with the evidence and where each record lies."""
    one = view.incident
    console.print(Text(f"{plain(one.title)}  {one.uid}", style="bold"))
    where = [span(one.start, one.end), *entity_phrases(one.entities, each=8)]
    console.print(Text(" · ".join(where), style="dim"))
    console.print(Text(plain(one.narrative, 6000)))
    console.print(_sum(view))
    if one.tactics:
        console.print(Text("Tactics     " + " → ".join(tactic_titles(one.tactics))))
    console.print(Text("Techniques  " + ", ".join(_techniques(one.techniques[:12]))))
    worth = {reason.finding_uid: reason.bits for reason in one.reasons}
    console.print(Text("\nTimeline", style="bold"))
    for row in view.findings.iter_rows(named=True):
        head = Text(f"{moment(row['time'])}  ", style="cyan")
        head.append(plain(row["message"] or row["title"], 300), style="bold")
        head.append(f"  {row['uid'][:8]}", style="dim")
        if row["uid"] in worth:
            head.append(f"  {bits(worth[row['uid']])}", style="cyan")
        elif row["uid"] in one.context:
            head.append("  context", style="dim")
        console.print(head)
        _print_events(row["evidence"] or (), view.evidence, console, SHOWN_EVENTS)
    _print_alerts(view, console)


def _print_alerts(view: IncidentView, console: Console) -> None:
    """What other products said around the incident, rarest first; it counts for nothing."""
    if view.alerts.is_empty():
        return
    title = "\nAlerts of other products on these hosts, a day before to a day after (no evidence)"
    console.print(Text(title, style="bold"))
    kinds = (
        view.alerts.group_by("product", "title")
        .agg(pl.col("count").sum(), pl.col("first").min(), pl.col("host").unique().sort())
        .sort("count", "first", "product", "title")
    )
    for row in kinds.head(SHOWN_ALERTS).iter_rows(named=True):
        line = Text(f"{moment(row['first'])}  ", style="cyan")
        line.append(f"{plain(row['product'])}: {plain(row['title'], 200)}")
        hosts = plain(", ".join(row["host"]), 120)
        line.append(f"  {count(row['count'], 'alert')} on {hosts}", style="dim")
        console.print(line)
    hidden = kinds.height - SHOWN_ALERTS
    if hidden > 0:
        console.print(Text(f"{count(hidden, 'kind')} more", style="dim"))


def _sum(view: IncidentView) -> Text:
    """The arithmetic of the probability."""
    one = view.incident
    reasons = sum(reason.bits for reason in one.reasons)
    total = one.prior_bits + one.tactic_bits + reasons
    return Text(
        f"Probability {percent(one.probability)} = prior {bits(one.prior_bits)}, "
        f"{count(len(one.reasons), 'reason')} {bits(reasons)}, tactics {bits(one.tactic_bits)}; "
        f"together {bits(total)}{_people(one)}",
        style="dim",
    )


def _people(one: Incident) -> str:
    """What people's verdicts changed of it."""
    said = [f"{plain(why.text)} ({bits(why.bits)})" for why in one.reasons if not why.finding_uid]
    return "".join(f"; {text}" for text in said)


def _techniques(techniques: Iterable[str]) -> list[str]:
    return [f"{plain(one)} {technique_name(one)}" for one in techniques]


def print_finding(view: FindingView, console: Console) -> None:
    """Every reason of a finding with its numbers, and its evidence."""
    row = view.finding
    console.print(Text(f"{plain(row['title'])}  {row['uid']}", style="bold"))
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    start, end = row["time"], row["end_time"]
    if isinstance(start, datetime) and isinstance(end, datetime):
        table.add_row("when", Text(span(start, end)))
    table.add_row("says", Text(plain(row["message"], 1000)))
    detector = f"{row['detector']} {row['detector_version']}, {row['kind']} {row['rule_uid']}"
    table.add_row("by", Text(plain(detector)))
    table.add_row("about", Text(" · ".join(entity_phrases(_texts(row["entities"]), each=8))))
    table.add_row("techniques", Text(", ".join(_techniques(_texts(row["techniques"])))))
    table.add_row("surprise", Text(f"p = {row['surprise']:.3g} as the detector says it"))
    table.add_row("events", Text(f"{row['count']:,}"))
    for incident in view.incidents:
        share = {one.finding_uid: one.bits for one in incident.reasons}.get(str(row["uid"]), 0.0)
        table.add_row(
            "incident", Text(f"{incident.uid[:8]} {plain(incident.title)}: {bits(share)}")
        )
    console.print(table)
    reasons = row["reasons"]
    if isinstance(reasons, list) and reasons:
        console.print(Text("\nReasons", style="bold"))
        for reason in reasons:
            weight = f"{bits(reason['bits']):>10}  " if reason["bits"] is not None else " " * 12
            line = Text(weight, style="cyan") + Text(plain(reason["text"], 300))
            if reason["value"]:
                line.append(f"  {plain(reason['value'], 300)}", style="dim")
            console.print(line)
    console.print(Text("\nEvidence", style="bold"))
    _print_events(_texts(row["evidence"]), view.evidence, console, len(view.evidence))


def _print_events(
    uids: Iterable[str],
    evidence: Mapping[str, Mapping[str, object]],
    console: Console,
    limit: int,
) -> None:
    events = [evidence[uid] for uid in uids if uid in evidence]
    for event in events[:limit]:
        told = [f"{name}={plain(event[name], 160)}" for name in _TELLING if name in event][:5]
        kind = class_tables()[EventClass(_number(event["class_uid"]))].name
        console.print(Text(f"    {_when(event)}  {kind}: ", style="dim") + Text("  ".join(told)))
        place = (
            f"    {plain(event.get('record.source'))} at byte "
            f"{_number(event.get('record.offset')):,}, {_number(event.get('record.length')):,} long"
        )
        console.print(Text(place, style="dim"), soft_wrap=True)
    if len(events) > limit:
        console.print(Text(f"    … and {count(len(events) - limit, 'more event')}", style="dim"))


def _when(event: Mapping[str, object]) -> str:
    time = event.get("time")
    return moment(time if isinstance(time, datetime) else None)


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else []


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def print_verification(report: VerifyReport, console: Console) -> None:
    """Print what was checked, and every fault by name."""
    checked = ", ".join(f"{number:,} {plain(what)}" for what, number in report.counts.items())
    console.print(Text(f"Checked {checked} of {plain(report.home)}"), soft_wrap=True)
    if report.interrupted is not None:
        console.print(
            Text(
                f"Commit {report.interrupted} was under way; what it had written does not count and"
                " is taken away when the home is next opened for writing.",
                style="yellow",
            )
        )
    if report.ok:
        console.print(Text("Everything is as it was committed.", style="bold green"))
        return
    console.print(Text(f"{count(len(report.faults), 'fault')}:", style="bold red"))
    for fault in report.faults:
        console.print(Text(f"  {plain(fault, 600)}", style="red"))


def print_replay(done: Replay, console: Console) -> None:
    """Each comparison, then the verdict."""
    console.print(Text(f"{plain(done.finding['title'])}  {done.finding['uid']}", style="bold"))
    for one in done.comparisons:
        mark = Text(
            "  same       " if one.same else "  different  ", style="green" if one.same else "red"
        )
        console.print(
            mark + Text(f"{plain(one.what)}: ", style="dim") + Text(plain(one.detail, 300))
        )
    if done.same:
        console.print(Text("The same to the bit.", style="bold green"))
    else:
        console.print(Text("Not the same.", style="bold red"))
