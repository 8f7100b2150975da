"""Alerts of other products: what is usual, what is not, and that batches do not matter."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.detect import State
from hauberk.detect.products import ProductFindings
from hauberk.events import FINDING_SCHEMA, MAX_EVIDENCE, TIME, EventBatch, EventClass

START = datetime(2024, 3, 4, tzinfo=UTC)
Alert = tuple[float, str, str]  # hours after START, analytic, host


def batch_of(alerts: Sequence[Alert], first: int = 0, **columns: object) -> EventBatch:
    frame = pl.DataFrame(
        {
            "time": pl.Series(
                [START + timedelta(hours=hours) for hours, _, _ in alerts], dtype=TIME
            ),
            "metadata.uid": [f"b:{first + i}" for i in range(len(alerts))],
            "metadata.product.name": ["sensor"] * len(alerts),
            "finding_info.title": pl.Series([name for _, name, _ in alerts], dtype=pl.String),
            "finding_info.analytic.uid": pl.Series(
                [name for _, name, _ in alerts], dtype=pl.String
            ),
            "device.hostname": pl.Series([host for _, _, host in alerts], dtype=pl.String),
        }
    ).with_columns(**{name: pl.lit(value) for name, value in columns.items()})
    return EventBatch("b", {EventClass.DETECTION_FINDING: frame})


def judged(alerts: Sequence[Alert], cuts: Sequence[int] = ()) -> tuple[pl.DataFrame, State]:
    """All findings and the last state, after judging the alerts cut at `cuts`."""
    detector, state = ProductFindings(), dict[str, pl.DataFrame]()
    said: list[pl.DataFrame] = []
    bounds = [0, *sorted(set(cuts)), len(alerts)]
    memory: State = state
    for first, end in itertools.pairwise(bounds):
        findings, memory = detector.judge(batch_of(alerts[first:end], first), memory)
        said.append(findings)
    return pl.concat(said).sort("time", "uid"), memory


def every_hour(name: str, hosts: Sequence[str], hours: int, times: int = 3) -> list[Alert]:
    return [(h + k / 10, name, host) for h in range(hours) for k in range(times) for host in hosts]


def surprise(findings: pl.DataFrame, title: str) -> float:
    return float(findings.filter(pl.col("title") == title)["surprise"].min())  # type: ignore[arg-type]


def test_no_alerts_are_no_findings() -> None:
    findings, state = ProductFindings().judge(EventBatch("b", {}), {})
    assert findings.schema == FINDING_SCHEMA
    assert findings.is_empty()
    assert state == {}


def test_an_alert_that_fires_all_day_everywhere_falls_silent() -> None:
    findings, _ = judged(every_hour("noise", ["a", "b", "c"], 72))
    late = findings.filter(pl.col("time") > START + timedelta(hours=48))
    assert late.is_empty()


def test_a_type_never_seen_before_is_surprising_after_days_and_not_at_first() -> None:
    noise = every_hour("noise", ["a", "b", "c"], 96)
    late, _ = judged(sorted([*noise, (95.5, "never seen", "a")]))
    early, _ = judged(sorted([*noise, (0.5, "never seen", "a")]))
    assert surprise(late, "never seen") < 0.02
    assert surprise(early, "never seen") > 0.1


def test_the_first_time_on_a_host_is_surprising_and_says_so() -> None:
    usual = every_hour("noise", ["a", "b", "c", "d"], 96)
    elsewhere = [(12.5, "odd", "b"), (40.5, "odd", "b"), (41.5, "odd", "c")]
    findings, _ = judged(sorted([*usual, *elsewhere, (95.5, "odd", "a")]))
    new = findings.filter((pl.col("title") == "odd") & pl.col("entities").list.contains("host:a"))
    assert new["surprise"][0] < 0.02
    reason = new["reasons"][0][0]["text"]
    assert "first time this alert was raised on a" in reason
    assert "3 hours on 2 other hosts" in reason


def test_a_rate_far_above_its_own_history_is_surprising() -> None:
    usual = every_hour("noise", ["a", "b"], 96, times=2)
    storm = [(95.2 + i / 10_000, "noise", "a") for i in range(500)]
    findings, _ = judged(sorted([*usual, *storm]))
    loud = findings.filter(pl.col("count") > 100)
    assert loud.height == 1
    assert loud["surprise"][0] < 0.02
    assert len(loud["evidence"][0]) == MAX_EVIDENCE


def test_a_repeated_attack_buys_silence_slowly() -> None:
    usual = every_hour("noise", ["a", "b", "c"], 96)
    again = [(72.5 + hour, "never seen", "a") for hour in range(24)]
    findings, _ = judged(sorted([*usual, *again]))
    told = findings.filter(pl.col("title") == "never seen").sort("time")["surprise"]
    assert told[3] < 0.05


def test_severity_is_a_mild_prior() -> None:
    alerts = [*every_hour("noise", ["a"], 48), (47.9, "odd", "a")]
    told = []
    for severity in (1, 5):
        findings, _ = ProductFindings().judge(batch_of(alerts, severity_id=severity), {})
        told.append(surprise(findings, "odd"))
    assert told[1] < told[0] < 100 * told[1]


def test_bits_of_the_reasons_add_up_to_the_surprise() -> None:
    findings, _ = judged(sorted([*every_hour("noise", ["a"], 48), (47.5, "odd", "a")]))
    for row in findings.iter_rows(named=True):
        bits = sum(reason["bits"] for reason in row["reasons"])
        assert 2.0**-bits == pytest.approx(row["surprise"])


def test_no_surprise_is_smaller_than_the_history_allows() -> None:
    hours, hosts = 200, ["a", "b"]
    findings, _ = judged(sorted([*every_hour("n", hosts, hours), (hours - 0.5, "odd", "a")]))
    assert findings["surprise"].min() >= 1 / (hours * len(hosts) + 24 + 1)  # type: ignore[operator]
    assert findings["surprise"].max() <= 1  # type: ignore[operator]


def test_techniques_of_the_product_come_before_those_of_the_title() -> None:
    frame = batch_of([(0.0, "Web shell activity", "a")])
    findings, _ = ProductFindings().judge(frame, {})
    assert findings["techniques"][0].to_list() == ["T1505.003"]
    named = frame.tables[EventClass.DETECTION_FINDING].with_columns(
        pl.Series("finding_info.attacks", [["t1059", "no technique"]])
    )
    findings, _ = ProductFindings().judge(
        EventBatch("b", {EventClass.DETECTION_FINDING: named}), {}
    )
    assert findings["techniques"][0].to_list() == ["T1059"]


def test_without_a_host_the_inner_address_is_what_it_is_about() -> None:
    frame = pl.DataFrame(
        {
            "time": pl.Series([START], dtype=TIME),
            "finding_info.title": ["scan"],
            "src_endpoint.ip": ["8.8.4.4"],
            "dst_endpoint.ip": ["10.0.0.7"],
        }
    )
    findings, _ = ProductFindings().judge(
        EventBatch("b", {EventClass.DETECTION_FINDING: frame}), {}
    )
    assert findings["entities"][0].to_list() == ["ip:10.0.0.7", "ip:8.8.4.4"]


alert_lists = st.lists(
    st.tuples(
        st.integers(0, 60 * 80).map(lambda minutes: minutes / 60),
        st.sampled_from(["one", "two", "three"]),
        st.sampled_from(["a", "b", ""]),
    ),
    min_size=1,
    max_size=60,
).map(sorted)


def test_a_flood_of_new_alerts_is_bounded_and_numbers_in_titles_make_no_new_types() -> None:
    flood = [(0.5, f"kind {'x' * (i % 60)}{chr(97 + i // 60 % 26)}{i // 1560}", "a")
             for i in range(3000)]  # fmt: skip
    findings, _ = judged(flood)
    assert findings.height == 1000
    frame = batch_of([(0.1, f"port {i} probed", "a") for i in range(500)])
    nameless = frame.tables[EventClass.DETECTION_FINDING].drop("finding_info.analytic.uid")
    findings, _ = ProductFindings().judge(
        EventBatch("b", {EventClass.DETECTION_FINDING: nameless}), {}
    )
    assert findings["count"].to_list() == [500]


def test_an_hour_that_goes_on_is_told_again_only_when_it_grew_stranger() -> None:
    usual = every_hour("noise", ["a", "b"], 96, times=2)
    storm = [(96.2 + i / 10_000, "noise", "a") for i in range(300)]
    findings, _ = judged([*usual, *storm], [len(usual) + 10, len(usual) + 200, len(usual) + 250])
    told = findings.filter(pl.col("time") > START + timedelta(hours=96)).sort("count")
    assert told["surprise"].is_sorted(descending=True)
    assert 1 <= told.height <= 3
    assert told["count"][-1] >= 200


def test_an_alert_that_comes_after_its_hour_ended_is_told_apart() -> None:
    usual = every_hour("noise", ["a"], 72)
    _, state = judged(sorted([*usual, (60.5, "odd", "a")]))
    again, _ = ProductFindings().judge(batch_of([(60.7, "odd", "a")], 9_000), state)
    first, _ = judged(sorted([*usual, (60.5, "odd", "a")]))
    assert again.height == 1
    assert again["uid"][0] not in first["uid"].to_list()


def test_a_broken_clock_does_not_move_the_watch() -> None:
    usual = every_hour("noise", ["a"], 24)
    _, before = judged(usual)
    _, after = ProductFindings().judge(batch_of([(500_000.0, "noise", "a")], 9_000), before)
    assert after["clock"]["hour"][0] - before["clock"]["hour"][0] == 1


@settings(max_examples=60, deadline=None)
@given(alert_lists, st.lists(st.integers(1, 59), max_size=4))
def test_findings_and_state_do_not_depend_on_how_alerts_were_cut(
    alerts: list[Alert], cuts: list[int]
) -> None:
    whole, state = judged(alerts)
    pieces, state_of_pieces = judged(alerts, [cut for cut in cuts if cut < len(alerts)])
    # A cut may report an hour before its end; whatever the whole says is said by then as well, or
    # was said within a bit of it, and nothing is said twice.
    assert pieces["uid"].is_unique().all()
    hour = pl.col("time").dt.truncate("1h")
    keys = ["rule_uid", "place", "hour"]
    about = [pl.col("entities").list.join(",").alias("place"), hour.alias("hour")]
    told = pieces.with_columns(about).group_by(keys).agg(pl.col("surprise").min())
    both = whole.with_columns(about).join(told, on=keys, how="left")
    assert (both["surprise_right"] < both["surprise"] * 2 * 1.000001).all()
    for name in ("clock", "pairs", "analytics", "seats", "products"):
        keys = [key for key in ("product", "analytic", "entity") if key in state[name].columns]
        assert (
            state[name].sort(keys).equals(state_of_pieces[name].sort(keys))
            if keys
            else (state[name].equals(state_of_pieces[name]))
        )
