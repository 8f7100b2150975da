"""Who answers how, and how many agree."""

import random

import polars as pl
import pytest

from hauberk.triage import cohen, krippendorff, truth_of, wilson
from hauberk.triage.agreement import ANSWER_SCHEMA, CLASSES


def answers(*rows: tuple[str, str, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=ANSWER_SCHEMA, orient="row")


def panel(seed: int, skill: dict[str, float], number: int = 120) -> tuple[pl.DataFrame, list[str]]:
    dice = random.Random(seed)
    truth = [dice.choices(CLASSES, [0.3, 0.3, 0.4])[0] for _ in range(number)]
    rows = [
        (f"i{at:03}", by, kind if dice.random() < right else dice.choice(CLASSES))
        for at, kind in enumerate(truth)
        for by, right in skill.items()
    ]
    return answers(*rows), truth


def test_the_truth_is_found_again_and_who_guesses_is_known() -> None:
    said, truth = panel(1, {"ann": 0.95, "bo": 0.9, "kim": 0.85, "guess": 0.0})
    found = truth_of(said)
    likely = [CLASSES[at] for at in found.posterior.argmax(axis=1)]
    assert sum(a == b for a, b in zip(likely, truth, strict=True)) >= 114
    reliability = found.reliability()
    assert reliability["ann"] > 0.9 > reliability["guess"]
    assert min(reliability, key=lambda name: reliability[name]) == "guess"


def test_gold_overrules_those_who_are_wrong_together() -> None:
    rows = [
        (f"i{at}", by, "false" if by in ("eve", "mallory") else "true")
        for at in range(20)
        for by in ("eve", "mallory", "ann")
    ]
    without = truth_of(answers(*rows)).reliability()
    assert without["ann"] < without["eve"]
    gold = truth_of(answers(*rows), {f"i{at}": True for at in range(8)}).reliability()
    assert gold["ann"] > gold["eve"]


def test_one_answer_of_an_unknown_analyst_is_believed_more_often_than_not() -> None:
    found = truth_of(answers(("i", "ann", "false")))
    assert 0.5 < found.posterior[0, 2] < 0.8
    assert found.posterior.sum() == pytest.approx(1)


def test_nothing_is_estimated_of_nothing() -> None:
    assert truth_of(answers()).reliability() == {}
    assert krippendorff(answers()) is None
    assert krippendorff(answers(("i", "ann", "true"))) is None
    assert cohen(answers(("i", "ann", "true"))) == {}


def test_alpha_of_a_worked_example() -> None:
    """Two observers of ten units, nominal: 1 - 14 * 19 / (20 * ... ) worked by hand below."""
    a = ["true", "true", "false", "false", "true", "true", "true", "true", "true", "true"]
    b = ["false", "true", "true", "false", "true", "false", "true", "false", "true", "true"]
    rows = [(f"u{at}", by, said[at]) for by, said in (("a", a), ("b", b)) for at in range(10)]
    # 4 units differ: D_o = 8 of 20. 14 times true, 6 times false: D_e = 2 * 14 * 6 / 19 of 20.
    found = krippendorff(answers(*rows))
    assert found is not None
    assert found.value == pytest.approx(1 - 8 / (2 * 14 * 6 / 19))
    assert found.low <= found.value <= found.high
    # p_o = 0.6; p_e = 0.8 * 0.6 + 0.2 * 0.4 = 0.56
    kappa = cohen(answers(*rows))["a", "b"]
    assert kappa.value == pytest.approx((0.6 - 0.56) / 0.44)
    assert kappa.n == 10


def test_those_who_agree_have_an_alpha_of_one() -> None:
    said, _ = panel(2, {"ann": 1.0, "bo": 1.0})
    found = krippendorff(said)
    assert found is not None
    assert (found.value, found.low) == (1.0, 1.0)


def test_the_interval_says_how_little_is_known() -> None:
    assert wilson(0, 0).high == 1.0
    few, many = wilson(3, 3), wilson(300, 300)
    assert few.low == pytest.approx(0.4385, abs=1e-3)
    assert many.low > 0.98
