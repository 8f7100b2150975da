"""Homes with models that really judge, made once and copied for each test."""

import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hauberk.models import Stage, Task

made: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "integration" / "judges.py"))


@pytest.fixture(scope="session")
def staffed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home in which there are persons and a trusted signing key."""
    folder = tmp_path_factory.mktemp("staffed")
    desk = made["opened"](folder)
    desk.people().signing_key()
    desk.home.close()
    return folder


@pytest.fixture(scope="session")
def judging_once(staffed_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same where a model of domains is live."""
    folder = tmp_path_factory.mktemp("judging") / "office"
    shutil.copytree(staffed_once, folder)
    desk = made["opened"](folder)
    with desk.home:
        made["raised"](desk, made["approved"](desk, Task.DOMAIN), Stage.LIVE)
    return folder


@pytest.fixture
def desk(staffed_once: Path, tmp_path: Path) -> Iterator[Any]:
    """An open home and the keys of everybody in it, nobody's model yet."""
    yield from _opened(staffed_once, tmp_path / "office")


@pytest.fixture
def live(judging_once: Path, tmp_path: Path) -> Iterator[Any]:
    """An open home in which a model of domains is live."""
    yield from _opened(judging_once, tmp_path / "live")


def _opened(once: Path, folder: Path) -> Iterator[Any]:
    shutil.copytree(once, folder)
    opened = made["opened"](folder)
    with opened.home:
        yield opened
