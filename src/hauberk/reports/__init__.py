"""Floor 6: a scan as people and machines read it."""

from .html import write_html
from .lines import finding_line, incident_line, pace_line
from .models import (
    as_facts,
    decision_lines,
    different,
    judged_at,
    lineage,
    listed,
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
from .words import plain

__all__ = [
    "as_facts",
    "coverage",
    "decision_lines",
    "different",
    "finding_line",
    "incident_line",
    "judged_at",
    "lineage",
    "listed",
    "navigator_layer",
    "pace_line",
    "people_lines",
    "plain",
    "policy_lines",
    "print_coverage",
    "print_explained",
    "print_finding",
    "print_hunt",
    "print_incident",
    "print_replay",
    "print_rules",
    "print_scan",
    "print_suppressions",
    "print_trial",
    "print_update",
    "print_verification",
    "risk_lines",
    "shown",
    "when",
    "write_findings",
    "write_html",
    "write_incidents",
    "write_json",
    "write_view",
]
