"""Backs up a home while others write it: the state of one commit, each file with its digest.

What moves goes from left to right: a record from spool or inbox into the lake, an act from the
console's database into the ledger. Copies are taken in that order, so that what moves meanwhile is
in both, which the home is made to bear, and never in neither.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

import zstandard

from hauberk import __version__
from hauberk.errors import HomeDamagedError, UsageError
from hauberk.ingest.receivers import SPOOL
from hauberk.store import INBOX, Home, committed_files, copy_database

from .running import make_run_folder
from .sealed_keys import check_passphrase, seal

FORMAT, VERSION = "hauberk-backup", 1
MANIFEST, SEALED = "manifest.json", "keys.sealed"
RECORDS, ON_A_SERVER = "records.sqlite3", "records.postgresql"
TRIES = 5
"""Times that files are linked anew because a compaction took some away."""

_LEVEL = 3
_BY_LEDGER = frozenset({"lake", "states", "dead-letters"})
_NEVER = frozenset({"run", "lock", "owner"})
_LINES = frozenset({SPOOL, INBOX})
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup holds. `left_out` are private keys that it does not."""

    path: Path
    commit: int
    files: int
    bytes: int
    size: int
    with_keys: bool
    left_out: tuple[str, ...] = ()


@dataclass(slots=True)
class _Taken:
    """What was taken so far: where each file lies now, its SHA-256 and size."""

    folder: Path
    files: dict[str, tuple[Path, str, int]] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)


def back_up(home: Path, target: Path, now: datetime, passphrase: str | None = None) -> BackupReport:
    """Write a backup; private keys are in it only with a passphrase, which seals them.

    Raises UsageError where there is no home, or its records are on a server; HomeDamagedError
    where a file is not what was committed: such a home is not backed up over good backups.
    """
    home, target = home.absolute(), target.absolute()
    if passphrase is not None:
        check_passphrase(passphrase)
    _check(home, target)
    with tempfile.TemporaryDirectory(prefix="backup-", dir=make_run_folder(home)) as folder:
        taken = _Taken(Path(folder))
        _take_loose(home, taken)
        for path in sorted(home.glob("*.sqlite3")):
            if path.name != RECORDS:
                _take_database(path, taken)
        commit, origin, checkpoint = _take_committed(home, taken)
        left_out = () if passphrase else tuple(sorted(taken.keys))
        if passphrase:
            _put(taken, SEALED, seal(taken.keys, passphrase, origin))
        manifest = {
            "format": FORMAT, "version": VERSION, "hauberk": __version__,
            "made": now.isoformat(), "commit": commit, "origin": origin,
            "checkpoint": checkpoint, "keys_left_out": left_out,
            "files": {
                name: {"sha256": digest, "bytes": size}
                for name, (_, digest, size) in sorted(taken.files.items())
            },
        }  # fmt: skip
        _put(taken, MANIFEST, json.dumps(manifest, indent=1).encode())
        _write(target, taken)
    whole = sum(size for _, _, size in taken.files.values())
    return BackupReport(
        target, commit, len(taken.files) - 1, whole, target.stat().st_size, passphrase is not None,
        left_out,
    )  # fmt: skip


def _check(home: Path, target: Path) -> None:
    if not home.is_dir():
        raise UsageError(
            "there is no home here", where=str(home), hint="Name one: --home, or HAUBERK_HOME"
        )
    if (home / ON_A_SERVER).exists() or not (home / RECORDS).is_file():
        raise UsageError(
            "the records of this home are not in its folder",
            where=str(home),
            hint="Where they are on a server, back up its database (pg_dump), then the folder",
        )
    if target.exists():
        raise UsageError("there is a file here already", where=str(target), hint="Name another")
    if not target.parent.is_dir():
        raise UsageError("there is no such folder", where=str(target.parent), hint="Make it first")
    if target.is_relative_to(home):
        raise UsageError("a backup within the home would go with it", where=str(target))


