"""A scan as one page that opens offline, asks for nothing, and runs no script but its own."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import TextIO

import jinja2
from markupsafe import Markup

from hauberk import __version__
from hauberk.events import EventClass, Tactic, class_tables, technique_name, techniques
from hauberk.pipeline import Scan
from hauberk.triage import Incident

from .graph import HEIGHT, WIDTH, draw
from .words import bits, count, entity_phrases, moment, percent, plain, span, tactic_titles

MAX_FINDINGS = 200
"""Findings of an incident's timeline that the page holds; all are in the JSON."""

MAX_EVENTS = 10
"""Events of evidence that the page holds for each finding."""

MAX_INCIDENTS = 100
MAX_REASONS = 12

_SKIPPED = ("metadata.uid", "record.", "class_uid", "time", "raw_data", "day", "commit")


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One event as the page shows it."""

    uid: str
    time: str
    kind: str
    fields: list[tuple[str, str]]
    source: str
    offset: int
    length: int
    raw: str


def page_style() -> str:
    """The style sheet of the page, which other pages of the family begin with."""
    return resources.files(__package__).joinpath("page", "page.css").read_text("utf-8")


def write_html(scan: Scan, stream: TextIO) -> None:
    """Write the page. Everything from telemetry is escaped; the content policy forbids the rest."""
    stream.write(render_html(scan))


def render_html(scan: Scan) -> str:
    """The page's text."""
    page = resources.files(__package__).joinpath("page")
    style = page_style()
    script = page.joinpath("page.js").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(lambda name: page.joinpath(name).read_text("utf-8")),
    )
    environment.filters.update(
        bits=bits, percent=percent, plain=plain, moment=moment, technique=technique_name,
        phrases=entity_phrases, tactics=tactic_titles,
    )  # fmt: skip
    rows = {str(row["uid"]): row for row in scan.findings.iter_rows(named=True)}
    shown = list(scan.incidents[:MAX_INCIDENTS])
    text: str = environment.get_template("page.html.j2").render(
        scan=scan,
        accounting=scan.accounting,
        version=__version__,
        # Both are files of this package; nothing of a scan is in them.
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        policy=_policy(style, script),
        incidents=shown,
        hidden=len(scan.incidents) - len(shown),
        timelines={one.uid: list(_timeline(one, rows, scan.evidence)) for one in shown},
        graphs={one.uid: draw(one.links) for one in shown},
        bars={one.uid: weight_bars(one) for one in shown},
        matrix=_matrix(shown),
        span=span,
        count=count,
        width=WIDTH,
        height=HEIGHT,
        max_findings=MAX_FINDINGS,
    )
    return text


def _policy(style: str, script: str) -> str:
    """A content security policy that allows this page's own style and script, and nothing else."""
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (style, script)
    ]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _timeline(
    incident: Incident,
    rows: Mapping[str, Mapping[str, object]],
    evidence: Mapping[str, Mapping[str, object]],
) -> Iterator[dict[str, object]]:
    worth = {one.finding_uid: one.bits for one in incident.reasons}
    chosen = incident.findings
    if len(chosen) > MAX_FINDINGS:
        telling = sorted(chosen, key=lambda uid: -worth.get(uid, 0.0))[:MAX_FINDINGS]
        chosen = [uid for uid in chosen if uid in set(telling)]
    for uid in chosen:
        row = rows.get(uid)
        if row is None:
            continue
        uids = row["evidence"] if isinstance(row["evidence"], list) else []
        yield {
            "row": row,
            "bits": worth.get(uid),
            "events": [evidence_row(evidence[one]) for one in uids[:MAX_EVENTS] if one in evidence],
        }


def evidence_row(event: Mapping[str, object]) -> EvidenceRow:
    """An event by column name, as a page shows it."""
    time = event.get("time")
    class_uid = event.get("class_uid")
    offset, length = event.get("record.offset"), event.get("record.length")
    return EvidenceRow(
        uid=str(event.get("metadata.uid")),
        time=moment(time if isinstance(time, datetime) else None),
        kind=class_tables()[EventClass(class_uid if isinstance(class_uid, int) else 0)].name,
        fields=[
            (name, plain(value, 600))
            for name, value in event.items()
            if not name.startswith(_SKIPPED)
        ],
        source=plain(event.get("record.source")),
        offset=offset if isinstance(offset, int) else 0,
        length=length if isinstance(length, int) else 0,
        raw=plain(event.get("raw_data") or b"", 4000),
    )


def weight_bars(incident: Incident) -> list[dict[str, object]]:
    """The parts of the log odds as bars: width in per cent of the largest part."""
    parts = [("Prior: how seldom a cluster of findings is an incident", incident.prior_bits)]
    parts += [(plain(one.text, 300), one.bits) for one in incident.reasons[:MAX_REASONS]]
    rest = sum(one.bits for one in incident.reasons[MAX_REASONS:])
    if rest:
        more = len(incident.reasons) - MAX_REASONS
        parts.append((f"{count(more, 'reason')} of less weight", rest))
    if incident.tactic_bits:
        parts.append(("Progress along tactics", incident.tactic_bits))
    largest = max(abs(value) for _, value in parts) or 1.0
    return [
        {"text": text, "bits": value, "width": round(abs(value) / largest * 100, 1)}
        for text, value in parts
    ]


def _matrix(incidents: list[Incident]) -> list[tuple[str, list[dict[str, object]]]]:
    """ATT&CK coverage of what was seen: by tactic, each technique and its number of incidents."""
    named: dict[str, int] = {}
    for incident in incidents:
        for technique in incident.techniques:
            named[technique] = named.get(technique, 0) + 1
    known = techniques()
    columns = []
    for tactic in Tactic:
        cells: list[dict[str, object]] = [
            {"id": one, "name": technique_name(one), "incidents": number}
            for one, number in sorted(named.items())
            if one in known and tactic in known[one].tactics
        ]
        columns.append((tactic.title, cells))
    return columns
