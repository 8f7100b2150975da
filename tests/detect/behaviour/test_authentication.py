from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hauberk.detect import State
from hauberk.detect.behaviour import authentication, walking
from hauberk.events import FINDING_SCHEMA, MAX_EVIDENCE, EventBatch, EventClass

START = datetime(2026, 1, 5, 8, tzinfo=UTC)
FAIL, OK = 2, 1


def log(rows):
    """Attempts from (seconds, account, source, status[, activity]) tuples, in time order."""
    rows = sorted(rows, key=lambda row: row[0])
    return pl.DataFrame(
        {
            "time": [START + timedelta(seconds=row[0]) for row in rows],
            "metadata.uid": [f"b:{i}" for i in range(len(rows))],
            "metadata.product.name": ["linux"] * len(rows),
            "activity_id": pl.Series(
                [row[4] if len(row) > 4 else 1 for row in rows], dtype=pl.Int32
            ),
            "status_id": pl.Series([row[3] for row in rows], dtype=pl.Int32),
            "device.hostname": ["gate"] * len(rows),
            "src_endpoint.ip": [row[2] for row in rows],
            "user.name": [row[1] for row in rows],
        },
        schema_overrides={"time": pl.Datetime("us", "UTC")},
    )


def judge(rows, state=None):
    frame = rows if isinstance(rows, pl.DataFrame) else log(rows)
    batch = EventBatch("b", {EventClass.AUTHENTICATION: frame})
    return authentication.detector().judge(batch, state or {})


def rules(findings):
    return findings["rule_uid"].to_list()


def burst(count, account="ann", source="10.0.0.9", begin=0, step=2):
    return [(begin + step * i, account, source, FAIL) for i in range(count)]


def working_days(days=20, users=40, seed=4):
    """People who log on every day from their own place, and mistype now and then."""
    rng = np.random.default_rng(seed)
    rows = []
    for day in range(days):
        for user in range(users):
            at = day * 86_400 + int(rng.integers(0, 30_000))
            mistakes = int(min(rng.geometric(0.8) - 1, 4))
            rows += burst(mistakes, f"user{user}", f"10.1.0.{user}", at, 7)
            rows.append((at + 7 * mistakes, f"user{user}", f"10.1.0.{user}", OK))
    return rows


def test_a_few_mistakes_are_nothing():
    findings, _ = judge([*burst(4), (11, "ann", "10.0.0.9", OK)])
    assert findings.is_empty()


def test_working_days_are_quiet():
    findings, _ = judge(working_days())
    assert findings.height <= 2


def test_guessing_is_told_at_orders_of_magnitude_with_its_evidence():
    findings, _ = judge(burst(100))
    assert findings.schema == FINDING_SCHEMA
    assert rules(findings) == ["auth.guessing", "auth.guessing"]
    assert findings["count"].to_list() == [8, 64]
    assert findings["evidence"][0].to_list() == [f"b:{i}" for i in range(8)]
    assert len(findings["evidence"][1]) == MAX_EVIDENCE
    assert findings["entities"][0].to_list() == ["ip:10.0.0.9", "host:gate", "user:ann"]
    assert findings["techniques"][0].to_list() == ["T1110.001"]
    assert findings["message"][0] == "8 failed log-ons of ann from 10.0.0.9 on gate"
    assert findings["surprise"][1] < findings["surprise"][0] <= 0.02


def test_the_log_on_that_succeeds_after_guessing_is_told_once():
    rows = [*burst(30), (70, "ann", "10.0.0.9", OK), (80, "ann", "10.0.0.9", OK)]
    findings, _ = judge(rows)
    told = findings.filter(pl.col("rule_uid") == "auth.success-after-guessing")
    assert told.height == 1
    assert told["evidence"][0].to_list()[-1] == "b:30"
    assert told["entities"][0].to_list()[0] == "host:gate"
    assert told["techniques"][0].to_list() == ["T1110.001", "T1078"]
    assert told["message"][0] == "ann logged on to gate from 10.0.0.9, after 30 failures"


