"""A process that dies at any step of a model's way leaves the stage before or the stage after."""

import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hauberk.events import EventClass
from hauberk.models import Registry, Stage, Task, read_registry
from hauberk.store import Home, verify

SCRIPT = Path(__file__).with_name("promoted.py")
Office: Any = runpy.run_path(str(Path(__file__).with_name("office.py")))["Office"]
STEPS = 6
"""Steps of a commit of one entry and one event; the first test holds the number true."""


def slow(step: int) -> object:
    return pytest.param(step, marks=pytest.mark.slow)


def run_killed(folder: Path, step: int, act: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, str(SCRIPT), str(folder), str(step), act]
    return subprocess.run(arguments, capture_output=True, text=True, check=False)


def state(folder: Path) -> tuple[Registry, int, int]:
    """What the registry says, ledger entries, and events, to a reader beside the damage."""
    with Home.open(folder / "home", read_only=True) as home:
        events = home.lake.scan(EventClass.APPLICATION_LIFECYCLE).collect().height
        return read_registry(home), home.ledger.size, events


@pytest.fixture(scope="module")
def canary(staffed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("canary") / "office"
    shutil.copytree(staffed, folder)
    office = Office.open(folder)
    with office.home:
        office.raised(office.approved(), Stage.CANARY)
    return folder


@pytest.fixture
def folder(canary: Path, tmp_path: Path) -> Path:
    shutil.copytree(canary, tmp_path / "office")
    return tmp_path / "office"


@pytest.mark.slow
def test_the_tests_below_reach_every_step(folder: Path) -> None:
    done = run_killed(folder, 0, "promote")
    assert done.stdout.strip() == str(STEPS), done.stderr


@pytest.mark.parametrize(
    "step", [step if step in (4, STEPS) else slow(step) for step in range(1, STEPS + 1)]
)
def test_killed_at_any_step_of_a_promotion_the_stage_is_old_or_new(folder: Path, step: int) -> None:
    _, entries, events = state(folder)
    assert run_killed(folder, step, "promote").returncode == -signal.SIGKILL
    registry, entries_now, events_now = state(folder)
    version = registry.named("tiny-domains")
    slot = registry.slot(Task.DOMAIN)
    if version.stage is Stage.CANARY:
        assert (slot.live, slot.canary) == (None, version.artifact)
        assert (entries_now, events_now) == (entries, events)
        assert step < STEPS
    else:
        assert version.stage is Stage.LIVE
        assert (slot.live, slot.canary) == (version.artifact, None)
        assert (entries_now, events_now) == (entries + 3, events + 1)
    assert registry.faults == []
    assert verify(folder / "home").ok
    if version.stage is Stage.CANARY:
        assert run_killed(folder, 0, "promote").returncode == 0
    registry, *_ = state(folder)
    assert registry.named("tiny-domains").stage is Stage.LIVE
    assert verify(folder / "home").ok


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 4, 5, STEPS])
def test_killed_at_any_step_of_a_rollback_it_is_whole_or_absent(folder: Path, step: int) -> None:
    assert run_killed(folder, 0, "promote").returncode == 0
    assert run_killed(folder, step, "rollback").returncode == -signal.SIGKILL
    registry, *_ = state(folder)
    version = registry.named("tiny-domains")
    slot = registry.slot(Task.DOMAIN)
    assert (version.stage, slot.live) in (
        (Stage.LIVE, version.artifact),
        (Stage.RETIRED, None),
    )
    assert verify(folder / "home").ok


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 4, 5, STEPS])
def test_killed_at_any_step_of_a_registration_it_can_be_repeated(folder: Path, step: int) -> None:
    assert run_killed(folder, step, "register").returncode == -signal.SIGKILL
    registry, *_ = state(folder)
    shutil.rmtree(folder / "fresh", ignore_errors=True)
    if not any(one.model.version == "9.0.0" for one in registry.versions.values()):
        again = run_killed(folder, 0, "register")
        assert again.returncode == 0, again.stderr
    registry, *_ = state(folder)
    assert registry.named("tiny-domains@9.0.0").stage is Stage.CANDIDATE
    assert verify(folder / "home").ok
