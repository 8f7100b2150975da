"""Each row has its judge, and what a model says is held to the board's conditions."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from hauberk.events import findings_frame
from hauberk.governance import Conditions
from hauberk.models import LoadedModel, Stage, Task, held, load, roster, settled, shifts

DAY = date(2026, 3, 4)


def findings(number: int, day: int = 4) -> pl.DataFrame:
    time = datetime(2026, 3, day, 10, tzinfo=UTC)
    return findings_frame(
        [
            {
                "uid": f"{day}-{at:03d}", "time": time, "end_time": time, "detector": "names",
                "detector_version": "1", "kind": "model", "rule_uid": "m", "title": "t",
                "message": "m", "severity_id": 3, "techniques": [], "entities": [], "evidence": [],
                "count": 1, "surprise": (at + 1) / 1000, "reasons": [],
            }
            for at in range(number)
        ]
    )  # fmt: skip


def told(frame: pl.DataFrame) -> list[str]:
    return frame.filter(pl.col("kind") == "model")["uid"].to_list()


@pytest.fixture
def fifty(office: Any) -> LoadedModel:
    office.live(conditions=Conditions(max_findings_per_day=5))
    found = load(office.home, Task.DOMAIN)
    assert isinstance(found, LoadedModel)
    return found


def test_of_a_day_the_most_surprising_findings_stand(fifty: LoadedModel) -> None:
    both = pl.concat([findings(8).reverse(), findings(3, day=5)])
    found = held(fifty, both)
    assert sorted(told(found)) == [*(f"4-{at:03d}" for at in range(5)), "5-000", "5-001", "5-002"]
    assert found.height == 11
    silent = found.filter(pl.col("kind") == "suppressed")
    assert silent["reasons"][0][-1]["text"] == "withheld: the board allows 5 findings a day"


def test_what_was_told_before_counts(fifty: LoadedModel) -> None:
    assert len(told(held(fifty, findings(8), {DAY: 3}))) == 2
    assert told(held(fifty, findings(8), {DAY: 9})) == []


def test_nothing_said_is_nothing_held(fifty: LoadedModel) -> None:
    assert held(fifty, findings(0)).height == 0


def test_live_and_canary_part_the_rows_and_shadows_see_all(live_office: Any) -> None:
    office = live_office
    office.raised(office.approved(version="1.1.0"), Stage.CANARY)
    office.raised(office.signed(version="1.2.0"), Stage.SHADOW)
    entities = pl.Series([f"host:{number}" for number in range(1000)])
    found = shifts(roster(office.home, Task.DOMAIN), entities)
    assert [shift.loaded.stage for shift in found] == [Stage.LIVE, Stage.CANARY, Stage.SHADOW]
    live, canary, shadow = (shift.rows for shift in found)
    assert (live ^ canary).all()
    assert 50 < canary.sum() < 150
    assert shadow.all()
    said = settled(found[2], findings(2))
    assert told(said) == []
    assert said["reasons"][0][0]["value"] == found[2].loaded.digest


def test_a_refused_canary_leaves_its_rows_to_the_live_model(live_office: Any) -> None:
    office = live_office
    second = office.raised(office.approved(version="1.1.0"), Stage.CANARY)
    weights = office.home.path / "models" / second.artifact / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    found = roster(office.home, Task.DOMAIN)
    assert [refusal.model for refusal in found.refusals] == ["tiny-domains@1.1.0"]
    (only,) = shifts(found, pl.Series(["a", "b"]))
    assert only.rows.all()


def test_without_a_model_nobody_judges(office: Any) -> None:
    assert shifts(roster(office.home, Task.MAIL), pl.Series(["a"])) == []
