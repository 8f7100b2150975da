import pytest

from hauberk.detect import State
from hauberk.detect.network.judgement import LEAST, MOST_TOLD, REPORT_AT, Case, judged


def case(model, *, subject="a", window=0, population=0, measure="m"):
    return Case(measure, subject, window, model, population)


def test_the_first_of_its_kind_is_as_surprising_as_the_model_says():
    assert judged([case(1e-4)], {})[0] == [1e-4]


def test_no_model_is_believed_beyond_its_floor():
    assert judged([case(1e-30)], {})[0] == [LEAST]


def test_what_is_above_the_report_line_is_not_told():
    assert judged([case(2 * REPORT_AT)], {})[0] == [None]


def test_the_same_subject_is_told_again_only_when_it_is_stronger():
    ps, state = judged([case(1e-3), case(1e-3), case(1e-5)], {})
    assert [p is not None for p in ps] == [True, False, True]
    assert judged([case(1e-5)], state)[0] == [None]
    assert judged([case(1e-5, window=1)], state)[0] != [None]


def test_what_others_do_as_well_becomes_less_surprising_but_never_less_than_seen():
    cases = [case(1e-3, subject=str(i), window=i, population=1000) for i in range(200)]
    ps, _ = judged(cases, {})
    told = [p for p in ps if p is not None]
    assert told == sorted(told)
    assert told[-1] == pytest.approx(0.02 * 1e-3 + 199 / 8 / 1020, rel=0.05)


def test_what_is_told_as_rare_is_not_told_more_often_than_that():
    ps, state = judged([case(0.04, subject=str(i), population=10**6) for i in range(400)], {})
    assert sum(p is not None for p in ps) <= 25
    ps, _ = judged([case(1e-5, subject=str(i), population=10**6) for i in range(400)], state)
    assert sum(p is not None for p in ps) <= MOST_TOLD


def test_alarms_enter_the_past_at_an_eighth():
    usual = [case(0.02, subject=str(i)) for i in range(8)]
    alarms = [case(0.005, subject=str(i)) for i in range(64)]
    _, after_usual = judged(usual, {})
    _, after_alarms = judged(alarms, {})
    assert sum(after_usual["past"]["past"][0]) == sum(after_alarms["past"]["past"][0])


def test_cutting_the_cases_changes_nothing():
    cases = [
        case(10.0 ** -(i % 5), subject=str(i % 7), window=i // 30, population=i) for i in range(100)
    ]
    whole, after = judged(cases, {})
    parts: list[float | None] = []
    state: State = {}
    for begin in range(0, 100, 13):
        ps, state = judged(cases[begin : begin + 13], state)
        parts.extend(ps)
    assert whole == parts
    assert all(after[name].equals(state[name]) for name in after)