def test_a_success_hours_after_the_failures_is_nothing():
    findings, _ = judge([*burst(6), (3 * 3600, "ann", "10.0.0.9", OK)])
    assert findings.is_empty()


def test_spraying_from_one_source_is_one_story_and_not_one_for_each_account():
    rows = [(30 * i, f"user{i}", "203.0.113.5", FAIL) for i in range(70)]
    rows.append((30 * 70, "carol", "203.0.113.5", OK))
    findings, _ = judge(rows)
    assert rules(findings) == ["auth.spraying", "auth.spraying", "auth.success-after-spraying"]
    assert findings["techniques"][0].to_list() == ["T1110.003", "T1110.004"]
    assert "user:carol" in findings["entities"][2].to_list()
    assert "70 accounts" in findings["message"][2]


def test_one_account_tried_from_many_sources_is_found():
    rows = [(20 * i, "admin", f"203.0.113.{i}", FAIL) for i in range(20)]
    findings, _ = judge(rows)
    assert rules(findings) == ["auth.guessing-from-many-sources"]


def test_slow_spraying_from_many_sources_stands_out_from_quiet_days():
    rows = working_days()
    attack = [
        (21 * 86_400 + 400 * i, f"user{i % 40}x{i % 3}", f"198.51.{i % 7}.{i % 200}", FAIL)
        for i in range(100)
    ]
    findings, _ = judge([*rows, *attack])
    told = findings.filter(pl.col("rule_uid") == "auth.slow-spraying")
    assert told.height >= 1
    assert told["surprise"].min() < 0.005
    assert "sources that never succeeded" in told["message"][0]


def test_lines_that_echo_a_failure_are_not_counted_again():
    rows = [(i, "ann", "10.0.0.9", FAIL, activity) for i in range(6) for activity in (1, 99, 99)]
    assert judge(rows)[0].is_empty()


def test_whoever_is_attacked_all_day_learns_to_expect_it():
    rows = [
        row
        for source in range(3000)
        for row in burst(10, "root", f"10.{source // 250}.{source % 250}.7", source * 4000, 1)
    ]
    findings, _ = judge(rows)
    told = findings.filter(pl.col("rule_uid") == "auth.guessing")
    assert 20 < told.height < 1000


def test_accounts_that_name_nobody_are_left_out():
    rows = [
        (i, name, "10.0.0.9", FAIL) for i in range(20) for name in ("HOST$", "SYSTEM", "-", None)
    ]
    assert judge(rows)[0].is_empty()


def test_made_up_names_do_not_grow_the_memory(monkeypatch):
    monkeypatch.setattr(walking, "MAX_KEYS", 500)
    rows = [
        (i / 100, f"n{i}", f"10.{i // 65536}.{i // 256 % 256}.{i % 256}", FAIL) for i in range(5000)
    ]
    _, state = judge(rows)
    assert max(table.height for name, table in state.items() if name != "quiet") <= 5000
    for name in ("pairs", "sources", "accounts", "recent"):
        assert state[name].height <= 500


def attack_and_work(seed):
    rng = np.random.default_rng(seed)
    rows = working_days(days=3, users=12, seed=seed)
    for _ in range(6):
        at = int(rng.integers(0, 3 * 86_400))
        source = f"203.0.113.{rng.integers(3)}"
        rows += burst(
            int(rng.integers(3, 90)),
            f"user{rng.integers(12)}",
            source,
            at,
            int(rng.integers(1, 900)),
        )
        rows += [
            (at + 40 * i, f"user{i % 14}", source, FAIL) for i in range(int(rng.integers(1, 30)))
        ]
        rows.append((at + int(rng.integers(0, 4000)), f"user{rng.integers(12)}", source, OK))
    rows += [(86_400 + 900 * i, f"p{i}", f"198.51.100.{i}", FAIL) for i in range(40)]
    return log(rows)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 500), cuts=st.lists(st.floats(0, 1), max_size=5))
