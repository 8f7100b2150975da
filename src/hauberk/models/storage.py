"""Artifacts in a home: a folder each, named by digest, written whole or not at all.

`HOME/models/DIGEST/` holds the files; the ledger says which of them count. A folder that no entry
names is what an interrupted registration left: it holds what its name says or is refused.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hauberk.store import Home

from .artifact import Artifact, read_artifact
from .documents import SIGNATURE
from .reading import ArtifactError
from .versions import Version

FOLDER = "models"


def folder_of(home: Path, digest: str) -> Path:
    """Where an artifact lies."""
    return home / FOLDER / digest


def store_artifact(home: Home, artifact: Artifact) -> Path:
    """Copy an artifact's files, flush them, and give them their place by one renaming."""
    target = folder_of(home.path, artifact.digest)
    if target.exists():
        if read_artifact(target).digest != artifact.digest:
            raise ArtifactError("holds something else than its name says", where=str(target))
        return target
    incoming = home.path / FOLDER / f".incoming-{secrets.token_hex(8)}"
    incoming.mkdir(mode=0o700, parents=True)
    try:
        for name in artifact.files:
            write_whole(incoming / name, (artifact.folder / name).read_bytes())
        if read_artifact(incoming).digest != artifact.digest:
            raise ArtifactError("changed while it was copied", where=str(artifact.folder))
        incoming.rename(target)
        _flush(target.parent)
    except BaseException:
        shutil.rmtree(incoming, ignore_errors=True)
        raise
    return target


def write_whole(path: Path, data: bytes) -> None:
    """Write a file for its owner alone, flushed, in place of what was there."""
    partial = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    partial.replace(path)
    _flush(path.parent)


def write_signature(home: Path, digest: str, bundle: str) -> None:
    """Put a bundle beside the files it signs, for other tools; the ledger holds the one we read."""
    write_whole(folder_of(home, digest) / SIGNATURE, bundle.encode())


@contextmanager
def signature_folder(home: Home, version: Version) -> Iterator[Path]:
    """A copy of a version's files in a folder of its name, for a library that signs folders."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / version.model.name
        copy.mkdir()
        for name in version.files:
            shutil.copyfile(folder_of(home.path, version.artifact) / name, copy / name)
        yield copy


def sweep(home: Path) -> int:
    """Remove what interrupted registrations left behind; how many."""
    left = list((home / FOLDER).glob(".incoming-*")) + list((home / FOLDER).glob("*/.*"))
    for path in left:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(left)


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
