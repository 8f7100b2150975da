"""Small files are merged by a process of its own where there is much."""

import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from hauberk.errors import HomeDamagedError
from hauberk.events import EventClass
from hauberk.store import Commit, Home, merging, verify

FullCommit = Callable[..., Commit]


@pytest.fixture(autouse=True)
def much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "FEW", 0)


def content(home: Home) -> pl.DataFrame:
    return home.lake.scan(EventClass.AUTHENTICATION).sort("metadata.uid").collect()


def test_much_is_merged_by_a_process_that_gives_way(
    home_path: Path, full_commit: FullCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "merged_here", None)  # not here
    with Home.open(home_path) as home:
        for i in range(3):
            home.commit(full_commit(f"n{i}"))
        before = content(home)
        assert home.lake.compact() is not None
        assert content(home).equals(before)
        assert len(home.lake.files("authentication")) == 1
        home.lake.compact()
    assert verify(home_path).ok
    assert not (home_path / "merging").exists()


def test_a_process_that_is_killed_leaves_all_as_it_was(
    home_path: Path, full_commit: FullCommit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = tmp_path / "killed"
    killed.write_text("#!/bin/sh\nkill -KILL $$\n")
    killed.chmod(0o700)
    with Home.open(home_path) as home:
        for i in range(3):
            home.commit(full_commit(f"n{i}"))
        before = content(home)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", str(killed))
            assert home.lake.compact() is None
        assert home.records.last_commit() == 3
        assert home.lake.compact() is not None
        assert content(home).equals(before)
    assert verify(home_path).ok


def test_a_file_that_was_changed_is_named_here_and_not_by_the_process(
    home_path: Path, full_commit: FullCommit
) -> None:
    with Home.open(home_path) as home:
        for i in range(2):
            home.commit(full_commit(f"n{i}"))
        file = min((home_path / "lake" / "authentication").rglob("*.parquet"))
        data = bytearray(file.read_bytes())
        data[10] ^= 1
        file.write_bytes(data)
        with pytest.raises(HomeDamagedError, match="not what was written"):
            home.lake.compact()
        assert home.records.last_commit() == 2
