"""Small files are merged beside a watch, and what goes wrong there is not kept quiet."""

import time
from pathlib import Path

import polars as pl
import pytest

from hauberk.errors import HomeDamagedError
from hauberk.events import EventClass
from hauberk.pipeline.tidying import FILES, Tidying
from hauberk.store import BatchEntry, Commit, Home, verify

AUTH = EventClass.AUTHENTICATION


def commit(name: str) -> Commit:
    entry = BatchEntry(name, "f", 0, 1, "00", name, "auth", "1", 1, 1)
    return Commit(batches=[entry], tables={AUTH: pl.DataFrame({"metadata.uid": [f"{name}:0"]})})


def looked_at(tidying: Tidying) -> None:
    for _ in range(600):
        time.sleep(0.1)
        tidying.check()


def live(home: Home) -> list[Path]:
    return home.lake.files(AUTH.table)


def test_small_files_become_one_and_no_look_follows_where_nothing_came(home_path: Path) -> None:
    with Home.open(home_path) as home:
        for number in range(FILES):
            home.commit(commit(f"n{number}"))
        tidying = Tidying(home, every=0.05)
        tidying.start()
        until = time.monotonic() + 60
        while len(live(home)) > 1 and time.monotonic() < until:
            time.sleep(0.05)
        tidying.check()
        tidying.stop()
        assert len(live(home)) == 1
        assert home.lake.count() == FILES
        assert home.records.last_commit() == FILES + 1
    assert verify(home_path).ok


def test_what_goes_wrong_there_is_raised_where_the_watch_looks(home_path: Path) -> None:
    with Home.open(home_path) as home:
        for number in range(FILES):
            home.commit(commit(f"n{number}"))
        file = live(home)[0]
        data = bytearray(file.read_bytes())
        data[10] ^= 1
        file.write_bytes(data)
        tidying = Tidying(home, every=0.05)
        tidying.start()
        with pytest.raises(HomeDamagedError, match="not what was written"):
            looked_at(tidying)
        tidying.stop()
