"""A process that dies, or a disk that fills, at any step of a commit loses and doubles nothing."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hauberk.errors import DiskFullError
from hauberk.events import EventClass
from hauberk.store import Commit, Home, Step, verify

FullCommit = Callable[..., Commit]
URL = "HAUBERK_DATABASE_URL"
SCRIPT = Path(__file__).with_name("interrupted.py")
THEN = datetime(2024, 5, 1, tzinfo=UTC)
STEPS = 12
"""Steps of a full commit: the tests below cover each; the first test holds the number true."""


def slow(step: int) -> object:
    """A step that CI tries, beside the one that is tried always."""
    return pytest.param(step, marks=pytest.mark.slow)


def open_home(path: Path, reach: Callable[[Step], None] = lambda _: None) -> Home:
    return Home.open(path, clock=lambda: THEN, reach=reach)


def run_killed(home: Path, step: int, *words: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, str(SCRIPT), str(home), str(step), *words]
    return subprocess.run(arguments, capture_output=True, text=True, check=False)


def content(path: Path) -> dict[str, object]:
    """All that a home says, without names that chance gives (keys, ids in Delta logs)."""
    with Home.open(path, read_only=True) as home:
        lake = {
            event_class: home.lake.scan(event_class).sort("metadata.uid").collect().to_dicts()
            for event_class in home.lake.event_classes()
        }
        return {
            "lake": lake,
            "findings": home.records.findings().to_dicts(),
            "incidents": home.records.incidents(),
            "state": {k: v.to_dicts() for k, v in home.records.state("rarity").items()},
            "letters": home.records.dead_letters().collect().to_dicts(),
            "commits": home.records.commits(),
            "batches": [home.records.batch(name) for name in ("a", "b")],
            "accounting": home.records.accounting(),
            "entries": [
                {key: value for key, value in entry.items() if key != "logs"}
                for entry in home.ledger.entries()
            ],
            "files": sorted(
                file.relative_to(path).as_posix()
                for folder in ("lake", "states", "dead-letters")
                for file in (path / folder).rglob("*")
                if file.is_file()
            ),
        }


@dataclass
class Before:
    """A home with one commit, and the database that its records are in, if that is on a server."""

    path: Path
    server: Any = None  # of tests/postgresql_server.py, which is no package
    database: str = ""

    @property
    def first_step(self) -> int:
        """From which step on to kill: those before write files alone, alike for both engines."""
        return 1 if self.server is None else 5

    def copied(self, to: Path, patch: pytest.MonkeyPatch) -> Path:
        """A copy of the home, and of its database, which stays the one to use in this test."""
        shutil.copytree(self.path, to)
        if self.server is not None:
            patch.setenv(URL, self.server.url(self.server.database(self.database)))
        return to


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def before(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    full_commit: FullCommit,
) -> Before:
    """A home with one commit."""
    made = Before(tmp_path_factory.mktemp("before") / "home")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "postgresql":
            made.server = request.getfixturevalue("postgres")
            made.database = made.server.database()
            patch.setenv(URL, made.server.url(made.database))
        with open_home(made.path) as home:
            home.commit(full_commit("a"))
    return made


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, before: Before, full_commit: FullCommit
) -> dict[str, object]:
    """What a home says after both commits when nothing goes wrong."""
    path = tmp_path_factory.mktemp("undisturbed") / "home"
    with pytest.MonkeyPatch.context() as patch:
        before.copied(path, patch)
        with open_home(path) as home:
            home.commit(full_commit("b"))
        return content(path)


@pytest.fixture
def home_path(tmp_path: Path, before: Before, monkeypatch: pytest.MonkeyPatch) -> Path:
    return before.copied(tmp_path / "home", monkeypatch)


@pytest.mark.slow
def test_the_tests_below_reach_every_step(home_path: Path) -> None:
    done = run_killed(home_path, 0)
    assert done.stdout.strip() == str(STEPS), done.stderr


@pytest.mark.parametrize(
    "step", [step if step == 9 else slow(step) for step in range(1, STEPS + 1)]
)
def test_killed_at_any_step_the_commit_is_whole_or_absent(
    home_path: Path, undisturbed: dict[str, object], full_commit: FullCommit, step: int
) -> None:
    assert run_killed(home_path, step).returncode == -signal.SIGKILL
    # Nothing is taken for damage before the home is opened again, and a reader sees one state.
    assert verify(home_path).ok
    with Home.open(home_path, read_only=True) as reader:
        assert reader.lake.count() in (20, 40)
    with open_home(home_path) as home:
        assert verify(home_path).interrupted is None
        if not home.records.has_batch("b"):
            assert step < STEPS
            assert home.lake.count() == 20
            home.commit(full_commit("b"))
    assert verify(home_path).ok
    assert content(home_path) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 3, 7, 9])
def test_killed_twice_at_the_same_step_is_no_different(
    home_path: Path, undisturbed: dict[str, object], full_commit: FullCommit, step: int
) -> None:
    for _ in range(2):
        assert run_killed(home_path, step).returncode == -signal.SIGKILL
    with open_home(home_path) as home:
        home.commit(full_commit("b"))
    assert verify(home_path).ok
    assert content(home_path) == undisturbed


@pytest.mark.parametrize(
    "step", [step if step in (2, 11) else slow(step) for step in range(1, STEPS)]
)
def test_a_disk_that_fills_at_any_step_leaves_the_home_as_before(
    home_path: Path, undisturbed: dict[str, object], full_commit: FullCommit, step: int
) -> None:
    first = content(home_path)
    left = [step]

    def full(_step: Step) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with open_home(home_path, full) as home:
        with pytest.raises(DiskFullError) as caught:
            home.commit(full_commit("b"))
        assert str(home_path) in str(caught.value)
        assert verify(home_path).ok
        assert content(home_path) == {**first, "batches": content(home_path)["batches"]}
        home.commit(full_commit("b"))
    assert content(home_path) == undisturbed


@pytest.mark.usefixtures("engine")
def test_the_first_commit_of_a_home_can_fail_at_any_step(
    tmp_path: Path, full_commit: FullCommit
) -> None:
    path = tmp_path / "home"
    left = [0]

    def fail(_step: Step) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise RuntimeError("boom")

    with open_home(path, fail) as home:
        for step in range(1, STEPS):
            left[0] = step
            with pytest.raises(RuntimeError, match="boom"):
                home.commit(full_commit("a"))
            assert not [file for file in (path / "lake").rglob("*") if file.is_file()]
            assert home.records.commits() == []
        assert home.commit(full_commit("a")) == 1
        assert home.lake.count() == 20
    assert verify(path).ok


def test_any_other_failure_is_rolled_back_too(home_path: Path, full_commit: FullCommit) -> None:
    def fail(step: Step) -> None:
        if step is Step.RECORDS_WRITTEN:
            raise RuntimeError("boom")

    first = content(home_path)
    with open_home(home_path, fail) as home, pytest.raises(RuntimeError, match="boom"):
        home.commit(full_commit("b"))
    assert content(home_path) == first
    assert verify(home_path).ok


def fill(path: Path, full_commit: FullCommit) -> int:
    """Commit until the disk is full; the number of commits."""
    with Home.open(path) as home:
        for stored in range(100):
            try:
                home.commit(full_commit(f"n{stored}"))
            except DiskFullError as error:
                return stored if str(path) in str(error) else -1
    pytest.fail("the disk was never full")


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [1, 2])
def test_a_really_full_disk_is_told_and_does_no_harm(
    tmp_path: Path, full_commit: FullCommit, megabytes: int
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(disk)]
    if mount is None or subprocess.run([mount, *options], check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        stored = fill(disk / "home", full_commit)
        assert verify(disk / "home").ok
        with Home.open(disk / "home", read_only=True) as home:
            assert home.lake.count() == 20 * stored
            assert home.lake.scan(EventClass.AUTHENTICATION).collect().height == 15 * stored
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.slow
def test_killed_at_any_step_of_a_compaction_nothing_is_lost(
    home_path: Path, before: Before, full_commit: FullCommit
) -> None:
    with open_home(home_path) as home:
        home.commit(full_commit("b"))
    first = content(home_path)
    step, killed = before.first_step, True
    while killed:
        killed = run_killed(home_path, step, "compact").returncode == -signal.SIGKILL
        assert verify(home_path).ok
        step += 1
        with open_home(home_path) as home:
            assert home.lake.count() == 40
    assert step > 5
    now = content(home_path)
    assert now["lake"] == first["lake"]
    assert now["findings"] == first["findings"]


@pytest.mark.slow
def test_killed_at_any_step_of_a_retention_all_of_it_is_gone_or_nothing(
    home_path: Path, before: Before, full_commit: FullCommit
) -> None:
    with open_home(home_path) as home:
        home.commit(full_commit("b"))
    step, killed = before.first_step, True
    while killed:
        killed = run_killed(home_path, step, "retain").returncode == -signal.SIGKILL
        assert verify(home_path).ok
        with open_home(home_path) as home:
            done = home.records.last_commit() == 3
            assert home.lake.count() == (1 if done else 40)
            assert home.records.findings().height == (1 if done else 4)
            assert [one.uid for one in home.records.incidents()] == (
                ["i-b"] if done else ["i-a", "i-b"]
            )
        if done:
            break
        step += 1
    assert step > 5
    with open_home(home_path) as home:
        home.vacuum()
    assert verify(home_path).ok


def test_a_commit_in_a_thread_leaves_readers_in_others_alone(
    home_path: Path, full_commit: FullCommit
) -> None:
    seen: set[int] = set()
    with open_home(home_path) as home:
        work = threading.Thread(
            target=lambda: [home.commit(full_commit(name)) for name in ("b", "c", "d")]
        )
        work.start()
        while work.is_alive():
            seen.add(home.lake.count())
        work.join()
        assert home.lake.count() == 80
    assert seen <= {20, 40, 60, 80}
    assert verify(home_path).ok
