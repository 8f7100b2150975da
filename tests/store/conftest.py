"""Homes and commits for the tests of the store."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from hauberk.store import Commit, Home

_SPEC = importlib.util.spec_from_file_location("commits", Path(__file__).with_name("commits.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
_COMMITS = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_COMMITS)


@pytest.fixture
def full_commit() -> Callable[..., Commit]:
    """A commit by name that has some of everything."""
    make: Callable[..., Commit] = _COMMITS.full_commit
    return make


@pytest.fixture
def home_path(tmp_path: Path) -> Path:
    """Where a home can be made."""
    return tmp_path / "home"


@pytest.fixture
def make_home(home_path: Path, full_commit: Callable[..., Commit]) -> Callable[..., Path]:
    """Make a home with commits of these names."""

    def make(*names: str) -> Path:
        with Home.open(home_path) as home:
            for name in names:
                home.commit(full_commit(name))
        return home_path

    return make
