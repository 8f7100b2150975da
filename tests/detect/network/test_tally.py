from collections import defaultdict
from itertools import pairwise

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.detect import State
from hauberk.detect.network.tally import SHOWN, Tally

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(0, 9)), min_size=1, max_size=120
)


def frame(drawn):
    window, rows = 0, []
    for number, (key, target, step) in enumerate(drawn):
        window += step == 0
        rows.append((f"k{key}", window, f"t{target}", number, f"u{number}", step))
    names = ["key", "window", "target", "us", "uid", "size"]
    return pl.DataFrame(rows, schema=names, orient="row")


@given(ROWS, st.lists(st.integers(0, 120), max_size=3))
@settings(max_examples=40, deadline=None)
def test_counts_are_those_of_a_plain_loop_however_the_rows_are_cut(drawn, cuts):
    rows, tally = frame(drawn), Tally("x", ("size",))
    state: State = {}
    seen: dict[tuple[str, int], set[str]] = defaultdict(set)
    count: dict[tuple[str, int], int] = defaultdict(int)
    total: dict[tuple[str, int], int] = defaultdict(int)
    wanted = []
    for key, window, target, _, _, size in rows.iter_rows():
        place = (key, window)
        seen[place].add(target)
        count[place] += 1
        total[place] += size
        wanted.append((count[place], len(seen[place]), total[place]))
    edges = [0, *sorted(min(cut, rows.height) for cut in cuts), rows.height]
    got: list[tuple[int, ...]] = []
    for begin, end in pairwise(edges):
        counted, tables = tally.count(rows[begin:end], state)
        state = {**state, **tables}
        got.extend(counted.select("count", "distinct", "sum_size").iter_rows())
    assert got == wanted


def test_evidence_is_the_first_few_and_the_row_itself():
    rows = pl.DataFrame(
        {
            "key": ["k"] * 60,
            "window": [0] * 60,
            "target": [f"t{i}" for i in range(60)],
            "us": list(range(60)),
            "uid": [f"u{i}" for i in range(60)],
        }
    )
    for tally in (Tally("x"), Tally("y", targets=False)):
        _, state = tally.count(rows[:30], {})
        counted, _ = tally.count(rows[30:], state)
        evidence = tally.evidence(counted[-1:], counted, state)
        assert evidence == {"u59": [*(f"u{i}" for i in range(SHOWN)), "u59"]}


def test_windows_never_go_back():
    late = pl.DataFrame(
        {"key": ["k", "k"], "window": [5, 2], "target": ["a", "b"], "us": [0, 1], "uid": ["u", "v"]}
    )
    counted, _ = Tally("x").count(late, {})
    assert counted["distinct"].to_list() == [1, 2]
