"""A home is made, opened, locked, committed to and read again."""

import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.errors import HomeBusyError, HomeDamagedError, UsageError
from hauberk.events import FINDING_SCHEMA, EventClass, findings_frame
from hauberk.store import Commit, Home, delta_log, lake_files, verify

FullCommit = Callable[..., Commit]
MakeHome = Callable[..., Path]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_home_and_its_keys_are_for_their_owner_alone(make_home: MakeHome) -> None:
    home = make_home("a")
    assert mode(home) == 0o700
    assert mode(home / "keys" / "ledger.pem") == 0o600
    assert all(mode(path) & 0o077 == 0 for path in home.rglob("*.parquet"))


def test_a_second_writer_is_told_who_works_here(home_path: Path) -> None:
    with Home.open(home_path), pytest.raises(HomeBusyError, match=r"process \d+") as caught:
        Home.open(home_path)
    assert str(home_path) in str(caught.value)
    Home.open(home_path).close()


def test_a_folder_with_other_things_in_it_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear reader")
    with pytest.raises(UsageError, match=r"letter\.txt"):
        Home.open(tmp_path)


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="cannot be written"):
        Home.open(tmp_path / "file" / "home")


def test_a_home_is_not_made_where_it_must_exist(home_path: Path) -> None:
    with pytest.raises(UsageError):
        Home.open(home_path, create=False)
    with pytest.raises(UsageError):
        Home.open(home_path, read_only=True)
    assert not home_path.exists()


def test_what_was_committed_is_read_again(home_path: Path, full_commit: FullCommit) -> None:
    commit = full_commit("a")
    with Home.open(home_path) as home:
        assert home.commit(commit) == 1
        assert home.commit(full_commit("b")) == 2
    with Home.open(home_path) as home:
        assert home.records.batch("a") == commit.batches[0]
        assert home.records.has_batch("b")
        assert not home.records.has_batch("c")
        (known,) = home.records.known_ranges("first-a", 0)
        assert (known.batch_id, known.length) == ("a", 1000)
        assert home.records.known_ranges("first-a", 1) == []
        (sums,) = home.records.accounting()
        assert (sums.records, sums.events, sums.aggregated, sums.rejected) == (46, 40, 4, 2)
        assert home.records.dead_letters("a").collect()["bytes"].to_list() == [b"\xff\x00junk"]
        assert [info.facts for info in home.records.commits()] == [commit.facts, commit.facts]
        assert home.lake.count() == 40
        assert home.ledger.size == 6


def test_a_commit_without_anything_is_still_a_commit(home_path: Path) -> None:
    with Home.open(home_path) as home:
        assert home.commit(Commit(facts={"judged_until": None})) == 1
        assert home.records.commits()[0].facts == {"judged_until": None}


def test_a_batch_is_not_stored_twice(home_path: Path, full_commit: FullCommit) -> None:
    with Home.open(home_path) as home:
        home.commit(full_commit("a"))
        with pytest.raises(ValueError, match="already stored"):
            home.commit(full_commit("a"))
        assert home.lake.count() == 20


def test_findings_of_the_same_uid_are_one_finding(home_path: Path, full_commit: FullCommit) -> None:
    said = full_commit("a").findings
    with Home.open(home_path) as home:
        home.commit(Commit(findings=pl.concat([said, said])))
        home.commit(Commit(findings=said))
    with Home.open(home_path) as home:
        home.commit(Commit(findings=said))
        assert home.records.findings().height == 2
        assert home.records.finding_commit("f1-a") == 1
        finding = home.records.finding("f1-a")
        assert finding is not None
        assert finding["reasons"] == [{"text": "because", "value": "1", "bits": 2.5}]
        assert home.records.finding("nothing") is None
        assert home.records.findings(uids=["f2-a"])["uid"].to_list() == ["f2-a"]
        later = said["time"][0] + timedelta(seconds=1)
        assert home.records.findings(since=later).height == 0
        assert home.records.findings(until=later).height == 2


def test_a_finding_said_again_with_more_is_read_as_it_was_said_last(
    home_path: Path, full_commit: FullCommit
) -> None:
    first = full_commit("a").findings
    day_later = first["time"][0] + timedelta(days=1)
    about_one = pl.col("uid") == "f1-a"
    more = first.with_columns(
        pl.when(about_one).then(9).otherwise(pl.col("count")).alias("count"),
        pl.when(about_one).then(pl.lit(day_later)).otherwise(pl.col("time")).alias("time"),
    )
    with Home.open(home_path) as home:
        home.commit(Commit(findings=first))
        home.commit(Commit(findings=pl.concat([first, more])))  # the last word of a commit counts
        home.commit(Commit(findings=more))  # nothing new
        home.commit(Commit(findings=first))  # and back again
        home.commit(Commit(findings=more))
        home.lake.compact()
        records = home.records
        assert [info.findings for info in records.commits()][:5] == [2, 1, 0, 1, 1]
        assert records.findings()["uid"].to_list() == ["f2-a", "f1-a"]
        assert records.findings(uids=["f1-a"])["count"].to_list() == [9]
        assert records.findings(until=day_later)["uid"].to_list() == ["f2-a"]
        assert records.findings(before_commit=2).sort("uid").equals(first.sort("uid"))
        for before, count, commit in ((None, 9, 5), (5, 1, 4), (4, 9, 2), (2, 1, 1)):
            finding = records.finding("f1-a", before)
            assert finding is not None
            assert (finding["count"], records.finding_commit("f1-a", before)) == (count, commit)
        assert records.finding("f1-a", 1) is None
    assert verify(home_path).ok


