"""Find an incident or a finding again, with the evidence it rests on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from hauberk.errors import UsageError
from hauberk.store import Home
from hauberk.triage import Incident

from .evidence import evidence_of
from .incidents import load_incident
from .surrounding import ALERTS_SCHEMA, alerts_around


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident with its findings (FINDING_SCHEMA) and their events by metadata.uid.

    `alerts` (ALERTS_SCHEMA) are what other products said of its hosts about its time.
    """

    incident: Incident
    findings: pl.DataFrame
    evidence: Mapping[str, Mapping[str, object]]
    alerts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ALERTS_SCHEMA))


@dataclass(frozen=True, slots=True)
class FindingView:
    """One finding (a row of FINDING_SCHEMA), its events, and the incidents it is part of."""

    finding: Mapping[str, object]
    evidence: Mapping[str, Mapping[str, object]]
    incidents: Sequence[Incident]


def look_up(home_path: Path, reference: str) -> IncidentView | FindingView:
    """What the reference (a uid, the start of one, or an incident's rank such as `1`) names.

    Raises UsageError where it names nothing, or more than one thing.
    """
    with Home.open(home_path, read_only=True) as home:
        incidents = [load_incident(one) for one in home.records.incidents()]
        incidents.sort(key=lambda one: (-one.probability, -one.severity_id, one.start, one.uid))
        if reference.isdecimal() and len(reference) < 6 and 0 < int(reference) <= len(incidents):
            found = [incidents[int(reference) - 1]]
        else:
            found = [one for one in incidents if one.uid.startswith(reference)]
        findings = home.records.findings()
        if not found:
            return _finding(home, findings, reference, incidents)
        if len(found) > 1:
            raise UsageError(
                f"{len(found)} incidents begin with {reference!r}", hint="Give more of the uid"
            )
        mine = findings.filter(pl.col("uid").is_in(list(found[0].findings))).sort("time", "uid")
        evidence = evidence_of(home, found, mine)
        return IncidentView(found[0], mine, evidence, alerts_around(home, found[0]))


def _finding(
    home: Home, findings: pl.DataFrame, reference: str, incidents: Sequence[Incident]
) -> FindingView:
    matches = findings.filter(pl.col("uid").str.starts_with(reference))
    if matches.is_empty():
        raise UsageError(
            f"no incident or finding of this home begins with {reference!r}",
            hint="`hauberk scan` prints the uids of incidents, `hauberk show INCIDENT` those of"
            " findings; --home names another home",
        )
    if matches.height > 1:
        raise UsageError(
            f"{matches.height} findings begin with {reference!r}", hint="Give more of the uid"
        )
    row = matches.row(0, named=True)
    holding = [one for one in incidents if row["uid"] in one.findings]
    return FindingView(row, evidence_of(home, holding, matches), holding)
