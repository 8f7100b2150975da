"""Rows that rules fire on, told as findings."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from hauberk.detect.sigma import RuleSet, SigmaDetector, sigma_detector
from hauberk.detect.sigma.rows import RowFields
from hauberk.events import (
    FINDING_SCHEMA,
    MAX_EVIDENCE,
    TIME,
    EventBatch,
    EventClass,
    EventGroup,
    LogKey,
)

START = datetime(2024, 5, 6, 7, 10, tzinfo=UTC)
SYSMON = LogKey("windows", "sysmon", "1")
Compile = Callable[..., RuleSet]
DETECTION = {"sel": {"CommandLine|contains|all": ["del", "shadows"]}, "condition": "sel"}


def group(
    *rows: tuple[str | None, str | None, int, str], key: LogKey = SYSMON, first: int = 0
) -> EventGroup:
    """Rows of (host, user, minutes after the start, command line)."""
    events = pl.DataFrame(
        {
            "time": [START + timedelta(minutes=minutes) for _, _, minutes, _ in rows],
            "metadata.uid": [f"b:{first + i}" for i in range(len(rows))],
            "device.hostname": [host for host, _, _, _ in rows],
            "actor.user.name": [user for _, user, _, _ in rows],
            "process.file.path": ["C:\\x\\cmd.exe" for _ in rows],
        },
        schema_overrides={"time": TIME, "device.hostname": pl.String, "actor.user.name": pl.String},
    )
    fields = RowFields([{"CommandLine": command} for *_, command in rows])
    return EventGroup(key, EventClass.PROCESS_ACTIVITY, events, fields)


def judged(detector: SigmaDetector, *groups: EventGroup) -> list[dict[str, object]]:
    findings, state = detector.judge(EventBatch.from_groups("b", groups), {})
    assert findings.schema == FINDING_SCHEMA
    assert state == {}
    return findings.to_dicts()


def test_a_firing_becomes_a_finding_that_says_what_was_seen(rules_of: Compile) -> None:
    rules = rules_of(DETECTION, tags=["attack.t1490", "attack.impact"], status="stable")
    (finding,) = judged(
        SigmaDetector(rules), group(("H1.corp.local", "ANN", 0, "vssadmin DEL shadows"))
    )
    assert finding["rule_uid"] == rules.rules[0].uid
    assert finding["severity_id"] == 4
    assert finding["techniques"] == ["T1490"]
    assert finding["entities"] == ["host:h1", "user:ann", "process:c:\\x\\cmd.exe"]
    assert finding["evidence"] == ["b:0"]
    assert (finding["count"], finding["time"], finding["end_time"]) == (1, START, START)
    assert finding["surprise"] == pytest.approx(0.002)
    assert finding["message"] == "rule 0 on h1 by ann: CommandLine “vssadmin DEL shadows”"
    reasons = finding["reasons"]
    assert isinstance(reasons, list)
    assert [(r["text"], r["value"]) for r in reasons] == [
        ("CommandLine contains del", "vssadmin DEL shadows"),
        ("CommandLine contains shadows", "vssadmin DEL shadows"),
    ]


def test_findings_join_within_rule_host_user_and_hour_across_groups(rules_of: Compile) -> None:
    detector = SigmaDetector(rules_of(DETECTION))
    bad = "del shadows"
    rows = [("h1", "ann", 0, bad), ("h1", "ann", 40, bad), ("h1", "ann", 55, bad)]
    other = [("h1", "bob", 1, bad), ("h2", "ann", 2, bad), (None, None, 3, bad), ("h1", "x", 3, "")]
    findings = judged(detector, group(*rows), group(*other, first=3), group(rows[0], first=9))
    assert [(f["entities"], f["count"], f["evidence"]) for f in findings] == [
        (["host:h1", "user:ann", "process:c:\\x\\cmd.exe"], 3, ["b:0", "b:9", "b:1"]),
        (["host:h1", "user:bob", "process:c:\\x\\cmd.exe"], 1, ["b:3"]),
        (["host:h2", "user:ann", "process:c:\\x\\cmd.exe"], 1, ["b:4"]),
        (["process:c:\\x\\cmd.exe"], 1, ["b:5"]),
        (["host:h1", "user:ann", "process:c:\\x\\cmd.exe"], 1, ["b:2"]),
    ]
    assert findings[0]["end_time"] == START + timedelta(minutes=40)
    assert len({str(f["uid"]) for f in findings}) == len(findings)


def test_evidence_is_bounded_and_the_count_is_not(rules_of: Compile) -> None:
    rows = [("h", "u", 0, "del shadows")] * (MAX_EVIDENCE + 25)
    (finding,) = judged(SigmaDetector(rules_of(DETECTION)), group(*rows))
    evidence = finding["evidence"]
    assert isinstance(evidence, list)
    assert (len(evidence), finding["count"]) == (MAX_EVIDENCE, MAX_EVIDENCE + 25)


def test_the_same_batch_yields_the_same_findings(rules_of: Compile) -> None:
    detector = SigmaDetector(rules_of(DETECTION))
    batch = group(("h", "u", 0, "del shadows"), ("h", "v", 0, "del shadows"))
    assert judged(detector, batch) == judged(detector, batch)


def test_events_without_the_usual_columns_are_judged_too(rules_of: Compile) -> None:
    fields = RowFields([{"CommandLine": "del shadows"}])
    bare = EventGroup(SYSMON, EventClass.BASE_EVENT, pl.DataFrame({"message": ["x"]}), fields)
    (finding,) = judged(SigmaDetector(rules_of(DETECTION)), bare)
    assert finding["evidence"] == ["b:0:0"]
    assert finding["entities"] == []


def test_nothing_found_is_an_empty_frame(rules_of: Compile) -> None:
    detector = SigmaDetector(rules_of(DETECTION))
    assert judged(detector, group(("h", "u", 0, "dir"))) == []
    assert judged(detector) == []


@pytest.mark.parametrize(
    ("level", "status", "severity", "surprise"),
    [
        ("informational", "stable", 1, 0.5),
        ("low", "stable", 2, 0.1),
        ("medium", "stable", 3, 0.02),
        ("critical", "stable", 5, 0.0002),
        ("critical", "experimental", 5, 0.0002 * 10**0.5),
        ("informational", "experimental", 1, 0.9),
    ],
)
def test_level_and_status_set_severity_and_prior(
    rules_of: Compile, level: str, status: str, severity: int, surprise: float
) -> None:
    rules = rules_of(DETECTION, level=level, status=status)
    (finding,) = judged(SigmaDetector(rules), group(("h", "u", 0, "del shadows")))
    assert finding["severity_id"] == severity
    assert finding["surprise"] == pytest.approx(surprise)


def test_reasons_come_from_the_fields_of_the_log_that_was_read(rules_of: Compile) -> None:
    rules = rules_of(
        {"sel": {"Image|endswith": ["b.exe", "a.exe"]}, "no": {"User": "x"},
         "condition": "sel and not no"}
    )  # fmt: skip
    events = pl.DataFrame({"time": [START]}, schema_overrides={"time": TIME})
    fields = RowFields([{"NewProcessName": "C:\\" + "a" * 300 + "\\a.exe"}])
    key = LogKey("windows", "security", "4688")
    (finding,) = judged(
        SigmaDetector(rules), EventGroup(key, EventClass.PROCESS_ACTIVITY, events, fields)
    )
    reasons = finding["reasons"]
    assert isinstance(reasons, list)
    assert [reason["text"] for reason in reasons] == ["Image ends with a.exe"]
    assert len(reasons[0]["value"]) == 200


def test_the_factory_gives_the_detector_of_the_built_in_rules() -> None:
    detector = sigma_detector()
    assert detector.spec.name == "sigma"
    assert detector.spec.reads_fields
    assert not detector.rules.refusals
