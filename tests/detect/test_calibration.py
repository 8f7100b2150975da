import math
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.detect.calibration import (
    MAX_STRATA,
    OVERFLOW,
    Calibration,
    binomial_tail_bits,
    log_gamma,
    poisson_tail_bits,
)


def test_nothing_is_surprising_before_there_is_a_past():
    p, _ = Calibration().judge(None, np.array([50.0]))
    assert p[0] == 1.0


def test_p_is_never_below_one_over_the_past_plus_one():
    scores = np.zeros(1000)
    _, history = Calibration().judge(None, scores)
    p, _ = Calibration().judge(history, np.array([60.0]))
    assert p[0] >= 1 / 1001
    assert p[0] < 1 / 800


def test_false_alarms_come_as_often_as_p_says_when_nothing_is_wrong():
    rng = np.random.default_rng(3)
    p, _ = Calibration().judge(None, rng.exponential(3.0, 200_000))
    tail = p[20_000:]
    for level in (0.1, 0.01, 0.001):
        assert (tail <= level).mean() <= 1.3 * level
    assert (tail <= 0.01).mean() >= 0.003


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    cuts=st.lists(st.integers(0, 9000), max_size=6),
    strata=st.integers(1, 3),
)
def test_cutting_scores_into_other_batches_changes_nothing(seed, cuts, strata):
    rng = np.random.default_rng(seed)
    scores = rng.exponential(4.0, 9000)
    names = pl.Series([f"s{i}" for i in rng.integers(0, strata, 9000)])
    calibration = Calibration(memory=2000)
    whole, history = calibration.judge(None, scores, names)
    pieces, past = [], None
    edges = [0, *sorted(cuts), 9000]
    for begin, end in pairwise(edges):
        part, past = calibration.judge(past, scores[begin:end], names[begin:end])
        pieces.append(part)
    assert np.array_equal(whole, np.concatenate(pieces))
    assert past is not None
    assert history.equals(past)


def test_a_flood_of_alarms_buys_far_less_silence_than_its_size():
    rng = np.random.default_rng(5)
    _, history = Calibration().judge(None, rng.exponential(1.0, 50_000))
    flood = np.full(2000, 40.0)
    guarded, _ = Calibration().judge(
        Calibration().judge(history, flood)[1], np.append(np.zeros(9000), 40.0)
    )
    naive, _ = Calibration(excess_share=1.0).judge(
        Calibration(excess_share=1.0).judge(history, flood)[1], np.append(np.zeros(9000), 40.0)
    )
    assert guarded[-1] < naive[-1] / 8


def test_real_drift_is_followed_in_the_end():
    rng = np.random.default_rng(6)
    calibration = Calibration(memory=20_000)
    _, history = calibration.judge(None, rng.exponential(1.0, 50_000))
    p, _ = calibration.judge(history, rng.exponential(1.0, 400_000) + 20)
    assert (p[:1000] <= 0.001).mean() > 0.9
    assert (p[-20_000:] <= 0.001).mean() < 0.005


def test_the_past_stays_bounded():
    rng = np.random.default_rng(7)
    calibration = Calibration(memory=1000)
    _, history = calibration.judge(None, rng.exponential(1.0, 100_000))
    assert calibration.size(history) < 1000 + 4096 + 1
    names = pl.Series([f"s{i}" for i in range(3 * MAX_STRATA)])
    _, history = calibration.judge(None, np.zeros(len(names)), names)
    assert history.height == MAX_STRATA + 1
    assert OVERFLOW in history["stratum"]


def test_a_prior_lets_a_detector_speak_on_the_first_day():
    calibration = Calibration(bin_width=1.0, prior_weight=1000, prior_tail=(1.0, 0.25, 0.01, 0.0))
    p, _ = calibration.judge(None, np.array([1.0, 2.0, 30.0]))
    assert p[0] == pytest.approx(0.25, rel=0.02)
    assert p[1] == pytest.approx(0.01, rel=0.15)
    assert p[2] == pytest.approx(1 / 1001, rel=0.01)


def test_scores_that_are_no_numbers_are_ordinary():
    _, history = Calibration().judge(None, np.zeros(1000))
    p, _ = Calibration().judge(history, np.array([math.nan, -5.0, math.inf]))
    assert p[0] == 1.0
    assert p[1] == 1.0
    assert p[2] < 0.01


@given(st.floats(1e-3, 1e6))
def test_log_gamma_agrees_with_the_standard_library(x):
    assert log_gamma(np.array([x]))[0] == pytest.approx(math.lgamma(x), rel=1e-9, abs=1e-9)


@given(count=st.integers(1, 60), rate=st.floats(0.01, 50.0))
def test_poisson_tail_agrees_with_summing_its_terms(count, rate):
    bits = poisson_tail_bits([count], [rate])[0]
    if count <= rate:
        assert bits == 0.0
        return
    tail = math.fsum(
        math.exp(i * math.log(rate) - rate - math.lgamma(i + 1)) for i in range(count, count + 400)
    )
    assert bits == pytest.approx(-math.log2(tail), rel=1e-6, abs=1e-6)


@given(count=st.integers(1, 40), extra=st.integers(0, 100), q=st.floats(0.001, 0.9))
def test_binomial_tail_agrees_with_summing_its_terms(count, extra, q):
    trials = count + extra
    bits = binomial_tail_bits([count], [trials], [q])[0]
    if count <= trials * q:
        assert bits == 0.0
        return
    tail = math.fsum(
        math.comb(trials, i) * q**i * (1 - q) ** (trials - i) for i in range(count, trials + 1)
    )
    assert bits == pytest.approx(-math.log2(tail), rel=1e-6, abs=1e-6)
