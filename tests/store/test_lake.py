"""The lake is read by class, columns and time, in pieces of bounded size."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import EventClass, schema
from hauberk.store import BatchEntry, Commit, Home, lake_files, merging, verify
from hauberk.store.merging import content_digest

AUTH = EventClass.AUTHENTICATION
START = datetime(2024, 3, 1, tzinfo=UTC)


def timed(batch: str, times: list[datetime | None]) -> Commit:
    entry = BatchEntry(batch, "f", 0, 1, "00", batch, "auth", "1", len(times), len(times))
    frame = pl.DataFrame(
        {
            "time": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
            "metadata.uid": [f"{batch}:{i}" for i in range(len(times))],
        }
    )
    return Commit(batches=[entry], tables={AUTH: frame})


def uids(frame: pl.LazyFrame) -> list[str]:
    return sorted(frame.collect()["metadata.uid"].to_list())


def test_undated_and_impossible_times_have_a_partition_of_their_own(
    home_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake_files, "DAY_ROWS", 1)
    broken = datetime(1970, 1, 1, tzinfo=UTC)
    with Home.open(home_path) as home:
        home.commit(timed("a", [None, broken, START, START + timedelta(days=1)]))
        days = {path.name for path in (home_path / "lake" / "authentication").glob("day=*")}
        assert days == {"day=unknown", "day=2024-03-01", "day=2024-03-02"}
        assert home.lake.time_range() == (START, START + timedelta(days=1))
        assert len(uids(home.lake.scan(AUTH, ["metadata.uid"]))) == 4
        assert sum(piece.events for piece in home.lake.time_slices(10)) == 2
        assert uids(home.lake.scan(AUTH, ["metadata.uid"], undated=True)) == ["a:0", "a:1"]
    assert verify(home_path).ok


def test_a_year_that_no_calendar_has_is_kept_as_it_came(home_path: Path) -> None:
    frame = pl.DataFrame({"time": [2**62]}).select(
        pl.col("time").cast(pl.Datetime("us", "UTC")), pl.lit("a:0").alias("metadata.uid")
    )
    commit = timed("a", [None])
    with Home.open(home_path) as home:
        home.commit(Commit(batches=commit.batches, tables={AUTH: frame}))
        kept = home.lake.scan(AUTH, ["time"]).select(pl.col("time").to_physical()).collect()
        assert kept["time"].to_list() == [2**62]
        assert home.lake.time_range() is None
        assert home.lake.time_slices(10) == []
    assert verify(home_path).ok


def test_a_log_that_names_another_day_in_every_line_makes_few_files(
    home_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake_files, "MAX_DAYS", 3)
    monkeypatch.setattr(lake_files, "DAY_ROWS", 1)
    times: list[datetime | None] = [START + timedelta(days=i) for i in range(30)]
    with Home.open(home_path) as home:
        home.commit(timed("a", times))
        assert len(list((home_path / "lake").rglob("*.parquet"))) == 4
        piece = home.lake.scan(AUTH, since=START + timedelta(days=9), until=times[11])
        assert uids(piece) == ["a:10", "a:9"]
        assert home.lake.time_range() == (times[0], times[-1])


def test_days_of_few_events_share_a_file(home_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_files, "DAY_ROWS", 3)
    days = [START + timedelta(days=i) for i in range(4)]
    times: list[datetime | None] = [None, *[days[1]] * 3, days[0], days[2], days[2], days[3]]
    with Home.open(home_path) as home:
        home.commit(timed("a", times))
        names = {path.name for path in (home_path / "lake" / "authentication").glob("day=*")}
        assert names == {"day=unknown", "day=2024-03-02", "day=mixed"}
        assert uids(home.lake.scan(AUTH, ["metadata.uid"], days[2], days[3])) == ["a:5", "a:6"]
        assert uids(home.lake.scan(AUTH, ["metadata.uid"], days[0], days[1])) == ["a:4"]
        assert home.lake.time_range() == (days[0], days[3])
    assert verify(home_path).ok


def test_a_scan_reads_the_columns_and_the_time_that_were_asked_for(home_path: Path) -> None:
    times: list[datetime | None] = [START + timedelta(hours=i) for i in range(72)]
    with Home.open(home_path) as home:
        home.commit(timed("a", times))
        home.commit(timed("b", times[:1]))
        frame = home.lake.scan(AUTH, ["metadata.uid", "time"], times[30], times[32]).collect()
        assert frame.columns == ["metadata.uid", "time"]
        assert sorted(frame["metadata.uid"]) == ["a:30", "a:31"]
        assert uids(home.lake.scan(AUTH, after_commit=1)) == ["b:0"]
        assert home.lake.scan(AUTH).collect().schema == schema(AUTH)
        nothing = home.lake.scan(EventClass.DNS_ACTIVITY).collect()
        assert nothing.schema == schema(EventClass.DNS_ACTIVITY)
        assert home.lake.event_classes() == [AUTH]


def test_events_are_found_by_uid_wherever_they_lie(
    home_path: Path, full_commit: Callable[..., Commit]
) -> None:
    with Home.open(home_path) as home:
        for name in ("a", "b", "c"):
            home.commit(full_commit(name))
        wanted = ["a:3", "c:1", "c:n:0", "x:1", "nonsense", "a:999"]
        for _ in range(2):
            found = home.lake.get(wanted)
            assert {
                key: frame["metadata.uid"].sort().to_list() for key, frame in found.items()
            } == {
                AUTH: ["a:3", "c:1"],
                EventClass.NETWORK_ACTIVITY: ["c:n:0"],
            }
            assert found[AUTH].schema == schema(AUTH)
            home.lake.compact()
        assert home.lake.get([]) == {}


def test_compaction_merges_files_and_the_home_still_verifies(
    home_path: Path, full_commit: Callable[..., Commit]
) -> None:
    with Home.open(home_path) as home:
        for i in range(6):
            home.commit(full_commit(f"n{i}"))
        before = home.lake.scan(AUTH).sort("metadata.uid").collect()
        assert home.lake.compact() == 7
        assert home.lake.compact() is None
        assert verify(home_path).ok
        assert home.lake.scan(AUTH).sort("metadata.uid").collect().equals(before)
        assert len(list((home_path / "lake").rglob("*.parquet"))) == 3
        assert DeltaTable(home_path / "lake" / "authentication").count() == before.height
        assert home.records.findings().height == 12
        (entry,) = [one for one in home.ledger.entries() if one["type"] == "compaction"]
        merged = entry["merged"]
        assert isinstance(merged, list)
        assert {one["table"]: len(one["replaced"]) for one in merged}["authentication"] == 6
        home.commit(full_commit("later"))
    assert verify(home_path).ok


def test_commits_go_on_while_files_are_merged_and_like_is_merged_with_like(
    home_path: Path, full_commit: Callable[..., Commit], monkeypatch: pytest.MonkeyPatch
) -> None:
    merge = merging.write_again
    waited: list[bool] = []

    def slowly(*given: Any) -> Any:
        committing = threading.Thread(target=lambda: home.commit(full_commit(f"m{len(waited)}")))
        committing.start()
        committing.join(60)
        waited.append(committing.is_alive())
        return merge(*given)

    monkeypatch.setattr(merging, "write_again", slowly)
    with Home.open(home_path) as home:
        for i in range(3):
            home.commit(full_commit(f"n{i}"))
        before = home.lake.count()
        assert home.lake.compact(least=4) is None
        assert home.lake.compact() is not None
        assert waited
        assert not any(waited)
        assert home.lake.count() == before // 3 * (3 + len(waited))
        assert not (home_path / "merging").exists()
    assert verify(home_path).ok


def test_compaction_does_not_launder_a_changed_file(
    home_path: Path, full_commit: Callable[..., Commit]
) -> None:
    with Home.open(home_path) as home:
        for name in ("a", "b"):
            home.commit(full_commit(name))
        file = min((home_path / "lake" / "authentication").rglob("*.parquet"))
        other = pl.read_parquet(file, hive_partitioning=False).with_columns(
            pl.lit("mallory").alias("actor.user.name")
        )
        other.write_parquet(file)
        with pytest.raises(Exception, match="not what was written"):
            home.lake.compact()
        assert home.lake.count() == 40


times = st.lists(
    st.one_of(
        st.integers(0, 3 * 86_400 * 1_000_000).map(lambda n: START + timedelta(microseconds=n)),
        st.sampled_from([START, START + timedelta(microseconds=1)]),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=20, deadline=None)
@given(times, st.integers(1, 20))
def test_slices_part_the_lake_in_order_of_time_and_lose_nothing(
    tmp_path_factory: pytest.TempPathFactory, values: list[datetime], most: int
) -> None:
    path = tmp_path_factory.mktemp("slices") / "home"
    with Home.open(path) as home:
        home.commit(timed("a", list(values)))
        pieces = home.lake.time_slices(most)
        ends = [moment for piece in pieces for moment in (piece.since, piece.until)]
        assert ends == sorted(ends)
        read: list[str] = []
        for piece in pieces:
            part = home.lake.scan(AUTH, since=piece.since, until=piece.until).collect()
            assert part.height == piece.events
            assert part.height <= most or part["time"].n_unique() == 1
            read.extend(part["metadata.uid"])
        assert sorted(read) == sorted(f"a:{i}" for i in range(len(values)))


def test_what_fits_one_slice_is_cut_where_its_parts_would_be(home_path: Path) -> None:
    moments = [START + timedelta(minutes=7), None, START + timedelta(hours=30, minutes=20)]
    with Home.open(home_path) as home:
        home.commit(timed("a", moments))
        parts = home.lake.time_slices(1)
        (whole,) = home.lake.time_slices(2)
        assert (whole.since, whole.until) == (parts[0].since, parts[-1].until)
        assert whole.events == sum(part.events for part in parts) == 2


def test_slices_of_what_came_after_a_commit_leave_its_history_out(home_path: Path) -> None:
    with Home.open(home_path) as home:
        home.commit(timed("a", [START + timedelta(days=n) for n in range(30)]))
        home.commit(timed("b", [START + timedelta(days=90 + n) for n in range(3)]))
        (whole,) = home.lake.time_slices(3, after_commit=1)
        parts = home.lake.time_slices(1, after_commit=1)
        assert whole.since >= START + timedelta(days=80)
        assert [one.events for one in parts] == [1, 1, 1]
        assert home.lake.time_slices(1, after_commit=2) == []


def test_the_digest_of_rows_is_of_values_not_of_their_layout() -> None:
    frame = pl.DataFrame(
        {
            "text": ["a", None, "a long text that no view holds inline", ""],
            "list": [["x", None], [], None, ["y"]],
            "struct": [{"a": 1, "b": "t"}, None, {"a": None, "b": "u"}, {"a": 2, "b": None}],
            "flag": [True, None, False, True],
            "number": [1.5, None, -0.5, 2.0],
            "bytes": [b"\x00", b"", None, b"long enough to be out of line"],
        }
    )
    halves = pl.concat([frame[:2], frame[2:]], rechunk=False)
    assert content_digest(halves) == content_digest(frame)
    assert content_digest(frame.reverse().reverse()) == content_digest(frame)
    for column in frame.columns:
        changed = frame.with_columns(pl.col(column).shift(1))
        assert content_digest(changed) != content_digest(frame)
