"""Labels with weight and origin, questions of gold, proposals: on a real home."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from hauberk.errors import UsageError
from hauberk.pipeline import (
    ScanOptions,
    gold_question,
    label_quality,
    labels_of,
    leave,
    mark_gold,
    proposals_of,
    scan,
    suppress,
    verdicts_of,
)
from hauberk.pipeline.labels import LABEL_SCHEMA
from hauberk.store import Home
from hauberk.triage import Verdicts
from hauberk.triage.verdicts import GOLD_SCHEMA, VERDICT_SCHEMA

from .test_verdicts import log, ranked


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two incidents: one that two analysts dispute, one that nobody judged."""
    folder = tmp_path_factory.mktemp("labels")
    scan(ScanOptions([log(folder / "a.json"), log(folder / "b.json", "ws09", 4)], folder / "home"))
    return folder / "home"


def say(home: Path, by: str, verdict: str, kind: str = "verdict", **said: str) -> None:
    one = ranked(home)[0]
    leave(home, "cli", [{"type": f"console.{kind}", "by": by, "incident": one.uid,
                         "verdict": verdict, **said}])  # fmt: skip


def test_labels_say_who_said_what_and_how_much_it_weighs(home: Path) -> None:
    assert labels_of(home).is_empty()
    for by, verdict in (("ann", "true"), ("bo", "true"), ("kim", "false")):
        say(home, by, verdict)
    labels = labels_of(home)
    assert labels.schema == LABEL_SCHEMA
    one = ranked(home)[0]
    assert set(labels["finding"]) == set(one.findings)
    assert labels["label"].unique().to_list() == ["true"]
    row = labels.row(0, named=True)
    assert 0 < row["weight"] < 1
    assert row["agreement"] == pytest.approx(2 / 3)
    assert row["said"] == ["true", "true", "false"]
    assert len(row["positions"]) == len(row["acts"]) == 3
    assert labels["share"].sum() == pytest.approx(1, abs=1e-4)
    assert row["events"]


def test_analysts_have_pseudonyms_that_stay_the_same(home: Path) -> None:
    named = labels_of(home)["by"].to_list()[0]
    assert all(name.startswith("analyst-") for name in named)
    assert named == labels_of(home)["by"].to_list()[0]
    assert labels_of(home, names=True)["by"].to_list()[0] == ["ann", "bo", "kim"]


def test_gold_moves_labels_and_reliability(home: Path) -> None:
    before = labels_of(home)["threat"][0]
    reliable = {one.name: one.reliability for one in label_quality(home).analysts}
    assert reliable["kim"] < reliable["ann"]
    with pytest.raises(UsageError, match="no incident"):
        mark_gold(home, "nothing", threat=True, by="root", reason="x")
    with pytest.raises(UsageError, match="how it is known"):
        mark_gold(home, ranked(home)[0].uid, threat=True, by="root", reason=" ")
    mark_gold(home, ranked(home)[0].uid[:10], threat=False, by="root", reason="an exercise")
    labels = labels_of(home)
    assert labels["threat"][0] == 0 < before
    assert labels["gold"].all()
    assert labels["weight"][0] == 1
    quality = label_quality(home)
    gold = {one.name: one.gold for one in quality.analysts}
    assert (gold["ann"].value, gold["kim"].value, gold["kim"].n) == (0, 1, 1)
    assert quality.alpha is not None
    assert quality.pairs["ann", "bo"].n == 1


def test_an_analyst_is_asked_seldom_and_never_what_they_have_answered() -> None:
    gold = pl.DataFrame(
        [[at, f"g{at}", True, "root", ""] for at in range(3)], schema=GOLD_SCHEMA, orient="row"
    )
    row = {
        "position": 0, "act": "", "at": datetime(2026, 3, 2, tzinfo=UTC), "by": "ann",
        "incident": "", "verdict": "true", "question": False, "odds": None, "analytics": [],
    }  # fmt: skip

    def asked(decided: int, *answered: str) -> str | None:
        rows = [{**row, "position": at, "incident": f"i{at}"} for at in range(decided)]
        rows += [{**row, "incident": one, "question": True} for one in answered]
        given = pl.DataFrame(rows, schema=VERDICT_SCHEMA)
        return gold_question(Verdicts(given, gold), "ann")

    assert asked(19) is None
    first = asked(20)
    assert first in {"g0", "g1", "g2"}
    assert asked(39) == first
    assert asked(39, str(first)) is None
    assert asked(60, str(first)) not in {None, first}
    assert asked(200, "g0", "g1", "g2") is None


def test_a_scope_is_a_proposal_until_somebody_answers_for_it(home: Path) -> None:
    from hauberk.pipeline import draft, find_rule, known_rules  # noqa: PLC0415

    rule = find_rule(known_rules(home), "Shadow Copies Deleted")
    scope = json.dumps({"rule": rule.uid, "where": {"User": "CORP\\svc"}})
    now = datetime.now(UTC)
    say(home, "ann", "true", scope=scope)
    say(home, "ann", "benign but expected", scope="no json")
    assert proposals_of(home, now) == []
    say(home, "ann", "benign but expected", scope=scope, reason="the backup")
    (one,) = proposals_of(home, datetime.now(UTC))
    assert (one.rule, one.where, one.by) == (rule.uid, {"User": "CORP\\svc"}, "ann")
    assert proposals_of(home, now + timedelta(days=40)) == []
    with Home.open(home, read_only=True) as opened:
        assert not any(one["type"] == "rules.suppressed" for one in opened.ledger.entries())
    detection = {"selection": dict(one.where), "condition": "selection"}
    made = draft(rule, detection, owner="kim", reason="the backup", since=None,
                 until=now + timedelta(days=9))  # fmt: skip
    suppress(home, made)
    assert proposals_of(home, datetime.now(UTC)) == []


def test_a_question_that_is_answered_is_no_verdict(home: Path) -> None:
    say(home, "zoe", "true", kind="answer")
    with Home.open(home, read_only=True) as opened:
        said = verdicts_of(opened)
    assert "zoe" in set(said.answers["by"])
    assert "zoe" not in set(said.standing["by"])
