"""What verdicts change, and what nobody can make them change."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import findings_frame
from hauberk.triage import Verdicts, triage
from hauberk.triage.verdicts import (
    LEAST_WORTH,
    MOST_BY_ONE,
    MOST_SHIFT,
    VERDICT_SCHEMA,
    odds_before,
)

from .test_judge import NO_CELLS, finding

DAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
SAID = ("true", "benign but expected", "false")


def verdicts(*rows: tuple[str, str, float], a_day: int = 3, rule: str = "r") -> Verdicts:
    """Verdicts (by, said, odds), each about an incident of its own, `a_day` of them a day."""
    return Verdicts(
        pl.DataFrame(
            [
                {
                    "position": at, "act": str(at), "at": DAY + timedelta(days=at // a_day),
                    "by": by, "incident": f"i{at}", "verdict": said, "question": False,
                    "odds": odds, "analytics": [{"analytic": rule, "share": 1.0}],
                }
                for at, (by, said, odds) in enumerate(rows)
            ],
            schema=VERDICT_SCHEMA,
        )
    )  # fmt: skip


def team(said: str, number: int, odds: float = 2.0) -> list[tuple[str, str, float]]:
    return [(f"analyst{at % 4}", said, odds) for at in range(number)]


def test_without_verdicts_nothing_changes() -> None:
    assert Verdicts().correction.shift(3.0) == 0
    assert not Verdicts().analytics


def test_one_verdict_changes_next_to_nothing_and_many_change_much() -> None:
    one = verdicts(("ann", "false", 2.0)).correction.shift(2.0)
    many = verdicts(*team("false", 40)).correction.shift(2.0)
    assert -0.5 < one < 0
    assert -MOST_SHIFT <= many < -1


def test_what_was_right_is_held_more_likely_and_never_certain() -> None:
    assert 0 < verdicts(*team("true", 40, 0.0)).correction.shift(0.0) <= MOST_SHIFT


def test_nothing_rises_below_what_was_found_true_or_falls_above_what_was_not() -> None:
    correction = verdicts(*team("false", 20, -6.0), *team("true", 20, 1.0)).correction
    assert correction.shift(-8.0) <= 0
    assert correction.shift(1.0) > 0
    assert correction.shift(9.0) >= 0
    falls = verdicts(*team("false", 30, 4.0)).correction
    assert falls.shift(4.0) < falls.shift(4.1) == 0


def test_odds_that_nobody_judged_move_like_the_nearest_that_somebody_did() -> None:
    correction = verdicts(*team("false", 20, 3.0), *team("true", 20, 6.0)).correction
    assert correction.shift(-8.0) == correction.shift(3.0)
    assert correction.shift(30.0) == correction.shift(6.0)


@settings(max_examples=60, deadline=None)
@given(
    honest=st.lists(
        st.tuples(st.sampled_from(["ann", "bo", "kim"]), st.sampled_from(SAID), st.floats(-3, 8)),
        max_size=15,
    ),
    flood=st.integers(0, 60),
    at=st.floats(-8, 12),
    day=st.integers(1, 50),
)
def test_who_has_one_account_cannot_silence(
    honest: Sequence[tuple[str, str, float]], flood: int, at: float, day: int
) -> None:
    """However many incidents one person dismisses, odds fall by a bit against the others' word."""
    dismissed = [("eve", "false", 4.0)] * flood
    correction = verdicts(*dismissed, *honest, a_day=day).correction
    if flood or honest:
        without = max(one.shift(at) for one in correction.without)
        assert correction.shift(at) >= without - MOST_BY_ONE - 1e-9
    assert abs(correction.shift(at)) <= MOST_SHIFT + MOST_BY_ONE


def test_one_analyst_alone_takes_a_third_of_a_rules_word_and_two_more() -> None:
    alone = verdicts(*[("eve", "false", 2.0)] * 200).analytics["r"]
    assert alone.worth == pytest.approx(2 / 3, abs=0.01)
    two = verdicts(*[("eve", "false", 2.0), ("bo", "false", 2.0)] * 100).analytics["r"]
    assert LEAST_WORTH <= two.worth <= 0.52
    assert verdicts(*team("false", 200)).analytics["r"].worth == LEAST_WORTH
    assert alone.wrong_rate > 0.95


def test_a_day_of_one_analyst_counts_as_one_verdict() -> None:
    flood = verdicts(*[("eve", "false", 2.0)] * 50, a_day=50).analytics["r"]
    slow = verdicts(*[("eve", "false", 2.0)] * 50, a_day=1).analytics["r"]
    assert slow.worth < flood.worth
    assert flood.worth >= 0.8 - 1e-6


def test_who_was_right_is_worth_more_and_not_much() -> None:
    assert 1 < verdicts(*team("true", 50)).analytics["r"].worth <= 1.2


def test_an_incident_of_a_rule_that_was_found_wrong_falls_and_says_why() -> None:
    rows = [finding("r", 0, ["host:w1"], 1e-4), finding("q", 5, ["host:w1"], 1e-4)]
    findings, cells = findings_frame(rows), NO_CELLS
    said = verdicts(*team("false", 12, 4.0))
    before = triage(findings, cells).incidents[0]
    made = triage(findings, cells, verdicts=said)
    after = made.incidents[0]
    assert after.probability < before.probability
    reason = after.reasons[-1]
    assert reason.text.startswith("calibrated by 12 verdicts: ")
    assert reason.text.endswith(f"→ {after.probability:.2f}")
    odds = after.prior_bits + after.tactic_bits + sum(one.bits for one in after.reasons)
    assert after.probability == pytest.approx(1 / (1 + 2**-odds))
    assert odds_before(after) == pytest.approx(odds - reason.bits)
    told = made.findings.filter(pl.col("rule_uid") == "r")["reasons"].to_list()[0]
    assert "people here found it wrong in 12.0 of 12.0 verdicts" in told[-1]["text"]
    other = made.findings.filter(pl.col("rule_uid") == "q")["reasons"].to_list()[0]
    assert not any("people" in one["text"] for one in other or [])


def test_the_same_verdicts_in_any_order_of_rows_rank_the_same() -> None:
    said = verdicts(*team("false", 9), *team("true", 9, 5.0))
    turned = Verdicts(said.given.reverse())
    assert said.correction == turned.correction
    assert said.analytics == turned.analytics


def test_the_last_word_of_an_analyst_counts() -> None:
    first = verdicts(("ann", "false", 2.0)).given
    later = first.with_columns(pl.lit(9, pl.Int64).alias("position"), verdict=pl.lit("true"))
    assert Verdicts(pl.concat([later, first])).standing["verdict"].to_list() == ["true"]


def test_an_answer_to_a_question_corrects_no_ranking() -> None:
    asked = verdicts(*team("false", 20)).given.with_columns(question=True)
    assert Verdicts(asked).correction.used == 0
    assert Verdicts(asked).answers.height == 20
