"""The inbox: what waits to be taken into the home by whoever writes it.

Who may not write a home (the console beside a watch) leaves records in `inbox/WRITER/`: JSON lines
in files of their owner's alone, flushed to the device before they are promised. Each line has a
number, the seal of the line before it, and a seal of its own (HMAC-SHA-256 under a key of the
writer's in `keys/`). Whoever writes the home reads on from the *place* that its last commit noted,
and commits what it read together with the new place: each line is taken exactly once.

A line that is no JSON, bears no valid seal, or was taken before is refused. Numbers that are
missing are told of; lines after them are sealed, and are taken.
"""

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
import rfc8785
from filelock import FileLock

from hauberk.errors import UsageError

from .durable import make_folder, sync
from .home import Home
from .ledger import canonical
from .place import KEYS

INBOX = "inbox"
STATE = "inbox"
"""Name of the state that holds the places."""

FILE_BYTES = 1 << 20
"""Bytes after which a writer begins its next file."""

READ_BYTES = 4 << 20
"""Bytes of one writer that are taken at once; a line that is longer is refused."""

MAX_WRITERS = 64

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_FILE = re.compile(r"(\d{10})\.jsonl")
_LOCK = ".lock"

PLACE_SCHEMA = pl.Schema(
    {
        "writer": pl.String(),
        "file": pl.Int64(),
        "offset": pl.Int64(),  # bytes of the file that were taken
        "number": pl.Int64(),  # of the last line that was taken
        "seal": pl.String(),  # of that line
    }
)
"""One row is one writer."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a writer's lines were taken."""

    writer: str
    file: int = 0
    offset: int = 0
    number: int = 0
    seal: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Lines of one file that were not taken yet.

    `data` are whole lines from `offset` on; `records` the sealed ones in order; `refused` offset,
    length and reason of the others; `missing` says what should be there and is not; `after` is the
    place once these are taken.
    """

    path: Path
    offset: int
    data: bytes
    after: Place
    records: Sequence[Mapping[str, object]] = ()
    refused: Sequence[tuple[int, int, str]] = ()
    missing: Sequence[str] = ()


def places_of(home: Home) -> dict[str, Place]:
    """The places that the newest commit noted, by writer. Raises HomeDamagedError."""
    state = home.records.state(STATE)
    if not state:
        return {}
    return {row["writer"]: Place(**row) for row in state["places"].iter_rows(named=True)}


def places_frame(places: Iterable[Place]) -> pl.DataFrame:
    """Places as a state keeps them."""
    rows = [[getattr(one, name) for name in PLACE_SCHEMA] for one in places]
    return pl.DataFrame(rows, schema=PLACE_SCHEMA, orient="row")


class Inbox:
    """One writer's end. Several processes may write under one name; they take turns."""

    def __init__(self, home: Path, writer: str) -> None:
        if _NAME.fullmatch(writer) is None:
            raise UsageError(f"{writer!r} is no name of a writer of the inbox")
        self._home = home
        self._writer = writer
        self._folder = home / INBOX / writer
        self._key: bytes | None = None

    def append(self, records: Sequence[Mapping[str, object]]) -> None:
        """Leave records, durably: when this returns they are on the device, in order.

        Raises OSError where they are not, and then none of them is promised.
        """
        make_folder(self._folder, self._home)
        with FileLock(self._folder / _LOCK):
            key = self._sealing()
            place, path = self._end(key)
            lines = []
            for record in records:
                body = json.loads(canonical(record))
                body.update(writer=self._writer, number=place.number + 1, previous=place.seal)
                seal = _seal(key, body)
                place = replace(place, number=place.number + 1, seal=seal)
                lines.append(rfc8785.dumps({**body, "seal": seal}) + b"\n")
            _append(path, b"".join(lines))

    def waiting(self) -> list[Mapping[str, object]]:
        """Sealed records that lie in the files, taken or not, in order."""
        if not self._folder.is_dir():
            return []
        with FileLock(self._folder / _LOCK):
            key = _read_key(self._home, self._writer)
            found = []
            for _, path in _files(self._folder):
                found += [one for one in map(_parsed, _read(path, 0)[0].split(b"\n")) if one]
        return [one for one in found if key is not None and _sealed(key, one)]

    def _end(self, key: bytes) -> tuple[Place, Path]:
        """After what the next line comes, and in which file."""
        with Home.open(self._home, read_only=True) as home:
            taken = places_of(home).get(self._writer, Place(self._writer))
        files = _files(self._folder)
        last = taken
        for number, path in files:
            _mend(path)
            for line in path.read_bytes().split(b"\n"):
                body = _parsed(line)
                if body is not None and _sealed(key, body):
                    said = body["number"]
                    if isinstance(said, int) and said > last.number:
                        last = Place(self._writer, number, 0, said, str(body["seal"]))
        newest = max([taken.file, *(number for number, _ in files)])
        if not files or files[-1][0] < newest or files[-1][1].stat().st_size >= FILE_BYTES:
            newest += 1
        return last, self._folder / f"{newest:010d}.jsonl"

    def _sealing(self) -> bytes:
        if self._key is None:
            self._key = _read_key(self._home, self._writer)
        if self._key is None:
            self._key = secrets.token_bytes(32)
            path = _key_path(self._home, self._writer)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(self._key)
            sync(path)
            sync(path.parent)
        return self._key


