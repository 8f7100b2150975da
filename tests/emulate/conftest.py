"""Emulated days, shared by the tests of this room."""

from pathlib import Path

import pytest

from hauberk.emulate import Emulated, campaigns, emulate


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Emulated:
    """A day of five people, attacked in every way at once."""
    return emulate(
        tmp_path_factory.mktemp("emulated") / "day", seed=11, users=5, days=1,
        campaigns=campaigns(),
    )  # fmt: skip


@pytest.fixture(scope="session")
def logs(attacked: Emulated) -> list[Path]:
    """Every file of that day's logs."""
    return sorted(path for path in attacked.logs.rglob("*") if path.is_file())


@pytest.fixture(scope="session")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Emulated:
    """A day of three people, whom nobody attacks."""
    return emulate(tmp_path_factory.mktemp("emulated") / "quiet", seed=3, users=3)
