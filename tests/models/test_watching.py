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
    add_up_queries,
    adwin_cut,
    ks_distance,
    label_measures,
    no_tallies,
    query_measures,
    tally,
    tally_inputs,
    tally_queries,
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
    counted = tally("a", "live", judged(1000))
    late = [True, False] * 20
    for told, was in ((late, 0.9), ([True] * 40 + late, None)):
        found = work_measures(counted, EMPTY, reference(precision=was), POLICY, verdicts=told)
        assert [one.breached for one in found if one.metric == "verdict_loss"] == [True]
    few = work_measures(counted, EMPTY, reference(), POLICY, verdicts=[True] * 29 + [False] * 29)
    assert not [one for one in few if one.metric == "verdict_loss"]


def test_silence_is_seen() -> None:
    hushed = judged(2000, bad=0.1).with_columns(silenced=pl.lit(value=True))
    assert "silenced_share" in breached(tally("a", "live", hushed))
    assert "flagged_drop" in breached(tally("a", "live", judged(2000)), flagged_share=0.5)


def test_a_model_that_was_not_due_to_flag_anything_yet_is_not_silent() -> None:
    quiet = judged(1000).with_columns(flagged=pl.lit(value=False))
    assert "flagged_drop" not in breached(tally("a", "live", quiet), flagged_share=0.01)
    assert "flagged_drop" in breached(tally("a", "live", quiet), flagged_share=0.02)


def test_labels_of_one_person_are_seen() -> None:
    assert not any(one.breached for one in label_measures(["ana", "bo", "cy"] * 50))
    assert any(one.breached for one in label_measures(["eve"] * 120 + ["ana"] * 30))


def asked(names: list[str], odds: Any, client: str = "eve", day: date = DAY) -> pl.DataFrame:
    """QUERIES of one client; it is flagged what lies above odds of 0."""
    odds = np.asarray(odds, np.float64)
    rows = pl.DataFrame(
        {
            "day": [day] * len(names), "client": [client] * len(names), "flagged": odds >= 0,
            "odds": odds, "probability": 1 / (1 + np.exp(-odds)),
        }
    )  # fmt: skip
    return tally_queries("a", rows, names)


def others(size: int, seed: int = 3) -> list[str]:
    """Names that have nothing in common."""
    random = np.random.default_rng(seed)
    letters = list("abcdefghijklmnopqrstuvwxyz")
    return ["".join(random.choice(letters, 14)) + ".com" for _ in range(size)]


def variants(size: int, seed: int = 4) -> list[str]:
    """One name with two letters changed, as who searches a way around a threshold asks."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(size):
        name = list("qzvkarstedfeldhaus")
        for at in random.integers(0, len(name), 2):
            name[at] = str(random.choice(list("abcdefghijklmnopqrstuvwxyz")))
        made.append("".join(name) + ".com")
    return made


def seen(queries: pl.DataFrame) -> set[str]:
    return {one.metric for one in query_measures(queries) if one.breached}


def test_a_walk_along_the_boundary_and_an_even_pool_are_seen() -> None:
    random = np.random.default_rng(3)
    names = others(2000)
    even = np.log(1 / random.uniform(0.001, 0.999, 2000) - 1)
    assert seen(asked(names, random.uniform(-0.4, 0.4, 2000))) == {"boundary_share"}
    assert seen(asked(names, even)) == {"extraction_coverage"}
    assert seen(asked(names, random.normal(-5, 1.5, 2000), "mta")) == set()


def test_variants_of_one_record_on_both_sides_of_the_threshold_are_seen() -> None:
    random = np.random.default_rng(5)
    both = random.normal(0, 2, 300)
    found = asked(variants(300), both)
    assert seen(found) == {"near_identical_queries"}
    told = [one.detail for one in query_measures(found) if one.breached]
    assert "eve" in told[0]
    # Who sends the same to many gets one answer, and a bot asks for names that share nothing.
    assert seen(asked(variants(300), np.full(300, -4.0), "newsletter")) == set()
    assert seen(asked(others(300), both, "bot")) == set()


def test_queries_of_batches_add_up_to_those_of_the_day() -> None:
    names, odds = variants(400), np.linspace(-3, 3, 400)
    whole = asked(names, odds)
    parts = [asked(names[at : at + 57], odds[at : at + 57]) for at in range(0, 400, 57)]
    summed = parts[0].clear()
    for part in parts:
        summed = add_up_queries(summed, part)
    assert summed.equals(whole)


def test_only_the_busiest_clients_of_a_day_are_kept() -> None:
    many = pl.concat([asked(["a.com"] * (1 + at // 150), [0.0] * (1 + at // 150), f"c{at:03}")
                      for at in range(300)])  # fmt: skip
    kept = add_up_queries(many.clear(), many)
    assert kept.height == 200
    assert kept["asked"].min() == 1
    assert kept["asked"].sum() == 150 * 2 + 50


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
