"""Incidents that are like one another, and why."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.console.similar import LEAST_SCORE, Likeness

SCHEMA = {
    "uid": pl.String(), "techniques": pl.List(pl.String()), "analytics": pl.List(pl.String()),
    "entities": pl.List(pl.String()),
}  # fmt: skip
Row = tuple[list[str], list[str], list[str]]
NAMES = st.lists(st.sampled_from(["a", "b", "c", "d", "e:f", "", "t"]), max_size=4)


def frame(*rows: Row) -> pl.DataFrame:
    return pl.DataFrame(
        [(f"i{number}", *row) for number, row in enumerate(rows)], schema=SCHEMA, orient="row"
    )


CROWD = [(["T1059"], ["Odd program"], [f"host:x{n}"]) for n in range(20)]


def test_what_is_rare_here_makes_two_alike_and_what_all_have_does_not() -> None:
    known = Likeness(
        frame(
            (["T1059", "T1003.001"], ["Odd program", "Memory read"], ["host:ws1", "user:ann"]),
            (["T1059", "T1003.001"], ["Odd program", "Memory read"], ["host:ws9", "user:ann"]),
            *CROWD,
        )
    )
    best = known.to("i0")[0]
    assert best.uid == "i1"
    assert best.techniques[0] == "T1003.001"
    assert best.analytics[0] == "Memory read"
    assert best.entities == ["user:ann"]
    crowd = [one.score for one in known.to("i0", 50) if one.uid != "i1"]
    assert all(best.score > 3 * one for one in crowd)


def test_one_thing_in_common_among_nothing_else_is_not_the_same() -> None:
    rows = [([], [], ["ip:198.51.100.7"]), ([], [], ["ip:198.51.100.7"]), *CROWD]
    (found,) = Likeness(frame(*rows)).to("i0")
    assert found.uid == "i1"
    assert found.score < 0.6


def test_nobody_is_like_what_is_not_there_and_an_empty_home_has_nobody() -> None:
    assert Likeness(frame()).to("i0") == []
    assert Likeness(frame(([], [], []))).to("i0") == []
    assert Likeness(frame(*CROWD)).to("elsewhere") == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NAMES, NAMES, NAMES), max_size=8))
def test_likeness_is_mutual_and_explained(
    rows: list[tuple[list[str], list[str], list[str]]],
) -> None:
    known = Likeness(frame(*rows))
    scores = {}
    for number, mine in enumerate(rows):
        for one in known.to(f"i{number}", 20):
            theirs = rows[int(one.uid[1:])]
            scores[f"i{number}", one.uid] = one.score
            assert one.uid != f"i{number}"
            assert LEAST_SCORE <= one.score < 1
            assert set(one.techniques) <= set(mine[0]) & set(theirs[0])
            assert set(one.analytics) <= set(mine[1]) & set(theirs[1])
            assert set(one.entities) <= set(mine[2]) & set(theirs[2])
            assert [*one.techniques, *one.analytics, *one.entities]
    for (left, right), score in scores.items():
        assert abs(scores[right, left] - score) < 1e-9
