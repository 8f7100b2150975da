from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.detect import State
from hauberk.detect.behaviour import memory as memory_module
from hauberk.detect.behaviour import processes, rarity
from hauberk.events import FINDING_SCHEMA, EventBatch, EventClass

START = datetime(2026, 1, 5, 8, tzinfo=UTC)


def starts(rows):
    """Process starts from (minutes, host, parent, child) tuples."""
    return pl.DataFrame(
        {
            "time": [START + timedelta(minutes=row[0]) for row in rows],
            "metadata.uid": [f"b:{i}" for i in range(len(rows))],
            "activity_id": pl.Series([1] * len(rows), dtype=pl.Int32),
            "device.hostname": [row[1] for row in rows],
            "process.parent_process.file.path": [row[2] for row in rows],
            "process.file.path": [row[3] for row in rows],
        },
        schema_overrides={"time": pl.Datetime("us", "UTC")},
    )


def judge(frame, state=None, detector=None):
    detector = detector or processes.detector()
    return detector.judge(EventBatch("b", {EventClass.PROCESS_ACTIVITY: frame}), state or {})


def ordinary(hours=400, seed=1):
    rng = np.random.default_rng(seed)
    return [
        (
            60 * hour + minute,
            f"ws{rng.integers(3)}.corp.local",
            rf"C:\Windows\System32\parent{parent}.exe",
            rf"C:\Program Files\App\child{parent}{rng.integers(3)}.exe",
        )
        for hour in range(hours)
        for minute, parent in enumerate(rng.integers(0, 4, 4))
    ]


def test_a_child_that_a_parent_never_started_is_found_and_told_in_numbers():
    rows = [*ordinary(), (60 * 401, "ws1", r"C:\Windows\System32\parent1.exe", r"C:\evil\x.exe")]
    findings, _ = judge(starts(rows))
    said = findings.filter(pl.col("rule_uid") == "rarity.parent-child", pl.col("surprise") < 0.003)
    assert findings.schema == FINDING_SCHEMA
    assert said["evidence"].to_list() == [[f"b:{len(rows) - 1}"]]
    message = said["message"][0]
    assert message.startswith(r"parent1.exe had never started c:\evil\x.exe before (0 of ")
    assert said["entities"].to_list() == [["host:ws1"]]
    assert said["surprise"][0] >= 1 / len(rows)


def test_without_a_past_nothing_is_rare():
    findings, _ = judge(starts(ordinary(hours=10)))
    assert findings.is_empty()


def test_a_baseline_judged_first_makes_known_things_ordinary():
    rows = ordinary()
    strange = (r"C:\Windows\System32\parent1.exe", r"C:\odd\x.exe")
    _, known = judge(starts([*rows, *((60 * h, "ws1", *strange) for h in range(400, 410))]))
    _, unknown = judge(starts(rows))
    event = starts([(60 * 500, "ws1", *strange)])
    assert judge(event, known)[0].is_empty()
    assert not judge(event, unknown)[0].is_empty()


def test_users_versions_and_temp_names_are_no_novelty():
    rows = ordinary()
    home = r"C:\Users\{}\AppData\Local\Temp\{}.exe"
    rows += [
        (60 * (400 + i), "ws1", r"C:\Windows\explorer.exe", home.format(f"user{i}", f"tmp{i}a"))
        for i in range(20)
    ]
    findings, _ = judge(starts(rows))
    told = findings.filter(pl.col("message").str.contains("explorer.exe"))
    assert told.filter(pl.col("rule_uid") == "rarity.parent-child").height <= rarity.FAMILIAR


def test_repeats_within_an_hour_are_one_finding_and_buy_no_silence():
    strange = ("ws1", r"C:\Windows\System32\parent1.exe", r"C:\evil\x.exe")
    rows = [*ordinary(), *((60 * 401 + i / 100, *strange) for i in range(3000))]
    findings, state = judge(starts(rows))
    said = findings.filter(pl.col("message").str.contains("evil"))
    assert said.filter(pl.col("rule_uid") == "rarity.parent-child").height == 1
    pairs = state["rarity.parent-child.pairs"].filter(pl.col("object").str.contains("evil"))
    assert pairs["tiles"].to_list() == [1]


def test_findings_of_one_host_and_hour_are_held_to_measure():
    rows = ordinary(hours=1500)
    parent = r"C:\Windows\System32\parent1.exe"
    rows += [
        (60 * 1501 + i / 100, "ws1", parent, rf"C:\evil\{chr(97 + i % 26)}{i}.exe")
        for i in range(90)
    ]
    findings, _ = judge(starts(rows))
    told = findings.filter(pl.col("time") >= START + timedelta(hours=1501))
    assert rarity.SAID_FREELY <= told.height <= 2 * rarity.SAID_FREELY


