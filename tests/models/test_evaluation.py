"""Figures and their intervals."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.models.evaluation import auc, delong, f1_at, mcnemar, measured, threshold_at, tpr_at
from hauberk.models.training.calibrating import conformal_knots, platt

SCORES = st.lists(st.floats(-50, 50), min_size=2, max_size=200).map(np.array)


@given(SCORES, st.sampled_from([0.001, 0.01, 0.1, 0.5]))
def test_no_more_negatives_than_promised_exceed_the_threshold(scores, rate):
    assert (scores > threshold_at(scores, rate)).mean() <= rate


@given(SCORES, SCORES)
def test_auc_is_the_share_of_rightly_ordered_pairs(negatives, positives):
    wins = (positives[:, None] > negatives).mean() + (positives[:, None] == negatives).mean() / 2
    assert abs(auc(negatives, positives) - wins) < 1e-9


def test_intervals_over_groups_are_wider_than_over_rows():
    random = np.random.default_rng(1)
    centres = random.normal(0, 1, 20).repeat(50)
    negatives, positives = random.normal(-1, 1, 1000), centres + random.normal(1, 0.2, 1000)
    groups = np.arange(20).repeat(50).astype(str)
    by_row = measured(negatives, positives, seed=2)["auc"]
    by_group = measured(negatives, positives, positive_groups=groups, seed=2)["auc"]
    assert by_group.high - by_group.low > 2 * (by_row.high - by_row.low)
    assert by_group.low <= by_group.value <= by_group.high


def test_delong_finds_a_real_difference_and_none_between_equal_models():
    random = np.random.default_rng(3)
    negatives, positives = random.normal(0, 1, 500), random.normal(2, 1, 500)
    worse = negatives + random.normal(0, 2, 500), positives + random.normal(0, 2, 500)
    assert delong((negatives, positives), worse)[1] < 0.001
    assert delong((negatives, positives), (negatives, positives)) == (0.0, 1.0)


def test_mcnemar_counts_only_where_two_models_differ():
    first = np.array([True] * 30 + [False] * 2)
    second = np.array([False] * 30 + [True] * 2)
    assert mcnemar(first, second) < 0.001
    assert mcnemar(first, first) == 1.0


def test_f1_is_one_where_all_is_right_and_zero_where_nothing_is_found():
    assert f1_at(np.zeros(5), np.ones(5), 0.5) == 1.0
    assert f1_at(np.zeros(5), np.zeros(5), 0.5) == 0.0
    assert tpr_at(np.zeros(5), np.ones(5), 0.01) == 1.0


@settings(max_examples=50)
@given(SCORES)
def test_p_values_between_knots_never_claim_more_than_the_steps(scores):
    knots, p_values = conformal_knots(scores)
    assert all(one < other for one, other in pairwise(knots))
    assert all(one >= other for one, other in pairwise(p_values))
    asked = np.unique(scores)
    step = (1 + (scores[None, :] >= asked[:, None]).sum(1)) / (len(scores) + 1)
    # A knot's score is rounded to six decimals.
    found = np.interp(asked - 1e-5, knots, p_values)
    assert (found >= step - 1e-6).all() or len(asked) > 150


def test_probabilities_are_even_where_classes_meet():
    random = np.random.default_rng(5)
    scores = np.concatenate([random.normal(-2, 1, 4000), random.normal(2, 1, 400)])
    slope, offset = platt(scores, np.array([0] * 4000 + [1] * 400, np.int8))
    assert slope > 1
    assert abs(offset) < 0.5
