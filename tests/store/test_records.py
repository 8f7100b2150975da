"""What pages read of the records: a few findings, the sources, incidents one by one."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from hauberk.store import Commit, Home

pytestmark = pytest.mark.usefixtures("engine")


def test_findings_within_times_are_those_said_last_in_the_columns_asked_for(
    make_home: Callable[..., Path], full_commit: Callable[..., Commit]
) -> None:
    path = make_home("a", "b")
    said = full_commit("a").findings
    with Home.open(path) as home:
        home.commit(Commit(findings=said.with_columns(pl.lit("said again").alias("title"))))
        time = said["time"][0]
        found = home.records.findings_within(["f1-a", "f2-b", "none"], ["title"], time, time)
        assert found.columns == ["uid", "time", "title"]
        assert found.select("uid", "title").rows() == [
            ("f1-a", "said again"),
            ("f2-b", "about f2-b"),
        ]
        later = time + timedelta(days=1)
        assert home.records.findings_within(["f1-a"], ["title"], later, later).is_empty()


def test_sources_are_told_the_newest_first(make_home: Callable[..., Path]) -> None:
    with Home.open(make_home("a", "b", "c"), read_only=True) as home:
        told = home.records.sources(2)
        times = {one.number: one.time for one in home.records.commits()}
    assert [one.source for one in told] == ["logs/c.log", "logs/b.log"]
    assert [(one.records, one.events, one.rejected) for one in told] == [(23, 20, 1)] * 2
    assert [one.last for one in told] == [times[3], times[2]]


def test_incidents_one_by_one_are_all_of_them(make_home: Callable[..., Path]) -> None:
    with Home.open(make_home("a", "b"), read_only=True) as home:
        assert list(home.records.each_incident()) == home.records.incidents()
        assert home.records.incidents_of_commit() == (2, 2)
        known = home.records.incident("i-a")
        assert known is not None
        assert known.uid == "i-a"
        assert known == home.records.incidents()[0]