def _take_loose(home: Path, taken: _Taken) -> None:
    """All that neither the ledger nor a database accounts for: copied as it is now."""
    for path in sorted(_loose(home)):
        name = path.relative_to(home).as_posix()
        try:
            with path.open("rb") as file:
                data = file.read(os.fstat(file.fileno()).st_size)
        except FileNotFoundError:
            continue  # a spool file whose records are all in the lake
        if name.split("/")[0] in _LINES:
            data = data[: data.rfind(b"\n") + 1]  # nobody was promised half a line
        if _is_key(name):
            taken.keys[name] = data
        else:
            _put(taken, name, data)


def _loose(home: Path) -> Iterator[Path]:
    for top, folders, names in os.walk(home):
        at = Path(top)
        if at == home:
            folders[:] = [one for one in folders if one not in _BY_LEDGER | _NEVER]
        for name in names:
            path = at / name
            passing = name.startswith(".") or name.endswith((".part", "-wal", "-shm"))
            in_top = at == home and (name in _NEVER or name.endswith(".sqlite3"))
            if not passing and not in_top and path.is_file() and not path.is_symlink():
                yield path


def _is_key(name: str) -> bool:
    """Whether a file holds a private key: all do in `keys`, but public halves and digests."""
    public = name.endswith((".pub", "tokens.json"))
    return name.endswith(".key") or (name.startswith("keys/") and not public)


def _take_database(path: Path, taken: _Taken) -> None:
    copy = taken.folder / path.name
    try:
        copy_database(path, copy)
    except sqlite3.Error as error:
        raise HomeDamagedError(f"it cannot be copied: {error}", where=str(path)) from error
    with copy.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    taken.files[path.name] = (copy, digest, copy.stat().st_size)


def _take_committed(home: Path, taken: _Taken) -> tuple[int, str, str | None]:
    """The records as one commit left them, and links to every file that the ledger names then."""
    gone = ""
    for number in range(TRIES):
        (taken.folder / RECORDS).unlink(missing_ok=True)
        _take_database(home / RECORDS, taken)
        with Home.open(taken.folder, read_only=True) as copy:
            commit, origin = copy.records.last_commit(), copy.origin
            checkpoint = copy.ledger.checkpoint()
            try:
                files = committed_files(copy)  # what the copy names, wherever it lies
            except ValueError as error:
                raise HomeDamagedError(str(error), where=str(home)) from error
        linked = taken.folder / f"links-{number}"
        missing = _link(home, linked, files, taken)
        if missing is None:
            return commit, origin, checkpoint
        gone = missing
        shutil.rmtree(linked, ignore_errors=True)
    raise HomeDamagedError(
        "a file that the ledger names is missing", where=str(home / gone),
        hint="`hauberk verify` names all that is not as it was committed",
    )  # fmt: skip


def _link(home: Path, folder: Path, files: dict[str, str], taken: _Taken) -> str | None:
    """Hold on to files that a compaction may take away; the first that is gone already."""
    for name, digest in files.items():
        held = folder / name
        held.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(home / name, held)
        except FileNotFoundError:
            return name
        except OSError:  # the device knows no links
            shutil.copyfile(home / name, held)
        taken.files[name] = (held, digest, held.stat().st_size)
    return None


def _put(taken: _Taken, name: str, data: bytes) -> None:
    path = taken.folder / "loose" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    taken.files[name] = (path, hashlib.sha256(data).hexdigest(), len(data))


def _write(target: Path, taken: _Taken) -> None:
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
            with packer.stream_writer(out, closefd=False) as packed, _tar(packed) as tar:
                names = [MANIFEST, *(one for one in sorted(taken.files) if one != MANIFEST)]
                for name in names:
                    _add(tar, name, *taken.files[name])
            out.flush()
            os.fsync(out.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _tar(packed: IO[bytes]) -> Iterator[tarfile.TarFile]:
    with tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        yield tar


class _Hashed:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._hash.update(data)
        return data

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def _add(tar: tarfile.TarFile, name: str, path: Path, digest: str, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    with path.open("rb") as file:
        hashed = _Hashed(file)
        tar.addfile(info, hashed)
    if hashed.hexdigest() != digest:
        raise HomeDamagedError(
            "this file is not what was committed", where=name,
            hint="`hauberk verify` names all that is not; an older backup may have it whole",
        )  # fmt: skip
