"""Measures of models at work: drift is seen, calm is left alone, and what is seen is an event."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.governance import default_policy
from hauberk.models import Stage, Task, read_registry, watch_models
from hauberk.models.watching import (
    INPUTS,
    Reference,
    add_up,
    adwin_cut,
    extraction_measures,
    ks_distance,
    label_measures,
    no_tallies,
    tally,
    tally_inputs,
    work_measures,
)

DAY = date(2026, 3, 4)
EMPTY = pl.DataFrame(schema=INPUTS)
POLICY = default_policy().drift


def judged(size: int, *, bad: float = 0.0, day: date = DAY, seed: int = 1) -> pl.DataFrame:
    """Judgements of which a share `bad` has tiny p-values, the others uniform ones."""
    random = np.random.default_rng(seed)
    p_values = random.uniform(0, 1, size)
    p_values[: int(size * bad)] = 0.001
    return pl.DataFrame(
        {
            "day": [day] * size,
            "p_value": p_values,
            "flagged": p_values < 0.01,
            "probability": 1 - p_values,
            "latency_ms": np.full(size, 1.5),
        }
    )


def reference(**changes: Any) -> Reference:
    facts: dict[str, Any] = {
        "p_bins": (1.0,) * 20, "inputs": {"length": (50.0, 50.0)}, "edges": {"length": (10.0,)},
        "flagged_share": None, "estimate": None, "precision": None,
    }  # fmt: skip
    return Reference(**{**facts, **changes})


def breached(tallies: pl.DataFrame, inputs: pl.DataFrame = EMPTY, **changes: Any) -> set[str]:
    found = work_measures(tallies, inputs, reference(**changes), POLICY)
    return {one.metric for one in found if one.breached}


def test_a_calm_model_breaches_nothing() -> None:
    assert breached(tally("a", "live", judged(5000))) == set()


def test_too_few_judgements_are_not_measured() -> None:
    assert work_measures(tally("a", "live", judged(50)), EMPTY, reference(), POLICY) == []


def test_output_drift_and_lost_calibration_are_seen() -> None:
    assert {"output_ks", "calibration"} <= breached(tally("a", "live", judged(2000, bad=0.4)))


def test_a_change_between_days_is_seen() -> None:
    tallies = no_tallies()
    for number in range(10):
        bad = 0.0 if number < 6 else 0.1
        more = judged(1000, bad=bad, day=DAY + timedelta(days=number), seed=number)
        tallies = add_up(tallies, tally("a", "live", more))
    assert "output_adwin" in breached(tallies)
    found = {m.metric: m for m in work_measures(tallies, EMPTY, reference(), POLICY)}
    assert str(DAY + timedelta(days=6)) in found["output_adwin"].detail


def test_input_drift_names_the_input_that_moved() -> None:
    days = pl.Series([DAY] * 600)
    values = pl.DataFrame({"length": [20] * 600})
    inputs = tally_inputs("a", days, values, {"length": (10.0,)})
    found = work_measures(tally("a", "live", judged(600)), inputs, reference(), POLICY)
    moved = next(one for one in found if one.metric == "input_ks")
    assert (moved.value, moved.breached) == (0.5, True)
    assert "length" in moved.detail


def test_errors_and_slowness_are_seen() -> None:
    worse = judged(1000).with_columns(
        pl.when(pl.int_range(pl.len()) < 50).then(None).otherwise("p_value").alias("p_value"),
        latency_ms=pl.lit(900.0),
    )
    assert {"error_rate", "latency_ms_p99"} <= breached(tally("a", "live", worse))


def test_the_estimate_without_labels_falls_when_the_model_is_unsure() -> None:
    unsure = judged(1000).with_columns(probability=pl.lit(0.5))
    assert "estimated_loss" in breached(tally("a", "live", unsure), estimate=0.9)
    sure = judged(1000).with_columns(
        probability=pl.when(pl.col("flagged")).then(0.95).otherwise(0.05)
    )
    assert "estimated_loss" not in breached(tally("a", "live", sure), estimate=0.95)


def test_verdicts_lower_precision() -> None:
    found = work_measures(
        tally("a", "live", judged(1000)), EMPTY, reference(precision=0.9), POLICY, verdicts=(20, 40)
    )
    assert [one.breached for one in found if one.metric == "verdict_loss"] == [True]


def test_silence_is_seen() -> None:
    hushed = judged(2000, bad=0.1).with_columns(silenced=pl.lit(value=True))
    assert "silenced_share" in breached(tally("a", "live", hushed))
    assert "flagged_drop" in breached(tally("a", "live", judged(2000)), flagged_share=0.5)


def test_labels_of_one_person_are_seen() -> None:
    assert not any(one.breached for one in label_measures(["ana", "bo", "cy"] * 50))
    assert any(one.breached for one in label_measures(["eve"] * 120 + ["ana"] * 30))


def test_a_walk_along_the_boundary_and_an_even_pool_are_seen() -> None:
    random = np.random.default_rng(3)
    walk = pl.DataFrame({"client": ["eve"] * 2000, "score": random.uniform(0.47, 0.53, 2000)})
    even = pl.DataFrame({"client": ["eve"] * 2000, "score": random.uniform(0, 1, 2000)})
    calm = pl.DataFrame({"client": ["mta"] * 2000, "score": random.beta(1, 30, 2000)})
    assert {m.metric for m in extraction_measures(walk) if m.breached} == {"boundary_share"}
    assert {m.metric for m in extraction_measures(even) if m.breached} == {"extraction_coverage"}
    assert not any(m.breached for m in extraction_measures(calm))


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 300), st.floats(0, 1)), min_size=1, max_size=8))
def test_adding_up_is_the_same_in_any_order(parts: list[tuple[int, float]]) -> None:
    made = [tally("a", "live", judged(size, bad=bad)) for size, bad in parts if size]
    there, back = no_tallies(), no_tallies()
    for one in made:
        there = add_up(there, one)
    for one in reversed(made):
        back = add_up(back, one)
    sums = ["judged", "flagged", "errors", "slow", "p_bins", "latency_bins"]
    assert there.select(sums).to_dicts() == back.select(sums).to_dicts()
    assert there["judged"].sum() == sum(size for size, _ in parts)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=10))
def test_a_distance_lies_between_0_and_1_and_is_0_to_itself(bins: list[int]) -> None:
    assert ks_distance(bins, bins) == 0
    assert 0 <= ks_distance(bins, bins[::-1]) <= 1


def test_a_steady_stream_is_not_cut() -> None:
    random = np.random.default_rng(5)
    cuts = [
        adwin_cut([500] * 30, random.binomial(500, 0.02, 30).tolist()) is not None
        for _ in range(100)
    ]
    assert sum(cuts) <= 3


def test_drift_of_a_live_model_asks_for_retraining_once(live_office: Any) -> None:
    office = live_office
    version = read_registry(office.home).named("tiny-domains")
    drifted = tally(version.artifact, "live", judged(2000, bad=0.5))
    first = watch_models(office.home, drifted, EMPTY)
    again = watch_models(office.home, drifted, EMPTY)
    assert [one.retraining for one in (*first, *again)] == [True, False]
    asked = read_registry(office.home).retraining[0].body["statement"]
    assert asked["artifact"] == version.artifact
    assert {one["metric"] for one in asked["measures"]} >= {"output_ks", "calibration"}


def test_a_canary_is_judged_from_its_tallies(live_office: Any) -> None:
    office = live_office
    live = read_registry(office.home).slot(Task.DOMAIN).live
    assert live is not None
    second = office.raised(office.approved(version="1.1.0"), Stage.CANARY)
    day = office.clock().date()
    calm = tally(live, "live", judged(9000, day=day))
    loud = tally(second.artifact, "canary", judged(2000, bad=0.3, day=day))
    found = watch_models(office.home, add_up(calm, loud), EMPTY)
    assert found[-1].canary is not None
    assert found[-1].canary.verdict == "harmful"
    assert office.version(second.artifact).stage is Stage.SHADOW


@pytest.mark.parametrize("size", [0, 1])
def test_hardly_anything_is_no_error(size: int) -> None:
    assert tally("a", "live", judged(size)).height == size
