"""Floor 7: a scan as people and machines read it."""

from .answers import cell, print_answer, print_tables, write_csv, write_rows
from .graph import HEIGHT, WIDTH, Graph, draw
from .html import EvidenceRow, evidence_row, page_style, weight_bars, write_html
from .hunting import CATALOGUE, Answer, Bounds, Column, Described, Question, Value, ask
from .labels import (
    print_proposals,
    print_quality,
    quality_json,
    write_label_lines,
    write_labels,
)
from .lines import finding_line, incident_line, pace_line
from .measures import Measures, Times, measure, print_measures
from .models import (
    as_facts,
    decision_lines,
    different,
    judged_at,
    lineage,
    listed,
    number,
    people_lines,
    policy_lines,
    risk_lines,
    shown,
    when,
)
from .navigator import coverage
from .navigator import layer as navigator_layer
from .ocsf import write_findings, write_incidents, write_json, write_view
from .rules import (
    print_coverage,
    print_explained,
    print_hunt,
    print_rules,
    print_suppressions,
    print_trial,
    print_update,
)
from .terminal import print_scan
from .views import print_finding, print_incident, print_replay, print_verification
from .words import bits, count, entity_phrases, moment, percent, plain, span, tactic_titles

__all__ = [
    "CATALOGUE",
    "HEIGHT",
    "WIDTH",
    "Answer",
    "Bounds",
    "Column",
    "Described",
    "EvidenceRow",
    "Graph",
    "Measures",
    "Question",
    "Times",
    "Value",
    "as_facts",
    "ask",
    "bits",
    "cell",
    "count",
    "coverage",
    "decision_lines",
    "different",
    "draw",
    "entity_phrases",
    "evidence_row",
    "finding_line",
    "incident_line",
    "judged_at",
    "lineage",
    "listed",
    "measure",
    "moment",
    "navigator_layer",
    "number",
    "pace_line",
    "page_style",
    "people_lines",
    "percent",
    "plain",
    "policy_lines",
    "print_answer",
    "print_coverage",
    "print_explained",
    "print_finding",
    "print_hunt",
    "print_incident",
    "print_measures",
    "print_proposals",
    "print_quality",
    "print_replay",
    "print_rules",
    "print_scan",
    "print_suppressions",
    "print_tables",
    "print_trial",
    "print_update",
    "print_verification",
    "quality_json",
    "risk_lines",
    "shown",
    "span",
    "tactic_titles",
    "weight_bars",
    "when",
    "write_csv",
    "write_findings",
    "write_html",
    "write_incidents",
    "write_json",
    "write_label_lines",
    "write_labels",
    "write_rows",
    "write_view",
]