@dataclass(slots=True)
class InboxReader:
    """The other end: reads on from the places that were noted, and never the same line twice."""

    home: Path
    places: dict[str, Place] = field(default_factory=dict)

    @classmethod
    def of(cls, home: Home) -> "InboxReader":
        """A reader that goes on where the home's last commit stands."""
        return cls(home.path, places_of(home))

    def read(self) -> list[Waiting]:
        """What waits now, at most one chunk a writer; moves the places on."""
        found = []
        for writer in self._writers():
            place = self.places.get(writer, Place(writer))
            waiting = _next(self.home, writer, place)
            if waiting is not None:
                found.append(waiting)
                self.places[writer] = waiting.after
        return found

    def sweep(self) -> None:
        """Delete files of which every line was taken; only once that is committed."""
        for writer in self._writers():
            place = self.places.get(writer, Place(writer))
            for number, path in _files(self.home / INBOX / writer):
                if number < place.file:
                    path.unlink(missing_ok=True)

    def _writers(self) -> list[str]:
        folder = self.home / INBOX
        try:
            with os.scandir(folder) as found:
                names = [
                    one.name
                    for one in found
                    if _NAME.fullmatch(one.name) and one.is_dir(follow_symlinks=False)
                ]
        except FileNotFoundError:
            return []
        return sorted(names)[:MAX_WRITERS]


def _next(home: Path, writer: str, place: Place) -> Waiting | None:
    """The next lines of a writer; None where there are none."""
    files = [one for one in _files(home / INBOX / writer) if one[0] >= place.file]
    for at, (number, path) in enumerate(files):
        offset = place.offset if number == place.file else 0
        newer = at + 1 < len(files)
        data, size = _read(path, offset)
        if size < offset:
            after = replace(place, offset=size)
            said = f"{path.name} of {writer} was cut from {offset:,} to {size:,} bytes"
            return Waiting(path, size, b"", after, missing=[said])
        end = data.rfind(b"\n") + 1
        if end == 0 and (len(data) >= READ_BYTES or (newer and data)):
            end = len(data)  # no line will come of it
        if end:
            after = replace(place, file=number, offset=offset + end)
            return _checked(_read_key(home, writer), path, offset, data[:end], after)
    return None


def _checked(
    key: bytes | None, path: Path, offset: int, data: bytes, after: Place
) -> Waiting | None:
    records, refused, missing = [], [], []
    number, seal = after.number, after.seal
    at = offset
    for line in data.split(b"\n"):
        begin, at = at, at + len(line) + 1
        if not line.strip():
            continue
        body = _parsed(line)
        if body is None:
            reason = "no line of the inbox: damaged, or not written by its writer"
        elif key is None or not _sealed(key, body):
            reason = "its seal is not that of its writer: forged, or altered"
        elif body["writer"] != after.writer:
            reason = f"a line of another writer, {str(body['writer'])[:40]!r}"
        elif not isinstance(body["number"], int) or body["number"] <= number:
            reason = f"line {body['number']} was taken before: played again"
        else:
            if body["number"] != number + 1 or body["previous"] != seal:
                missing.append(
                    f"lines {number + 1} to {body['number'] - 1} of {after.writer} are missing"
                )
            number, seal = body["number"], str(body["seal"])
            records.append(body)
            continue
        refused.append((begin, len(line), reason))
    return Waiting(
        path, offset, data, replace(after, number=number, seal=seal), records, refused, missing
    )


def _parsed(line: bytes) -> dict[str, object] | None:
    """A line's object where it has the parts that one has."""
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        return None
    parts = ("writer", "number", "previous", "seal")
    return body if isinstance(body, dict) and all(one in body for one in parts) else None


def _sealed(key: bytes, body: Mapping[str, object]) -> bool:
    try:
        expected = _seal(key, {name: one for name, one in body.items() if name != "seal"})
    except (ValueError, RecursionError):
        return False
    return hmac.compare_digest(expected.encode(), str(body["seal"]).encode("utf-8", "replace"))


def _seal(key: bytes, body: Mapping[str, object]) -> str:
    return hmac.new(key, canonical(body), hashlib.sha256).hexdigest()


def _key_path(home: Path, writer: str) -> Path:
    return home / KEYS / f"inbox-{writer}.key"


def _read_key(home: Path, writer: str) -> bytes | None:
    try:
        key = _key_path(home, writer).read_bytes()
    except FileNotFoundError:
        return None
    return key if len(key) == 32 else None


def _files(folder: Path) -> list[tuple[int, Path]]:
    """Files of a writer by number, in order."""
    with contextlib.suppress(OSError):
        found = [(_FILE.fullmatch(path.name), path) for path in folder.iterdir()]
        return sorted((int(match.group(1)), path) for match, path in found if match)
    return []


def _read(path: Path, offset: int) -> tuple[bytes, int]:
    """At most READ_BYTES from `offset` on, and the file's size; nothing of what is no file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b"", offset
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            return b"", offset
        file.seek(offset)
        return file.read(READ_BYTES), about.st_size


def _mend(path: Path) -> None:
    """Cut off a last line whose writer died amid it: nobody was promised it."""
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(data.rfind(b"\n") + 1)


def _append(path: Path, data: bytes) -> None:
    fresh = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        size = os.fstat(handle).st_size
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(handle, left) :]
            os.fsync(handle)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)
    if fresh:
        for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
            sync(folder)
