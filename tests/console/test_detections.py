"""Detections in the console: rules and their worth, coverage, suppressions tried and enforced."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hauberk.console import Console
from hauberk.console.permissions import Role
from hauberk.pipeline import list_suppressions, scan
from hauberk.pipeline.interface import ScanOptions
from hauberk.store import Home

TESTS = "User|contains=jlee"


def fired(console: Console) -> str:
    """The uid of a rule that fired."""
    book = console.rulebook.book(console.reading.index.commit)
    return next(one.uid for one in book.rules.rules if one.uid in book.records)


def test_rules_that_fired_come_first_with_what_they_are_worth(
    person: Callable[..., Any], console: Console
) -> None:
    viewer = person(Role.VIEWER)
    page = viewer.browser.get("/detections").text
    first = page.index(f"/detections/rules/{fired(console)}")
    assert first < page.index("never")
    assert "1 on 1 of 1 host-days" in page
    none = viewer.browser.get("/detections?text=no+such+rule+at+all").text
    assert "0 rules of" in none
    only = viewer.browser.get("/detections?here=fired&technique=t1490&level=high").text
    assert "T1490" in only
    assert "never" not in only


def test_a_rules_page_shows_its_text_and_no_form_to_those_who_may_not(
    person: Callable[..., Any], console: Console
) -> None:
    where = f"/detections/rules/{fired(console)}"
    page = person(Role.VIEWER).browser.get(where).text
    assert "detection:" in page
    assert "logsource:" in page
    assert "Try on history" not in page
    assert "Try on history" in person(Role.ANALYST).browser.get(where).text


def test_coverage_names_every_tactic_and_is_a_layer_too(person: Callable[..., Any]) -> None:
    viewer = person(Role.VIEWER)
    page = viewer.browser.get("/detections/coverage").text
    assert page.index("Initial Access") < page.index("Impact")
    assert "<b>Inhibit System Recovery</b>" in page
    layer = json.loads(viewer.browser.get("/detections/coverage.json").text)
    assert {"T1490"} <= {one["techniqueID"] for one in layer["techniques"]}


def test_a_suppression_is_tried_before_it_holds_and_hides_from_then_on(
    person: Callable[..., Any], console: Console, home: Path, tmp_path: Path
) -> None:
    analyst, uid = person(Role.ANALYST, name="ada"), fired(console)
    where = f"/detections/rules/{uid}/suppress"
    form = {"tests": TESTS, "days": "30", "reason": "the administrators' own script"}
    trial = analyst.post(where, **form)
    assert "1 of 1 firing" in trial.text
    assert "rests on one of them" in trial.text
    assert not list_suppressions(home)
    assert analyst.post(where, **form, confirmed="1").status_code == 303
    (made, _), *_ = list_suppressions(home)
    assert (made.rule, made.owner, made.reason) == (uid, "ada", form["reason"])
    assert "the administrators" in analyst.browser.get("/detections/suppressions").text

    # The fixture's clock stands in March, and so do its events: the same again is hidden.
    with Home.open(home, read_only=True) as opened:
        findings = opened.records.findings()
        evidence = findings.filter(findings["rule_uid"] == uid)["evidence"].explode().to_list()
        (events,) = opened.lake.get(evidence).values()
    record = json.loads(events["raw_data"][0])
    record["winlog"]["record_id"] = 99
    again = tmp_path / "again.json"
    again.write_text(json.dumps(record) + "\n")
    assert scan(ScanOptions(paths=[again], home=home)).suppressed == 1

    assert analyst.post(f"/detections/suppressions/{made.uid}/lift", reason="").status_code == 409
    lifted = analyst.post(f"/detections/suppressions/{made.uid}/lift", reason="it is gone")
    assert lifted.status_code == 303
    assert not list_suppressions(home)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tests": ""}, "not suppressed as a whole"),
        ({"tests": "User"}, "no Field=value"),
        ({"tests": "User|nonsense=x"}, "cannot be compiled"),
        ({"days": "4000"}, "how long"),
        ({"reason": " "}, "an owner and a reason"),
    ],
)
def test_a_suppression_that_says_too_little_is_refused_in_words(
    person: Callable[..., Any], console: Console, changed: dict[str, str], said: str
) -> None:
    form = {"tests": TESTS, "days": "7", "reason": "why", **changed}
    answer = person(Role.ANALYST).post(f"/detections/rules/{fired(console)}/suppress", **form)
    assert answer.status_code == 400
    assert said in answer.text


def test_markup_in_a_suppression_stays_text(person: Callable[..., Any], console: Console) -> None:
    bad = "<script>alert(1)</script>"
    analyst, where = person(Role.ANALYST), f"/detections/rules/{fired(console)}/suppress"
    form = {"tests": f"User={bad}", "days": "7", "reason": bad}
    assert bad not in analyst.post(where, **form).text
    analyst.post(where, **form, confirmed="1")
    page = analyst.browser.get("/detections/suppressions").text
    assert bad not in page
    assert "&lt;script&gt;" in page
