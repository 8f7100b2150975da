"""A risk is arithmetic over evidence that can be added up again; missing evidence counts worst."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.governance import assess, default_policy

MAIL = default_policy().capabilities["mail"]
GOOD = {
    "evasion": {"robust_tpr": 1.0, "detected_share": 1.0},
    "poisoning": {"worst_loss": 0.0, "detected_share": 1.0},
    "drift": {"detected_share": 1.0},
}


def test_the_score_is_the_product_of_its_axes() -> None:
    risk = assess(MAIL, GOOD)
    assert risk.detectability.value == 1.0
    # exposure 4/4 twice, intelligence 3/4 once, nothing succeeds: 1 + 4 * 2.75 / 6
    assert risk.likelihood.value == pytest.approx(1 + 4 * 2.75 / 6)
    # worst is privacy 4, mean of 3, 2, 2, 4 is 2.75: 1 + 4 * (2 * 1 + 2.75 / 4) / 3
    assert risk.impact.value == pytest.approx(1 + 4 * (2 + 2.75 / 4) / 3)
    product = risk.likelihood.value * risk.impact.value
    assert risk.score == pytest.approx(product, abs=0.005)


def test_missing_evidence_counts_as_the_worst() -> None:
    nothing = assess(MAIL, {})
    assert nothing.detectability.value == 5.0
    assert nothing.score > assess(MAIL, GOOD).score
    assert "was not measured" in nothing.detectability.terms[0].evidence


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.2))
def test_worse_evidence_never_lowers_the_score(robust: float, worse: float, loss: float) -> None:
    robust, worse = max(robust, worse), min(robust, worse)
    better = assess(MAIL, {**GOOD, "evasion": {"robust_tpr": robust, "detected_share": 1}})
    poorer = assess(MAIL, {**GOOD, "evasion": {"robust_tpr": worse, "detected_share": 1}})
    assert poorer.score >= better.score
    poisoned = assess(MAIL, {**GOOD, "poisoning": {"worst_loss": loss, "detected_share": 1}})
    assert 1 <= assess(MAIL, GOOD).score <= poisoned.score <= 125


def test_the_arithmetic_is_written_out_for_people() -> None:
    written = assess(MAIL, GOOD).likelihood.arithmetic()
    assert written == "1 + 4 x (2x1.00 + 1x0.75 + 2x0.00 + 1x0.00) / 6 = 2.83"
