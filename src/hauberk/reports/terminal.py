"""A scan on the terminal: what was read, then the incidents, best first."""

from pathlib import Path

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hauberk.pipeline import Accounting, Scan
from hauberk.triage import Incident

from .words import bits, count, entity_phrases, percent, plain, span, tactic_titles

SHOWN_BELOW = 3
"""Incidents below the budget that are listed, a line each."""

SHOWN_UNREAD = 8


def print_scan(scan: Scan, console: Console, *, html: Path | None = None) -> None:
    """Print the whole answer to people."""
    console.print(_read(scan.accounting))
    console.print(_judged(scan))
    if not scan.above:
        console.print(Text("\nNo incident within the budget.", style="bold green"))
    for place, incident in enumerate(scan.incidents, start=1):
        if incident.above_budget:
            console.print(_incident(place, incident))
    _print_below(scan, console)
    if scan.incidents:
        uid = scan.incidents[0].uid[:8]
        home = f" --home {scan.options.home}"
        console.print(Text(f"\nNext: hauberk show {uid}{home}", style="dim"), soft_wrap=True)
    if html:
        console.print(Text(f"Report: {html.resolve()}"), soft_wrap=True)


def _read(accounting: Accounting) -> Group:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("format")
    for name in ("files", "records", "events", "aggregated", "rejected"):
        table.add_column(name, justify="right")
    for one in accounting.formats:
        rejected = Text(f"{one.rejected:,}", style="yellow" if one.rejected else "")
        table.add_row(
            one.format, f"{one.files:,}", f"{one.records:,}", f"{one.events:,}",
            f"{one.aggregated:,}", rejected,
        )  # fmt: skip
    lines: list[Text | Table] = [Text("Read", style="bold"), table] if accounting.formats else []
    if accounting.first and accounting.last:
        lines.append(Text(f"Time span {span(accounting.first, accounting.last)}", style="dim"))
    if accounting.known:
        lines.append(
            Text(f"{count(accounting.known, 'record')} had been stored before", style="dim")
        )
    for reason, number in list(accounting.reasons.items())[:3]:
        lines.append(Text(f"rejected {number:,}: {plain(reason, 160)}", style="yellow"))
    lines.extend(
        Text(f"not read  {plain(unread.path)}: {plain(unread.reason)}", style="yellow")
        for unread in accounting.unread[:SHOWN_UNREAD]
    )
    if len(accounting.unread) > SHOWN_UNREAD:
        more = len(accounting.unread) - SHOWN_UNREAD
        lines.append(
            Text(f"not read  {count(more, 'more input')} (--html lists 100)", style="yellow")
        )
    return Group(*lines)


def _judged(scan: Scan) -> Text:
    total = sum(scan.seconds.get(stage, 0.0) for stage in ("read", "judge", "triage"))
    rate = scan.accounting.records / scan.seconds["read"] if scan.seconds.get("read") else 0
    text = Text("\nJudged", style="bold")
    text.append(
        f" by {count(scan.rules, 'rule')} and {count(len(scan.detectors) - 1, 'detector')}"
        f" in {total:.1f} s",
        style="not bold",
    )
    if scan.accounting.records > 10_000:
        text.append(f" ({rate:,.0f} records/s read)", style="not bold dim")
    if scan.refused:
        first = scan.refused[0]
        text.append(
            f"\n{count(len(scan.refused), 'rule')} refused, the first: {plain(first.path)}:"
            f" {plain(first.reason)}",
            style="not bold yellow",
        )
    if scan.suppressed:
        text.append(
            f"\n{count(scan.suppressed, 'firing')} kept out of incidents by suppressions"
            " (`hauberk rules suppressions`)",
            style="not bold yellow",
        )
    if scan.faults:
        text.append(
            f"\n{count(len(scan.faults), 'fault')} of detectors and models, the first:"
            f" {plain(scan.faults[0])}",
            style="not bold red",
        )
    return text


def _incident(place: int, incident: Incident) -> Group:
    head = Text(f"\n{place}  ", style="bold")
    head.append(percent(incident.probability), style=_heat(incident.probability))
    head.append(f"  {plain(incident.title, 200)}", style="bold")
    head.append(f"  {incident.uid[:8]}", style="not bold dim")
    where = " · ".join([span(incident.start, incident.end), *entity_phrases(incident.entities)])
    body: list[Text] = [Text(where, style="dim"), Text(plain(incident.narrative, 4000))]
    if incident.tactics:
        body.append(
            Text("Tactics  ", style="dim") + Text(" → ".join(tactic_titles(incident.tactics)))
        )
    body.extend(
        Text(f"{bits(reason.bits):>10}  ", style="cyan") + Text(plain(reason.text, 240))
        for reason in incident.reasons[:3]
    )
    return Group(head, Padding(Group(*body), (0, 0, 0, 3)))


def _print_below(scan: Scan, console: Console) -> None:
    below = [one for one in scan.incidents if not one.above_budget]
    if not below:
        return
    console.print(
        Text(
            f"\n{count(len(below), 'cluster')} of findings below the budget of "
            f"{scan.options.budget:g} a day; their probabilities add up to "
            f"{scan.expected_misses:.2f} incidents that it may have cost.",
            style="dim",
        )
    )
    for place, incident in enumerate(scan.incidents, start=1):
        if not incident.above_budget and place <= len(scan.above) + SHOWN_BELOW:
            line = f"{place}  {percent(incident.probability)}  {plain(incident.title, 160)}"
            console.print(Text(f"{line}  {incident.uid[:8]}", style="dim"))


def _heat(probability: float) -> str:
    if probability >= 0.9:
        return "bold red"
    return "bold yellow" if probability >= 0.5 else "bold"