@example(seed=469, cuts=[0.1875])
def test_cutting_attempts_into_other_batches_changes_nothing(seed, cuts):
    frame = attack_and_work(seed)
    whole, _ = judge(frame)
    pieces: list[pl.DataFrame] = []
    state: State = {}
    edges = [0, *sorted(int(cut * frame.height) for cut in cuts), frame.height]
    for begin, end in pairwise(edges):
        part, state = judge(frame[begin:end], state)
        pieces.append(part)
    split = pl.concat(pieces).sort("uid")
    whole = whole.sort("uid")
    names = ["uid", "rule_uid", "time", "entities", "evidence", "count", "message"]
    assert split.select(names).equals(whole.select(names))
    assert split["surprise"].to_list() == pytest.approx(whole["surprise"].to_list())


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 500))
def test_bursts_are_what_counting_them_one_by_one_gives(seed):
    frame = attack_and_work(seed)
    _, state = judge(frame)
    bursts: dict[tuple[object, ...], Any] = {}
    for time, account, source, status in frame.select(
        "time", "user.name", "src_endpoint.ip", "status_id"
    ).iter_rows():
        if status != FAIL:
            continue
        known = bursts.get((source, account))
        if known and time - known[1] <= timedelta(hours=1) and time.date() == known[1].date():
            bursts[source, account] = (known[0], time, known[2] + 1)
        else:
            bursts[source, account] = (time, time, 1)
    last_day = max(last for _, last, _ in bursts.values()).date()
    expected = {
        (*key, count) for key, (_, last, count) in bursts.items() if last.date() == last_day
    }
    assert set(state["pairs"].select("source", "account", "count").iter_rows()) == expected


def test_batches_without_attempts_or_failures_are_judged():
    empty = log([(0, "ann", "10.0.0.9", OK)]).clear()
    findings, state = judge(empty)
    assert findings.is_empty()
    findings, state = judge([(0, "ann", "10.0.0.9", OK)], state)
    assert findings.is_empty()
    assert judge(empty, state)[0].is_empty()


def test_older_data_that_come_after_newer_are_judged_at_their_own_time():
    year = 365 * 86_400
    _, state = judge(working_days())
    earlier = [(day * 86_400 - year, "ann", "10.0.0.9", FAIL) for day in range(60)]
    findings, state = judge(earlier, state)
    assert findings.is_empty()
    findings, _ = judge(burst(9, begin=-year + 100 * 86_400), state)
    assert rules(findings) == ["auth.guessing"]


def told_twice(rows, late):
    """The attempts as two products record them, the second so many seconds later."""
    first = log(rows).with_columns(pl.lit("windows").alias("metadata.product.name"))
    second = first.with_columns(
        pl.lit("zeek").alias("metadata.product.name"),
        pl.col("time") + pl.duration(milliseconds=int(late * 1000)),
        ("z" + pl.col("metadata.uid")).alias("metadata.uid"),
    )
    return pl.concat([first, second]).sort("time", "metadata.uid")


@pytest.mark.parametrize("late", [0.0, 0.4, 3.0])
def test_what_two_products_record_counts_once(late):
    five, _ = judge(told_twice(burst(5, step=1), late))
    assert rules(five) == []
    ten, _ = judge(told_twice(burst(10, step=1), late))
    assert "8 failed log-ons" in ten["message"][0]
    assert ten["time"][0] == START
    assert ten["end_time"][0] <= START + timedelta(seconds=7 + late)


def test_two_products_that_see_different_attempts_add_up():
    apart = told_twice(burst(6, step=60), late=20)
    findings, _ = judge(apart)
    assert rules(findings) == ["auth.guessing"]


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 80), max_size=4))
def test_echoes_do_not_depend_on_the_cuts(cuts):
    rows = told_twice(burst(20, step=1) + burst(20, account="bob", begin=5, step=2), late=1.5)
    whole, _ = judge(rows)
    parts: list[pl.DataFrame] = []
    state: State = {}
    for begin, end in pairwise([0, *sorted(cuts), rows.height]):
        if end > begin:
            found, state = judge(rows.slice(begin, end - begin), state)
            parts.append(found)
    assert pl.concat(parts).sort("uid")["message"].equals(whole.sort("uid")["message"])
