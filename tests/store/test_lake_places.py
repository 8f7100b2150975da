"""Findings by uid, with the uids of files kept in memory: the same as reading the files."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hauberk.errors import HomeDamagedError
from hauberk.events import FINDING_SCHEMA, finding_uid, findings_frame
from hauberk.store import Commit, Home, Places, lake_places
from hauberk.store.durable import digest
from hauberk.store.lake import read_files
from hauberk.store.lake_places import OrderedFile
from hauberk.store.parquet import write_parquet

COLUMNS = ["uid", "title", "techniques", "commit"]
UID = st.sampled_from([f"f{one}" for one in range(30)])


def stored(path: Path, uids: Sequence[str]) -> OrderedFile:
    """A file of findings with these uids, in this order; the title says the row."""
    row: dict[str, object] = dict.fromkeys(FINDING_SCHEMA.names())
    rows = findings_frame(
        [{**row, "uid": uid, "title": f"row {at}"} for at, uid in enumerate(uids)]
    ).with_columns(pl.lit(len(uids), pl.Int64).alias("commit"))
    write_parquet(path, rows)
    return OrderedFile(path, digest(path)[0])


def read(files: Sequence[OrderedFile], uids: Sequence[str]) -> pl.DataFrame:
    """What is asked for, by reading the files."""
    rows = read_files("findings", [str(one.path) for one in files])
    return rows.filter(pl.col("uid").is_in(uids)).select(COLUMNS).collect()


def same(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Whether two frames have the same rows."""
    order = ["uid", "title", "commit"]
    return one.sort(order).equals(other.sort(order))


def digests(count: int) -> list[str]:
    """Uids as findings have them, in order."""
    return sorted(finding_uid("x", str(one)) for one in range(count))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.lists(UID, max_size=40), max_size=3),
    st.lists(UID | st.sampled_from(["", "f", "none", "f1\0", "ü"]), max_size=20),
    st.booleans(),
)
def test_what_is_found_is_what_the_files_hold(
    tmp_path: Path, held: list[list[str]], wanted: list[str], ordered: bool
) -> None:
    files = [
        stored(tmp_path / f"{at}.parquet", sorted(uids) if ordered else uids)
        for at, uids in enumerate(held)
    ]
    places = Places()
    for _ in range(2):
        assert same(places.findings(files, wanted, COLUMNS), read(files, wanted))


@pytest.mark.parametrize("worth", [1, 5_000])
def test_rows_of_many_files_keep_the_uids_that_are_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worth: int
) -> None:
    monkeypatch.setattr(lake_places, "_SLICE_WORTH", worth)  # cut out one by one, and together
    uids = [finding_uid("x", str(one)) for one in range(200)]
    files = [stored(tmp_path / f"{at}.parquet", sorted(uids[at::20])) for at in range(20)]
    assert same(Places().findings(files, uids[::3], COLUMNS), read(files, uids[::3]))


@pytest.mark.parametrize("asked", [1, 2, 40, 25_000])
def test_few_and_many_are_found_in_a_file_of_several_row_groups(tmp_path: Path, asked: int) -> None:
    uids = digests(25_000)
    file = stored(tmp_path / "one.parquet", uids)
    wanted = uids[:: len(uids) // asked][-asked:]
    found = Places().findings([file], wanted, COLUMNS)
    assert found["uid"].sort().to_list() == wanted
    assert same(found, read([file], wanted))


def test_the_uids_of_a_file_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = stored(tmp_path / "one.parquet", digests(10))
    seen: list[Path] = []
    real = lake_places._read_uids

    def noted(path: Path) -> lake_places.Uids | None:
        seen.append(path)
        return real(path)

    monkeypatch.setattr(lake_places, "_read_uids", noted)
    places = Places()
    for uid in digests(10):
        assert places.findings([file], [uid], COLUMNS)["uid"].to_list() == [uid]
    assert seen == [file.path]


def test_another_file_in_the_place_of_one_is_known_by_its_digest(tmp_path: Path) -> None:
    places, path = Places(), tmp_path / "one.parquet"
    first, second = digests(20)[:10], digests(20)[10:]
    assert places.findings([stored(path, first)], first, COLUMNS).height == 10
    again = stored(path, second)
    found = places.findings([again], [*first, *second], COLUMNS)
    assert found["uid"].sort().to_list() == second


def test_a_file_that_was_cut_short_behind_the_homes_back_is_told(tmp_path: Path) -> None:
    places, path, uids = Places(), tmp_path / "one.parquet", digests(6_000)
    file = stored(path, uids)
    assert places.findings([file], uids[-1:], COLUMNS).height == 1
    stored(path, uids[:10])
    with pytest.raises(HomeDamagedError):
        places.findings([file], uids[-1:], COLUMNS)


def test_no_more_is_kept_than_may_be(tmp_path: Path) -> None:
    files = [stored(tmp_path / f"{at}.parquet", digests(at)) for at in (10, 20, 30, 100)]
    places = Places(max_bytes=24 * 50)
    for _ in range(2):
        for file in files:
            assert same(places.findings([file], digests(7), COLUMNS), read([file], digests(7)))
            assert places.bytes <= 24 * 50
    assert places.bytes == 24 * 50  # the files of 20 and 30; that of 100 is never kept


def test_a_file_that_is_no_parquet_is_refused_by_whoever_reads_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "one.parquet"
    path.write_bytes(b"no Parquet at all")
    with pytest.raises(pl.exceptions.PolarsError):
        Places().findings([OrderedFile(path, "ab")], ["a"], COLUMNS)


@pytest.mark.usefixtures("engine")
def test_findings_within_are_the_same_with_places_before_and_after_compaction(
    make_home: Callable[..., Path], full_commit: Callable[..., Commit]
) -> None:
    path, places = make_home("a", "b", "c"), Places()
    said = full_commit("a").findings
    time, uids = said["time"][0], ["f1-a", "f2-a", "f2-c", "none"]
    with Home.open(path) as home:
        home.commit(Commit(findings=said.with_columns(pl.lit("said again").alias("title"))))
        for _ in range(3):  # the third deletes what the second replaced
            plain = home.records.findings_within(uids, ["title"], time, time)
            assert home.records.findings_within(uids, ["title"], time, time, places).equals(plain)
            assert plain["title"].to_list() == ["said again", "said again", "about f2-c"]
            home.lake.compact()


@pytest.mark.usefixtures("engine")
def test_findings_whose_files_are_deleted_while_they_are_read_are_found_elsewhere(
    make_home: Callable[..., Path], full_commit: Callable[..., Commit]
) -> None:
    time = full_commit("a").findings["time"][0]
    with Home.open(make_home("a", "b")) as home:

        class Slow(Places):
            looks = 0

            def findings(
                self, files: Iterable[OrderedFile], uids: Sequence[str], columns: Sequence[str]
            ) -> pl.DataFrame:
                self.looks += 1
                if self.looks == 1:
                    home.lake.compact()
                    home.lake.compact()
                return super().findings(files, uids, columns)

        places = Slow()
        found = home.records.findings_within(["f1-b"], ["title"], time, time, places)
        assert found["title"].to_list() == ["about f1-b"]
        assert places.looks == 2
