"""Makes a home of a backup: nothing is taken from it that its manifest does not vouch for."""

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Self

import zstandard

from hauberk.errors import HomeDamagedError, UsageError
from hauberk.store import is_disk_full

from .backup import FORMAT, MANIFEST, SEALED, VERSION
from .sealed_keys import unseal

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_MANIFEST = 256 << 20
MAX_SEALED = 16 << 20
MAX_HEADER = 64 << 10
_CHUNK = 1 << 20
_PACKED = 1 << 10  # read at once: no more than 32 MiB, whatever was made to unfold
_EXTENDED = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was restored. `missing_keys` are to be put back by hand before it can be written."""

    home: Path
    commit: int
    made: str
    files: int
    missing_keys: tuple[str, ...]


class _Bounded(tarfile.TarInfo):
    """A member whose extended header, which is read into memory whole, is small."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        info = super().frombuf(buf, encoding, errors)
        if info.type in _EXTENDED and info.size > MAX_HEADER:
            raise tarfile.HeaderError("a header of this length")
        return info


class _Frame(io.RawIOBase):
    """What a zstd frame holds, to its end; where the file ends before it, EOFError.

    The library's own reader ends alike at the end of a frame and of a file that was cut.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        self._held = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, into: "WriteableBuffer") -> int:
        while not self._held and not self._unpacker.eof:
            packed = self._file.read(_PACKED)
            if not packed:
                raise EOFError("it has no end")
            self._held = memoryview(self._unpacker.decompress(packed))
        target = memoryview(into).cast("B")
        size = min(len(target), len(self._held))
        target[:size] = self._held[:size]
        self._held = self._held[size:]
        return size

    def finish(self) -> None:
        """Read what is left. Raises EOFError where the frame has no end."""
        while self.read(_CHUNK):
            pass


def restore(
    backup: Path,
    home: Path,
    ask: Callable[[], str],
    keyless: Callable[[], None] = lambda: None,
) -> RestoreReport:
    """Make the home `home` of a backup; `ask` gives the passphrase if its keys are sealed.

    `keyless` is called before anything is written where the backup was made without its keys.

    Everything is checked before anything stands where the home will be. Raises UsageError where
    the home is there already or the passphrase is another, HomeDamagedError where the backup is
    not what was written.
    """
    home = home.absolute()
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise UsageError("there is something here", where=str(home), hint="Name a new folder")
    beside = home.with_name(f".{home.name}.restoring")
    if beside.exists():
        raise UsageError(
            "a restore is under way here, or was broken off", where=str(beside),
            hint="Remove that folder if no other restore runs",
        )  # fmt: skip
    try:
        beside.mkdir(mode=0o700, parents=True)
        manifest = _unpack(backup, beside, keyless)
        missing = _put_keys(beside, manifest, ask)
        if home.exists():
            home.rmdir()
        beside.rename(home)
    except OSError as error:
        said = "no room is left" if is_disk_full(error) else error.strerror or str(error)
        raise UsageError(f"it cannot be restored: {said}", where=str(home)) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return RestoreReport(
        home, int(manifest["commit"]), str(manifest["made"]), len(manifest["files"]), missing
    )


def _unpack(backup: Path, folder: Path, keyless: Callable[[], None]) -> Mapping[str, Any]:
    try:
        with (
            backup.open("rb") as file,
            tarfile.open(fileobj=(packed := _Frame(file)), mode="r|", tarinfo=_Bounded) as tar,
        ):
            first = tar.next()
            if first is None or first.name != MANIFEST or first.size > MAX_MANIFEST:
                raise _wrong(backup, "it does not begin with a manifest")
            manifest = _manifest(_data(tar, first), backup)
            files: dict[str, Any] = dict(manifest["files"])
            if manifest["keys_left_out"]:
                keyless()
            while (member := tar.next()) is not None:
                wanted = files.pop(member.name, None)
                if wanted is None or not member.isreg() or member.size != wanted["bytes"]:
                    raise _wrong(backup, f"{member.name[:200]!r} is not as the manifest has it")
                _write(tar, member, folder, str(wanted["sha256"]), backup)
            packed.finish()
    except FileNotFoundError as error:
        raise UsageError("there is no such file", where=str(backup)) from error
    except (tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise _wrong(backup, f"it is cut short or damaged ({error})") from error
    if files:
        raise _wrong(backup, f"{len(files)} files are missing, the first {min(files)[:200]!r}")
    return manifest


def _manifest(data: bytes, backup: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
        if found["format"] != FORMAT or found["version"] != VERSION:
            raise _wrong(backup, "this version of Hauberk does not know its form")
        for name, one in found["files"].items():
            if not _safe(name) or type(one["bytes"]) is not int or len(one["sha256"]) != 64:
                raise _wrong(backup, f"its manifest names {name[:200]!r}")
        int(found["commit"]), str(found["origin"]), list(found["keys_left_out"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _wrong(backup, "its manifest cannot be read") from error
    assert isinstance(found, dict)
    return found


def _safe(name: str) -> bool:
    """Whether a path stays within the home, and is what this writes."""
    parts = PurePosixPath(name).parts
    plain = (
        name == "/".join(parts) and "\\" not in name and "\0" not in name and ":" not in name[:2]
    )
    return bool(parts) and plain and not name.startswith("/") and not {"..", "."} & {*parts}


def _data(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member)
    return b"" if stream is None else stream.read()


def _write(
    tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, digest: str, backup: Path
) -> None:
    if member.name == SEALED and member.size > MAX_SEALED:
        raise _wrong(backup, "its sealed keys are too long")
    stream: IO[bytes] | None = tar.extractfile(member)
    assert stream is not None
    path = folder / member.name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    hashed = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        while data := stream.read(_CHUNK):
            hashed.update(data)
            out.write(data)
        out.flush()
        os.fsync(out.fileno())
    if hashed.hexdigest() != digest:
        raise _wrong(backup, f"{member.name!r} is not what was backed up")


def _put_keys(folder: Path, manifest: Mapping[str, Any], ask: Callable[[], str]) -> tuple[str, ...]:
    """Open the sealed keys into the home; the names of keys that the backup does not hold."""
    sealed = folder / SEALED
    if not sealed.exists():
        return tuple(str(one) for one in manifest["keys_left_out"])
    for name, data in unseal(sealed.read_bytes(), ask(), str(manifest["origin"])).items():
        path = folder / name
        if not _safe(name) or path.exists():
            raise UsageError("the sealed keys name a file that is no key", where=name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(data)
    sealed.unlink()
    return ()


def _wrong(backup: Path, said: str) -> HomeDamagedError:
    return HomeDamagedError(f"this is no whole backup: {said}", where=str(backup))
