"""What `show` prints of an incident."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import polars as pl
from rich.console import Console

from hauberk.events import FindingKind, finding_uid, findings_frame
from hauberk.pipeline import IncidentView
from hauberk.reports import print_incident
from hauberk.triage import triage

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def finding(title: str, hours: float, p: float) -> dict[str, object]:
    time = NOON + timedelta(hours=hours)
    return {
        "uid": finding_uid("test", title), "time": time, "end_time": time, "detector": "test",
        "detector_version": "1", "kind": FindingKind.RULE, "rule_uid": title, "title": title,
        "message": title, "severity_id": 3, "techniques": [], "entities": ["host:mail"],
        "evidence": [f"e:{title}"], "count": 1, "surprise": p, "reasons": [],
    }  # fmt: skip


def printed(alerts: list[tuple[str, str, str, int]]) -> str:
    findings = findings_frame(
        [finding("dump", 0, 1e-6), finding("lock", 1, 1e-6), finding("stop", -20, 0.3)]
    )
    made = triage(findings, pl.DataFrame(schema={"host": pl.String, "day": pl.Date}))
    empty = IncidentView(made.incidents[0], made.findings.sort("time"), {}).alerts
    rows = [(*one, NOON, NOON) for one in alerts]
    around = pl.DataFrame(rows, schema=empty.schema, orient="row")
    text = StringIO()
    console = Console(file=text, width=160)
    print_incident(IncidentView(made.incidents[0], made.findings.sort("time"), {}, around), console)
    return text.getvalue()


def test_what_counts_for_nothing_is_called_context() -> None:
    lines = [line.strip() for line in printed([]).splitlines()]
    assert [line.rsplit("  ", 1)[-1] for line in lines if "  stop  " in line] == ["context"]
    assert [line.endswith("context") for line in lines if "  dump  " in line] == [False]


def test_alerts_around_an_incident_are_listed_by_title_and_the_rarest_first() -> None:
    text = printed(
        [
            ("Wazuh", "Update", "mail", 90),
            ("AMiner", "Stopped", "mail", 1),
            ("AMiner", "Stopped", "vpn", 1),
        ]
    )
    assert "AMiner: Stopped  2 alerts on mail, vpn" in text
    assert "Wazuh: Update  90 alerts on mail" in text
    assert text.index("Stopped") < text.index("Update")


def test_where_no_product_said_anything_nothing_is_listed() -> None:
    assert "other products" not in printed([])
