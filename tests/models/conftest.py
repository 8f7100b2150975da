"""A home with persons and keys, made once and copied for each test."""

import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

Office: Any = runpy.run_path(str(Path(__file__).with_name("office.py")))["Office"]


@pytest.fixture(scope="session")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home in which there are persons and a trusted signing key."""
    folder = tmp_path_factory.mktemp("staffed")
    office = Office.open(folder)
    office.people().signing_key()
    office.home.close()
    return folder


@pytest.fixture
def office(staffed: Path, tmp_path: Path) -> Iterator[Any]:
    folder = tmp_path / "office"
    shutil.copytree(staffed, folder)
    office = Office.open(folder)
    with office.home:
        yield office


@pytest.fixture(scope="session")
def alive(staffed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home in which one model is live."""
    folder = tmp_path_factory.mktemp("alive") / "office"
    shutil.copytree(staffed, folder)
    office = Office.open(folder)
    with office.home:
        office.live()
    return folder


@pytest.fixture
def live_office(alive: Path, tmp_path: Path) -> Iterator[Any]:
    folder = tmp_path / "live"
    shutil.copytree(alive, folder)
    office = Office.open(folder)
    with office.home:
        yield office