def test_events_without_names_or_time_are_passed_over():
    frame = starts([(0, "ws1", None, None), (1, None, "", "-"), (2, "h", "a.exe", "b.exe")])
    frame = frame.with_columns(
        pl.when(pl.int_range(pl.len()) < 2).then("time").otherwise(None).alias("time")
    )
    findings, state = judge(frame)
    assert findings.is_empty()
    assert state["rarity.parent-child.pairs"].is_empty()


def test_names_that_an_attacker_makes_up_do_not_grow_the_memory(monkeypatch):
    for name, value in {
        "EPOCH": 256,
        "MAX_PAIRS": 600,
        "MAX_NAMES": 300,
        "MAX_OBJECTS_OF_ONE": 100,
    }.items():
        monkeypatch.setattr(memory_module, name, value)
    monkeypatch.setattr(rarity, "EPOCH", 256)
    _, state = judge(starts(ordinary()))
    made_up = [
        (
            60 * 401 + i / 1000,
            "ws1",
            r"C:\p\parent1.exe",
            rf"C:\x\n{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}q{i % 97}.exe",
        )
        for i in range(3000)
    ]
    _, state = judge(starts(made_up), state)
    pairs = state["rarity.parent-child.pairs"]
    assert pairs.height <= 600 + 256
    assert pairs.filter(pl.col("object").str.contains("child")).height == 12


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(0, 1600), max_size=5))
def test_cutting_events_into_other_batches_changes_nothing(seed, cuts):
    rng = np.random.default_rng(seed)
    rows = ordinary(hours=350, seed=seed)
    rows += [
        (
            float(rng.uniform(0, 60 * 400)),
            f"ws{rng.integers(3)}",
            r"C:\p\parent2.exe",
            rf"C:\e\{chr(97 + i)}.exe",
        )
        for i in range(26)
    ]
    frame = starts(rows).sort("time", maintain_order=True)
    whole, _ = judge(frame)
    pieces: list[pl.DataFrame] = []
    state: State = {}
    for begin, end in pairwise([0, *sorted(min(c, frame.height) for c in cuts), frame.height]):
        part, state = judge(frame[begin:end], state)
        pieces.append(part)
    split = pl.concat(pieces)
    names = ["rule_uid", "entities", "evidence", "message"]
    assert split.sort("uid").select(names).equals(whole.sort("uid").select(names))
    assert split.sort("uid")["surprise"].to_list() == pytest.approx(
        whole.sort("uid")["surprise"].to_list()
    )


def test_evictions_do_not_depend_on_batches_either(monkeypatch):
    for name, value in {"EPOCH": 128, "MAX_PAIRS": 60, "MAX_NAMES": 40}.items():
        monkeypatch.setattr(memory_module, name, value)
    monkeypatch.setattr(rarity, "EPOCH", 128)
    rows = ordinary(hours=250)
    rows += [
        (60 * 8 * i + 30, "ws1", r"C:\p\parent1.exe", rf"C:\e\{chr(97 + i)}.exe") for i in range(26)
    ]
    frame = starts(rows).sort("time", maintain_order=True)
    whole, after = judge(frame)
    pieces: list[pl.DataFrame] = []
    state: State = {}
    for begin, end in pairwise([0, 100, 128, 129, 500, 501, frame.height]):
        part, state = judge(frame[begin:end], state)
        pieces.append(part)
    assert pl.concat(pieces).sort("uid").equals(whole.sort("uid"))
    for name, table in after.items():
        assert state[name].sort(table.columns[:2]).equals(table.sort(table.columns[:2]))


def test_the_same_world_gives_as_many_alarms_as_p_promises():
    rng = np.random.default_rng(11)
    rows = []
    for hour in range(1500):
        for minute in range(12):
            parent = int(min(rng.zipf(1.5), 40))
            child = int(min(rng.zipf(1.3), 400))
            rows.append(
                (
                    60 * hour + minute,
                    f"h{rng.integers(20)}",
                    rf"C:\p\parent{parent}.exe",
                    f"C:\\c\\child{child % 97}x{chr(97 + child % 26)}.exe",
                )
            )
    findings, _ = judge(starts(rows))
    tiles = len(rows)
    said = findings.filter(pl.col("rule_uid") == "rarity.parent-child")
    assert said.height <= 1.5 * rarity.REPORT_AT * tiles
    assert said.filter(pl.col("surprise") <= 0.001).height <= 3 * 0.001 * tiles


def test_older_data_that_come_after_newer_count_in_their_own_hours():
    pair = ("ws1", r"C:\p\parent1.exe", r"C:\c\child1.exe")
    _, state = judge(starts([(0, *pair)]))
    _, state = judge(starts([(60 * (hour - 9000), *pair) for hour in range(5)]), state)
    assert state["rarity.parent-child.pairs"]["tiles"].to_list() == [6]
