"""What every test may ask for."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Unpack a set of real telemetry by name; skip where the sets are not at hand."""
    # One unpacked copy serves all workers of a parallel run.
    root = tmp_path_factory.getbasetemp()
    if root.name.startswith("popen-"):
        root = root.parent

    def unpack(name: str) -> Path:
        archive = SHARED / f"{name}.tar.gz"
        if not archive.exists():
            pytest.skip(f"the data set {name} is not on this machine (looked for {archive.name})")
        target = root / "shared-data" / name
        with FileLock(root / f"{name}.lock"):
            if not target.exists():
                partial = target.with_suffix(".part")
                with tarfile.open(archive) as tar:
                    tar.extractall(partial, filter="data")
                partial.rename(target)
        return target / name

    return unpack
