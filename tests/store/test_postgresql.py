"""A home whose records are on a PostgreSQL server keeps what one with a file keeps."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hauberk.store import Commit, Home, verify

FullCommit = Callable[..., Commit]

pytestmark = pytest.mark.usefixtures("engine")


def test_what_is_committed_is_there(home_path: Path, full_commit: FullCommit, engine: str) -> None:
    with Home.open(home_path) as home:
        for name in ("a", "b"):
            home.commit(full_commit(name))
    with Home.open(home_path, read_only=True) as home:
        assert home.lake.count() == 40
        assert home.records.accounting()[0].records == 46
        assert home.records.sources(5)[0].events == 20
        assert [one.uid for one in home.records.each_incident()] == ["i-a", "i-b"]
        assert home.records.findings().height == 4
    assert verify(home_path).ok
    assert (home_path / "records.sqlite3").exists() == (engine == "sqlite")
