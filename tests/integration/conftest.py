"""An office with people and keys, for tests of models at work."""

import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home, its people and a key that signs models; to be copied, not changed."""
    made: dict[str, Any] = runpy.run_path(str(Path(__file__).with_name("judges.py")))
    folder = tmp_path_factory.mktemp("staffed")
    desk = made["opened"](folder)
    desk.people().signing_key()
    desk.home.close()
    return folder


@pytest.fixture
def folder(staffed: Path, tmp_path: Path) -> Path:
    """An office of one's own."""
    target = tmp_path / "office"
    shutil.copytree(staffed, target)
    return target