@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)))))
@settings(max_examples=12, deadline=None)
def test_the_last_word_on_each_finding_is_what_is_read(words: list[list[tuple[str, int]]]) -> None:
    nothing = dict.fromkeys(FINDING_SCHEMA.names())
    with TemporaryDirectory() as folder, Home.open(Path(folder) / "home") as home:
        last: dict[str, int] = {}
        for commit in words:
            last.update(commit)
            rows = [{**nothing, "uid": uid, "count": count} for uid, count in commit]
            home.commit(Commit(findings=findings_frame(rows)))
        read = home.records.findings()
        assert dict(zip(read["uid"], read["count"], strict=True)) == last


def test_incidents_are_replaced_by_uid_and_go_by_uid(
    home_path: Path, full_commit: FullCommit
) -> None:
    one, two = full_commit("one").incidents[0], full_commit("two").incidents[0]
    with Home.open(home_path) as home:
        home.commit(Commit(incidents=[one, two]))
        home.commit(Commit(incidents=[two]))
        assert [found.uid for found in home.records.incidents()] == [one.uid, two.uid]
        assert home.records.incident("i-o") == one
        with pytest.raises(UsageError, match="2 incidents"):
            home.records.incident("i-")
        assert home.records.incident("%") is None
        home.commit(Commit(incidents=[one], gone_incidents=[two.uid]))
        assert home.records.incidents() == [one]
        home.commit(Commit(incidents=[two], gone_incidents=[one.uid, "never there"]))
        assert home.records.incidents() == [two]
        home.commit(Commit(gone_incidents=[two.uid]))
        assert home.records.incidents() == []
    assert verify(home_path).ok


def test_incidents_are_read_by_probability_whenever_they_were_stored(
    home_path: Path, full_commit: FullCommit
) -> None:
    known = full_commit("x").incidents[0]
    chances = [("a", 0.2), ("b", 0.9), ("c", 0.2), ("d", 0.5)]
    stored = [replace(known, uid=uid, probability=chance) for uid, chance in chances]
    with Home.open(home_path) as home:
        home.commit(Commit(incidents=[stored[2], stored[0]]))
        home.commit(Commit(incidents=[stored[3], stored[1]]))
        assert [one.uid for one in home.records.incidents()] == ["b", "d", "a", "c"]


def test_the_state_before_a_commit_can_be_had_again(
    home_path: Path, full_commit: FullCommit
) -> None:
    with Home.open(home_path) as home:
        for name in ("a", "b"):
            home.commit(full_commit(name))
        home.commit(Commit(states={"rarity": {}}))
        state = home.records.state
        assert state("rarity") == {}
        assert state("rarity", before_commit=3)["seen"]["value"].to_list() == ["b"]
        assert state("rarity", before_commit=2)["seen"]["value"].to_list() == ["a"]
        assert state("rarity", before_commit=1) == {}
        assert state("other") == {}


def test_a_changed_state_is_never_loaded(make_home: MakeHome) -> None:
    path = make_home("a")
    (file,) = (path / "states").rglob("*.arrow")
    file.write_bytes(file.read_bytes() + b"\0")
    with Home.open(path, read_only=True) as home, pytest.raises(HomeDamagedError):
        home.records.state("rarity")


def test_a_reader_sees_complete_commits_while_another_process_writes(
    home_path: Path, full_commit: FullCommit
) -> None:
    with Home.open(home_path) as writer:
        writer.commit(full_commit("a"))
        with Home.open(home_path, read_only=True) as reader:
            assert reader.lake.count() == 20
            writer.commit(full_commit("b"))
            assert reader.lake.count() == 40
            with pytest.raises(RuntimeError):
                reader.commit(full_commit("c"))


def test_other_tools_read_the_lake_as_delta_tables(make_home: MakeHome) -> None:
    home = make_home(*(f"n{i}" for i in range(30)))
    lake = home / "lake"
    table = DeltaTable(lake / "authentication")
    assert table.count() == 30 * 15
    assert pl.scan_delta(str(lake / "findings")).collect().height == 60
    assert list(lake.rglob("*.checkpoint.parquet"))
    assert verify(home).ok


