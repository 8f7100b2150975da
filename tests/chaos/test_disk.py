"""A disk that is full, and one that is suddenly read-only: told, nothing lost, nothing doubled."""

import errno
import http.client
import json
import os
import socket
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from tests.chaos.small_disk import SmallDisk, small_disk
from tests.chaos.watching import Watch, expected, wait, watching, write

from hauberk.errors import UsageError
from hauberk.pipeline import ScanOptions, scan
from hauberk.store import Commit, Home, verify
from hauberk.store.writer import Step

COMMAND = "from hauberk.cli import main; main()"

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    made = small_disk(tmp_path, 64)
    yield made
    made.process.kill()
    made.process.wait()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder / "auth.log"


def committed(watch: Watch) -> bool:
    """Whether a round has judged what was committed."""
    return bool(watch.pace().get("round_seconds")) and watch.pace()["commits"] > 0


def test_a_full_disk_ends_a_watch_with_its_code_and_it_goes_on_once_there_is_room(
    disk: SmallDisk, log: Path, tmp_path: Path
) -> None:
    home = disk.path / "home"
    write(log, range(50))
    with watching(tmp_path, home, log, within=disk.within) as watch:
        watch.start()
        watch.wait(lambda: committed(watch), "the first records")
        disk.fill()
        write(log, range(50, 100))
        wait(lambda: disk.stays_full() and not watch.alive, "the watch to end")
        watch.start()
        wait(lambda: disk.stays_full() and not watch.alive, "the watch to end again")
        assert watch.process is not None
        assert watch.process.returncode == 6, watch.said()[-2000:]
        assert watch.said().count("there is no room left on the device") == 2
        assert "Traceback" not in watch.said()
        disk.empty()
        assert disk.stored(home) == expected(range(50))
        write(log, range(100, 120))
        watch.start()
        watch.wait(lambda: watch.pace()["records"] == 70, "what came meanwhile", 180)
        assert watch.end() == 0
    assert disk.stored(home) == expected(range(120))


def test_a_disk_is_said_to_be_full_however_little_room_there_is(disk: SmallDisk, log: Path) -> None:
    home = disk.path / "home"
    write(log, range(10))
    assert disk.told_by(COMMAND, "scan", str(log), "--home", str(home)).returncode in (0, 10)
    write(log, range(10, 20))
    for pages in (0, 1, 3, 5, 9):
        disk.fill(leave=pages * 4096)
        told = disk.told_by(COMMAND, "scan", str(log), "--home", str(home))
        assert told.returncode == 6, (pages, told.stderr)
        assert "no room left" in told.stderr
        disk.empty()
    assert disk.stored(home) == expected(range(10))


def test_senders_are_told_to_wait_by_a_full_disk_and_all_that_was_promised_is_there_once(
    disk: SmallDisk, tmp_path: Path
) -> None:
    home = disk.path / "home"
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    sources = tmp_path / "sources.toml"
    sources.write_text(f'[sources.app]\nkind = "http"\nlisten = "127.0.0.1:{port}"\n')
    token = disk.told_by(COMMAND, "sources", "token", "app", "--home", str(home)).stdout.split()[0]
    with watching(tmp_path, home, within=disk.within) as watch:
        watch.start("--sources", sources)
        watch.wait(lambda: send(port, token, 0) == 200, "the receiver")
        watch.wait(lambda: committed(watch), "the first record")
        disk.fill(leave=1 << 20)
        wait(lambda: send(port, token, 1) in (0, 429), "a no")
        disk.empty()
        for number in range(2, 22):
            if not watch.alive:
                watch.start("--sources", sources)
            wait(partial(taken, port, token, number), "a yes")
        reports = watch.said().count('{"pace"')
        watch.wait(lambda: watch.said().count('{"pace"') > reports + 2, "the spool to be read")
        watch.wait(lambda: watch.pace()["behind"] == 0, "all of it to be read")
        assert watch.end() == 0
    there = Counter(
        json.loads(one[one.find("{") :])["flow_id"] for one in disk.stored(home).elements()
    )
    del there[1]  # tried until it was refused
    assert there == Counter([0, *range(2, 22)])


def taken(port: int, token: str, number: int) -> bool:
    """Whether a record is promised to be kept."""
    return send(port, token, number) == 200


def send(port: int, token: str, number: int) -> int:
    """The answer to a record; 0 where there is none."""
    event = {
        "timestamp": "2026-03-02T10:00:00.000000+0000", "flow_id": number, "event_type": "dns",
        "src_ip": "10.0.0.1", "dest_ip": "10.0.0.2", "proto": "UDP",
    }  # fmt: skip
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        authorization = {"Authorization": f"Bearer {token}"}
        connection.request("POST", "/v1/records/app", json.dumps(event) + "\n", authorization)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def test_a_watch_that_died_with_its_disk_says_why_it_does_not_start_and_goes_on_later(
    disk: SmallDisk, log: Path, tmp_path: Path
) -> None:
    home = disk.path / "home"
    write(log, range(50))
    with watching(tmp_path, home, log, within=disk.within) as watch:
        watch.start()
        watch.wait(lambda: committed(watch), "the first records")
        watch.kill()
        disk.remount("ro")
        write(log, range(50, 100))
        watch.start()
        wait(lambda: not watch.alive, "the watch to end")
        assert watch.process is not None
        assert watch.process.returncode == 2
        assert "Read-only file system" in watch.said()
        assert "Traceback" not in watch.said()
        disk.remount("rw")
        watch.out.unlink()
        watch.start()
        watch.wait(lambda: watch.pace().get("records") == 50, "what came meanwhile", 180)
        assert watch.end() == 0
    assert disk.stored(home) == expected(range(100))


def test_a_disk_that_turns_read_only_amid_a_commit_is_named_and_nothing_is_half(
    log: Path, home_path: Path
) -> None:
    write(log, range(50))
    scan(ScanOptions([log], home_path))
    state = {"table": pl.DataFrame({"a": [1]})}
    refused = []
    for step in (Step.INTENT, Step.STATE_FILE, Step.RECORDS):

        def reach(now: Step, at: Step = step) -> None:
            if now is at:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(home_path / "states"))

        with (
            pytest.raises(UsageError, match="Read-only file system"),
            Home.open(home_path, reach=reach) as home,
        ):
            home.commit(Commit(states={"chaos": state}))
        refused.append(step)
    assert len(refused) == 3
    with Home.open(home_path) as home:
        assert home.records.state("chaos") == {}
    assert verify(home_path).ok


def test_a_home_on_a_read_only_disk_can_be_read_and_says_why_it_cannot_be_written(
    disk: SmallDisk, log: Path, tmp_path: Path
) -> None:
    home = disk.path / "home"
    write(log, range(10))
    assert disk.told_by(COMMAND, "scan", str(log), "--home", str(home)).returncode in (0, 10)
    disk.remount("ro")
    for command in (["verify"], ["status"], ["doctor"], ["db", "status"]):
        told = disk.told_by(COMMAND, *command, "--home", str(home))
        assert "Traceback" not in told.stdout + told.stderr, (command, told.stderr[-1500:])
        assert told.returncode in (0, 1, 2, 3), (command, told.stderr)
    for command in (["scan", str(log)], ["watch", str(log)], ["up", str(log)]):
        told = disk.told_by(COMMAND, *command, "--home", str(home))
        assert told.returncode == 2, (command, told.stdout, told.stderr)
        assert "Read-only file system" in told.stderr
        assert "Traceback" not in told.stderr
    assert disk.stored(home) == expected(range(10))
