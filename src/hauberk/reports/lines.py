"""Findings and incidents of a watch, a line each."""

from collections.abc import Mapping
from datetime import datetime

from rich.text import Text

from hauberk.pipeline import Pace
from hauberk.triage import Incident

from .words import count, entity_phrases, moment, percent, plain

_LEVELS = {
    1: ("info", "dim"),
    2: ("low", "cyan"),
    3: ("medium", "yellow"),
    4: ("high", "red"),
    5: ("critical", "bold red"),
}


def finding_line(row: Mapping[str, object]) -> Text:
    """A finding (a row of FINDING_SCHEMA): when, how grave, what."""
    severity = row["severity_id"]
    word, style = _LEVELS.get(severity if isinstance(severity, int) else 0, ("", ""))
    time = row["time"]
    line = Text(moment(time if isinstance(time, datetime) else None), style="dim")
    line.append(f"  {word:<8}  ", style=style)
    line.append(plain(row["message"], 300))
    line.append(f"  {str(row['uid'])[:8]}", style="dim")
    return line


def incident_line(incident: Incident) -> Text:
    """An incident: how likely, what, of whom."""
    line = Text("INCIDENT  ", style="bold red")
    line.append(f"{percent(incident.probability)}  {plain(incident.title, 200)}", style="bold")
    line.append("  " + " · ".join(entity_phrases(incident.entities)), style="dim")
    line.append(f"  {incident.uid[:8]}", style="dim")
    return line


def pace_line(pace: Pace, rate: int) -> str:
    """How a watch keeps up."""
    newest = f", newest event {moment(pace.newest)}" if pace.newest else ""
    behind = f", {pace.behind / 1e6:,.1f} MB behind" if pace.behind else ""
    return (
        f"{count(pace.records, 'record')} ({rate:,}/s){behind}, "
        f"{count(pace.findings, 'finding')}{newest}{_sources_said(pace)}"
    )


def _sources_said(pace: Pace) -> str:
    """Of the sources what is not as it should be; how many there are, where all is well."""
    told = []
    for one in pace.sources:
        wrong = [*one.breaches]
        if one.behind:
            wrong.append(f"{one.behind / 1e6:,.1f} MB behind")
        if one.dropped:
            wrong.append(f"{one.dropped:,} lost")
        if one.fault:
            wrong.append("not reached")
        elif one.lag is not None and one.lag >= 10_000:
            wrong.append(f"{one.lag:,} waiting")
        if wrong:
            told.append(f"{one.name}: {', '.join(wrong)}")
    if told:
        return "; " + "; ".join(told[:4])
    return f", {count(len(pace.sources), 'source')}" if pace.sources else ""
