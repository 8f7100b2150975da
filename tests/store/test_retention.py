"""What is older than it is kept leaves by whole days, and `verify` takes exactly that for gone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, select

from hauberk.errors import HomeDamagedError, UsageError
from hauberk.events import EventClass
from hauberk.store import (
    Commit,
    Home,
    Kept,
    Policy,
    Retained,
    cutoff,
    read_policy,
    read_settings,
    tables,
    verify,
)

FullCommit = Callable[..., Commit]
NOW = datetime(2024, 6, 1, 15, tzinfo=UTC)
OLD = datetime(2024, 3, 1, 12, tzinfo=UTC)
NEW = datetime(2024, 5, 30, 12, tzinfo=UTC)
DAYS = Policy(default=30)


def none(kind: str = "uid") -> pl.Series:
    return pl.Series(kind, [], dtype=pl.String)


def kept(home: Home, **changed: Any) -> Kept:
    return replace(Kept(none(), none(), home.records.states()), **changed)


class Clock:
    def __init__(self) -> None:
        self.now = OLD

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def home(home_path: Path, full_commit: FullCommit, engine: str) -> Any:
    """A home of an old commit and a new one, each with some of everything."""
    clock = Clock()
    with Home.open(home_path, clock=clock) as home:
        home.commit(full_commit("old", start=OLD))
        clock.now = NEW
        home.commit(full_commit("new", start=NEW))
        clock.now = NOW
        yield home


def uids(home: Home) -> set[str]:
    found: set[str] = set()
    for event_class in home.lake.event_classes():
        found.update(home.lake.scan(event_class, ["metadata.uid"]).collect()["metadata.uid"])
    return found


def lake_files(home: Home) -> set[str]:
    return {str(path.relative_to(home.path)) for path in home.path.rglob("lake/**/*.parquet")}


def test_old_days_go_and_new_ones_stay(home: Home) -> None:
    before = uids(home)
    assert home.retain(DAYS, kept(home)).commit == 3
    assert uids(home) == {uid for uid in before if uid.startswith("new")}
    assert home.records.findings().height == 4
    assert verify(home.path).ok
    home.vacuum()
    assert not [path for path in lake_files(home) if "2024-03" in path]
    assert verify(home.path).ok
    table = pl.scan_delta(str(home.path / "lake" / "authentication")).collect()
    assert table.height == 15
    assert home.records.has_batch("old")  # what was read is not read again


def test_a_dry_run_says_what_a_run_does_and_changes_nothing(home: Home) -> None:
    policy = replace(DAYS, dead_letters=30)
    before = lake_files(home)
    said = home.retain(policy, kept(home), dry_run=True)
    assert said.commit is None
    assert home.records.last_commit() == 2
    done = home.retain(policy, kept(home))
    assert [(one.table, one.rows, one.files, one.oldest) for one in said.leaving] == [
        ("authentication", 15, 1, "2024-05-30"),
        ("network_activity", 5, 1, "2024-05-31"),
        ("dead_letters", 1, 1, ""),
    ]
    assert done.leaving == said.leaving
    assert all(one.bytes > 0 for one in said.leaving)
    assert lake_files(home) == before


def test_nothing_old_is_no_commit(home: Home) -> None:
    assert home.retain(Policy(), kept(home)) == Retained([])
    assert home.retain(Policy(default=200), kept(home)) == Retained([])
    assert home.records.last_commit() == 2


def test_a_class_of_its_own_days_goes_by_them(home: Home) -> None:
    home.retain(Policy(None, {EventClass.NETWORK_ACTIVITY: 30}), kept(home))
    assert {uid for uid in uids(home) if uid.startswith("old")} == {f"old:{n}" for n in range(15)}


def test_evidence_that_is_kept_outlives_its_day_and_leaves_when_it_is_kept_no_more(
    home: Home,
) -> None:
    evidence = pl.Series("uid", ["old:3", "old:n:1", "gone:1"])
    raw = {uid: row["raw_data"] for uid in ("old:3",) for frame in home.lake.get([uid]).values()
           for row in frame.to_dicts()}  # fmt: skip
    home.retain(DAYS, kept(home, events=evidence))
    assert {uid for uid in uids(home) if uid.startswith("old")} == {"old:3", "old:n:1"}
    (found,) = home.lake.get(["old:3"]).values()
    assert found["raw_data"].to_list() == [raw["old:3"]]
    assert verify(home.path).ok
    assert home.retain(DAYS, kept(home, events=evidence)) == Retained([])
    home.vacuum()
    home.retain(DAYS, kept(home))
    home.vacuum()
    assert {uid for uid in uids(home) if uid.startswith("old")} == set()
    assert verify(home.path).ok


def test_findings_and_incidents_go_together(home: Home) -> None:
    policy = Policy(incidents=30)
    home.retain(policy, kept(home, incidents=["i-old"], findings=pl.Series("uid", ["f1-old"])))
    assert [one.uid for one in home.records.incidents()] == ["i-new"]
    # All findings of these commits are old; one of them was kept.
    assert home.records.findings()["uid"].to_list() == ["f1-old"]
    assert verify(home.path).ok


def test_states_that_nobody_needs_go_with_their_files(home: Home) -> None:
    home.retain(Policy(), kept(home, states={("rarity", 2)}))
    assert home.records.states() == [("rarity", 2)]
    assert home.records.state("rarity")["seen"]["value"].to_list() == ["new"]
    assert verify(home.path).ok
    assert home.vacuum()[0] == 1
    assert [path.name for path in (home.path / "states").iterdir()] == ["0000000002"]
    assert verify(home.path).ok


def test_dead_letters_go_by_the_time_of_their_commit(home: Home) -> None:
    home.retain(Policy(dead_letters=30), kept(home))
    home.vacuum()
    assert home.records.dead_letters().collect()["batch_id"].to_list() == ["new"]
    assert verify(home.path).ok


def test_undated_events_are_as_old_as_their_commit(
    home_path: Path, full_commit: FullCommit
) -> None:
    clock = Clock()
    with Home.open(home_path, clock=clock) as home:
        for name, when in (("old", OLD), ("new", NEW)):
            clock.now = when
            commit = full_commit(name)
            tables = {
                event_class: frame.with_columns(
                    pl.lit(None, pl.Datetime("us", "UTC")).alias("time")
                )
                for event_class, frame in commit.tables.items()
            }
            home.commit(replace(commit, tables=tables))
        clock.now = NOW
        home.retain(DAYS, kept(home))
        assert {uid[:3] for uid in uids(home)} == {"new"}
    assert verify(home_path).ok


def test_files_wait_for_readers_before_they_are_deleted(home: Home) -> None:
    before = lake_files(home)
    home.retain(DAYS, kept(home))
    assert home.vacuum(NOW - timedelta(minutes=15)) == (0, 0)
    assert lake_files(home) == before
    count, size = home.vacuum(NOW + timedelta(minutes=15))
    assert count == 2
    assert size > 0
    assert home.vacuum() == (0, 0)


def test_retention_and_compaction_go_together(home: Home, full_commit: FullCommit) -> None:
    home.commit(full_commit("more", start=NEW))
    home.commit(full_commit("past", start=OLD))
    home.retain(DAYS, kept(home, events=pl.Series("uid", ["old:1", "past:2"])))
    assert home.lake.compact() is not None
    assert verify(home.path).ok
    home.lake.compact()
    home.retain(DAYS, kept(home, events=pl.Series("uid", ["past:2"])))
    home.vacuum()
    assert {uid for uid in uids(home) if uid[:3] in ("old", "pas")} == {"past:2"}
    assert verify(home.path).ok


@pytest.mark.parametrize("pattern", ["lake/*/day=2024-05*/*.parquet", "states/*/*.arrow",
                                     "dead-letters/*.parquet"])  # fmt: skip
def test_a_file_that_no_retention_names_is_still_missed(home: Home, pattern: str) -> None:
    home.retain(replace(DAYS, dead_letters=30), kept(home, states={("rarity", 2)}))
    home.vacuum()
    assert verify(home.path).ok
    file = min(home.path.glob(pattern))
    file.unlink()
    assert [one.kind for one in verify(home.path).faults] == ["missing"]


def test_a_file_that_is_not_what_was_written_is_not_removed_in_silence(home: Home) -> None:
    file = min(home.path.glob("lake/authentication/day=2024-03-01/*.parquet"))
    data = bytearray(file.read_bytes())
    data[10] ^= 1
    file.write_bytes(data)
    with pytest.raises(HomeDamagedError, match="not what was written"):
        home.retain(DAYS, kept(home))
    assert home.records.last_commit() == 2
    assert [one.kind for one in verify(home.path).faults] == ["changed"]


def test_a_removal_that_names_something_else_is_not_followed(home: Home) -> None:
    secret = home.path / "hauberk.toml"
    secret.write_text("")
    with home._engine.begin() as connection:
        row = insert(tables.removals).values(path="lake/../hauberk.toml", number=1)
        connection.execute(row)
    with pytest.raises(HomeDamagedError, match="is to be deleted"):
        home.vacuum()
    assert secret.exists()


def test_the_row_of_a_compacted_file_goes_with_the_file(home: Home) -> None:
    home.lake.compact()
    home.vacuum()
    with home._engine.connect() as connection:
        query = select(func.count()).where(tables.files.c.replaced_by.is_not(None))
        assert connection.execute(query).scalar() == 0
    assert verify(home.path).ok


def test_a_retention_that_fails_leaves_the_home_as_before(
    home_path: Path, full_commit: FullCommit, engine: str
) -> None:
    clock, left = Clock(), [0]

    def fail(_step: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise RuntimeError("boom")

    with Home.open(home_path, clock=clock, reach=fail) as home:
        home.commit(full_commit("old", start=OLD))
        clock.now = NOW
        evidence = pl.Series("uid", ["old:3"])
        step, done = 0, False
        while not done:
            step += 1
            left[0] = step
            try:
                home.retain(DAYS, kept(home, events=evidence))
                done = True
            except RuntimeError:
                # The last step says that the commit is made.
                made = home.records.last_commit() == 2
                assert len(uids(home)) == (1 if made else 20)
                done = made
            assert verify(home_path).ok
        assert step > 5


@given(days=st.integers(1, 400), seconds=st.integers(0, 10**8))
def test_a_cut_is_the_start_of_a_day_and_never_too_late(days: int, seconds: int) -> None:
    now = OLD + timedelta(seconds=seconds)
    first = cutoff(days, now)
    assert first is not None
    assert first == first.replace(hour=0, minute=0, second=0, microsecond=0)
    assert timedelta(days=days) <= now - first < timedelta(days=days + 1)


def test_settings_say_days_by_class(tmp_path: Path) -> None:
    file = tmp_path / "hauberk.toml"
    file.write_text("[retention]\ndefault = 90\nnetwork_activity = 30\nincidents = 365\n")
    policy = read_policy(read_settings(file).table("retention"))
    assert policy == Policy(90, {EventClass.NETWORK_ACTIVITY: 30}, None, 365)
    assert policy.cutoff("network_activity", NOW) == datetime(2024, 5, 2, tzinfo=UTC)
    assert policy.cutoff("authentication", NOW) == datetime(2024, 3, 3, tzinfo=UTC)
    assert policy.oldest(NOW) == datetime(2024, 3, 3, tzinfo=UTC)
    assert Policy(None, {EventClass.NETWORK_ACTIVITY: 30}).oldest(NOW) is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("netwrok_activity = 3", "line 2.*Did you mean network_activity"),
        ("default = 0", "whole number from 1"),
        ('default = "90d"', "whole number"),
    ],
)
def test_settings_that_mean_nothing_are_told(tmp_path: Path, said: str, told: str) -> None:
    file = tmp_path / "hauberk.toml"
    file.write_text(f"[retention]\n{said}\n")
    with pytest.raises(UsageError, match=told):
        read_policy(read_settings(file).table("retention"))
