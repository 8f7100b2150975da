"""Contracts: what a source owes is asked of it, and its breach is a record, told once."""

import json
from pathlib import Path

import pytest

from hauberk.ingest import Follower, RecordBatch, recognise
from hauberk.ingest.receivers import Contract, Kind, Source, Sources
from hauberk.pipeline.sources import SourceWatch
from hauberk.store import BatchEntry


class Watched:
    """One folder source under a clock that stands still unless it is moved."""

    def __init__(self, folder: Path, **contract: object) -> None:
        self.time = 0.0
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.home = folder / "home"
        self.home.mkdir()
        owed = Contract(**contract)  # type: ignore[arg-type]
        source = Source("zeek", Kind.FOLDER, path=self.logs, contract=owed)
        self.watch = SourceWatch(Sources((source,)), self.home, now=lambda: self.time)
        self.follower = Follower([], lambda _first, _start: [])
        self.watch.__enter__()

    def come(self, records: int, format_name: str = "zeek") -> None:
        self.watch.judged(
            BatchEntry(
                "b", f"{self.logs}/conn.log", 0, 1, "", "", format_name, "1", records, records
            )
        )

    def after(self, seconds: float) -> tuple[str, ...]:
        self.time += seconds
        (pace,) = self.watch.tick(self.follower, lambda _first, _start: [])
        return pace.breaches

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(str(one["operation"]), str(one["check"])) for one in self.records]

    @property
    def records(self) -> list[dict[str, object]]:
        return [
            json.loads(line)
            for path in sorted((self.home / "spool").rglob("*.log"))
            for line in path.read_text().splitlines()
        ]


def test_a_source_that_falls_silent_is_told_once_and_again_when_it_is_back(
    tmp_path: Path,
) -> None:
    zeek = Watched(tmp_path, silence=60.0)
    zeek.come(5)
    assert zeek.after(59) == ()
    assert zeek.after(59) == ()
    assert zeek.after(2) == ("silence",)
    assert zeek.after(600) == ("silence",)
    assert zeek.told == [("breach", "silence")]
    zeek.come(1)
    assert zeek.after(1) == ()
    assert zeek.told == [("breach", "silence"), ("recover", "silence")]


def test_a_source_that_never_spoke_is_silent_too(tmp_path: Path) -> None:
    zeek = Watched(tmp_path, silence=60.0)
    assert zeek.after(61) == ("silence",)


def test_too_much_is_told_at_once_and_too_little_after_an_hour(tmp_path: Path) -> None:
    zeek = Watched(tmp_path, min_per_hour=10, max_per_hour=100)
    zeek.come(101)
    assert zeek.after(1) == ("volume_high",)
    assert zeek.after(3500) == ("volume_high",)
    assert zeek.after(200) == ("volume_low",)
    zeek.come(50)
    assert zeek.after(1) == ()
    assert zeek.told == [
        ("breach", "volume_high"), ("breach", "volume_low"),
        ("recover", "volume_high"), ("recover", "volume_low"),
    ]  # fmt: skip
    assert [one.get("value") for one in zeek.records[:2]] == [101, None]
    assert zeek.records[1]["bound"] == 10


def test_a_format_that_is_not_agreed_is_told_once_an_hour(tmp_path: Path) -> None:
    zeek = Watched(tmp_path, formats=frozenset({"zeek"}))
    zeek.come(5)
    assert zeek.after(1) == ()
    for _ in range(3):
        zeek.come(5, "syslog")
        assert zeek.after(1) == ("format",)
    assert zeek.told == [("breach", "format")]
    assert "syslog; expected zeek" in str(zeek.records[0]["message"])
    assert zeek.after(3600) == ()
    zeek.watch.unread(f"{zeek.logs}/x", "binary data of no known format")
    assert zeek.after(1) == ("format",)


def test_other_files_are_no_source_of_it(tmp_path: Path) -> None:
    zeek = Watched(tmp_path, formats=frozenset({"zeek"}))
    zeek.watch.unread(f"{zeek.logs}-other/x", "binary data of no known format")
    assert zeek.after(1) == ()


def test_what_is_told_is_a_record_that_its_format_reads(tmp_path: Path) -> None:
    zeek = Watched(tmp_path, silence=60.0)
    zeek.after(61)
    (path,) = (zeek.home / "spool").rglob("*.log")
    data = path.read_bytes()
    known = recognise(data, path)
    assert known is not None
    assert known.name == "hauberk"
    found = known.parse(RecordBatch(data, str(path), 0, data))
    (group,) = (one.group for one in found.groups)
    assert (group.key.product, group.key.service) == ("hauberk", "sources")
    (event,) = group.events.to_dicts()
    assert event["device.hostname"] == "zeek"
    assert event["app.name"] == "hauberk.sources"
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("wrong", ["conn.log", "/logs/zeek2/conn.log"])
def test_a_batch_of_no_source_counts_for_none(tmp_path: Path, wrong: str) -> None:
    zeek = Watched(tmp_path)
    zeek.watch.judged(BatchEntry("b", wrong, 0, 1, "", "", "zeek", "1", 5, 5))
    (pace,) = zeek.watch.tick(zeek.follower, lambda _first, _start: [])
    assert pace.records == 0