def test_numbers_that_do_not_add_up_are_refused(home_path: Path, full_commit: FullCommit) -> None:
    commit = full_commit("a")
    with Home.open(home_path) as home:
        with pytest.raises(ValueError, match="the tables hold"):
            home.commit(Commit(batches=commit.batches, dead_letters=commit.dead_letters))
        with pytest.raises(ValueError, match="dead letters"):
            home.commit(Commit(batches=commit.batches, tables=commit.tables))
        with pytest.raises(ValueError, match="type"):
            home.commit(Commit(entries=[{"type": "batch"}]))
        twice = [commit.incidents[0].uid]
        with pytest.raises(ValueError, match="twice"):
            home.commit(Commit(incidents=commit.incidents, gone_incidents=twice))
        assert home.records.commits() == []


def test_text_that_no_database_takes_is_stored_readably(
    home_path: Path, full_commit: FullCommit
) -> None:
    entry = {"type": "note", "path": "bad\udcff\0name", "size": 2**60}
    with Home.open(home_path) as home:
        home.commit(Commit(entries=[entry]))
        (stored, _) = home.ledger.entries()
    assert stored["path"] == "bad\\udcff\\x00name"
    assert stored["size"] == str(2**60)


def test_the_clock_is_the_callers(home_path: Path) -> None:
    then = datetime(2020, 5, 17, tzinfo=UTC)
    with Home.open(home_path, clock=lambda: then) as home:
        home.commit(Commit())
        assert home.records.commits()[0].time == then


def test_a_lost_key_is_not_replaced_in_silence(make_home: MakeHome) -> None:
    path = make_home("a")
    (path / "keys" / "ledger.pem").unlink()
    with pytest.raises(HomeDamagedError, match="key"):
        Home.open(path)
    with Home.open(path, read_only=True) as home:
        assert home.lake.event_classes() == [
            EventClass.AUTHENTICATION,
            EventClass.NETWORK_ACTIVITY,
        ]


@pytest.mark.parametrize(
    "left", [["keys"], ["keys", "records.sqlite3"], ["lock", "owner"], ["records.sqlite3"]]
)
def test_a_home_whose_making_was_interrupted_is_made_to_the_end(
    home_path: Path, full_commit: FullCommit, left: list[str]
) -> None:
    home_path.mkdir()
    for name in left:
        if name == "keys":
            (home_path / name).mkdir()
            (home_path / name / "ledger.pem").write_bytes(b"half a key")
        else:
            (home_path / name).touch()
    with Home.open(home_path) as home:
        home.commit(full_commit("a"))
    assert verify(home_path).ok


def test_the_bytes_of_a_head_are_kept_once_for_all_batches_of_a_file(
    home_path: Path, full_commit: FullCommit
) -> None:
    with Home.open(home_path) as home:
        for name in ("a", "b"):
            home.commit(full_commit(name))
    with closing(sqlite3.connect(home_path / "records.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) FROM heads").fetchone() == (1,)


def test_columns_that_a_newer_version_knows_are_added_to_old_tables(
    home_path: Path, full_commit: FullCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def older(table: str) -> pl.Schema:
        return pl.Schema({k: v for k, v in now(table).items() if k != "actor.user.name"})

    now = lake_files.stored_schema
    with monkeypatch.context() as patch, Home.open(home_path) as home:
        patch.setattr(delta_log, "stored_schema", older)
        home.commit(full_commit("a"))
    with Home.open(home_path) as home:
        home.commit(full_commit("b"))
        assert home.lake.compact() is not None
    table = pl.scan_delta(str(home_path / "lake" / "authentication")).collect()
    assert table["actor.user.name"].null_count() == 0
    assert table.height == 30
    assert verify(home_path).ok


def test_files_that_lack_a_newer_column_read_as_null(
    home_path: Path, full_commit: FullCommit
) -> None:
    with Home.open(home_path) as home:
        home.commit(full_commit("a"))
        for file in (home_path / "lake" / "authentication").rglob("*.parquet"):
            pl.read_parquet(file, hive_partitioning=False).drop("actor.user.name").write_parquet(
                file
            )
        names = home.lake.scan(EventClass.AUTHENTICATION, ["actor.user.name"]).collect()
        assert names["actor.user.name"].null_count() == 15


def test_a_finding_whose_uid_hashes_as_another_is_stored(
    home_path: Path, full_commit: FullCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def same(column: pl.Series) -> pl.Series:
        return pl.Series("uid", [7] * len(column), dtype=pl.UInt64)

    monkeypatch.setattr(pl.Series, "hash", same)
    one, other = full_commit("a").findings, full_commit("b").findings
    with Home.open(home_path) as home:
        home.commit(Commit(findings=one))
        home.commit(Commit(findings=other))
        home.commit(Commit(findings=pl.concat([one, other])))
        uids = home.records.findings()["uid"].sort().to_list()
        assert uids == ["f1-a", "f1-b", "f2-a", "f2-b"]
        assert home.records.scan_findings().collect().height == 4
