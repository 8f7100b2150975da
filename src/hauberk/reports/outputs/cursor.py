"""How far an output has come: one small file, replaced at once and flushed to the device.

What it names was with the receiver before it was written. So whoever is killed sends some of it
again, under the same ids, and leaves nothing out.
"""

import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from hauberk.errors import HomeDamagedError

FOLDER = "outputs"
VERSION = 1

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")


def is_name(name: str) -> bool:
    """Whether an output may be called so: its name is that of a file."""
    return _NAME.match(name) is not None


@dataclass(slots=True)
class Told:
    """What was told of an incident last: how often, and a digest of what of it matters."""

    times: int
    digest: str


@dataclass(slots=True)
class Cursor:
    """A place in a home, and what was counted on the way to it.

    All findings up to `uid` of `commit` are sent, and all incidents as commit `incidents` left
    them, but for `told`. Times are seconds since 1970.
    """

    origin: str
    commit: int = 0
    uid: str = ""
    incidents: int = 0
    told: dict[str, Told] = field(default_factory=dict)
    sent: int = 0
    refused: int = 0
    refused_in_row: int = 0
    refusal: str = ""  # why the newest was refused
    fault: str = ""
    fault_since: float = 0.0
    last_sent: float = 0.0
    behind_since: float = 0.0
    notes: list[str] = field(default_factory=list)


def cursor_path(home: Path, name: str) -> Path:
    """Where an output's cursor is kept."""
    return home / FOLDER / f"{name}.json"


def load_cursor(home: Path, name: str) -> Cursor | None:
    """The cursor of an output, None before its first start. Raises HomeDamagedError."""
    path = cursor_path(home, name)
    try:
        found = orjson.loads(path.read_bytes())
        if found.pop("version") != VERSION:
            raise ValueError("of another version")
        told = {str(uid): Told(int(n), str(text)) for uid, (n, text) in found.pop("told").items()}
        cursor = Cursor(**found, told=told)
        if not isinstance(cursor.commit, int) or not isinstance(cursor.uid, str):
            raise TypeError("no place")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise HomeDamagedError(
            f"this cursor cannot be read: {error}", where=str(path),
            hint="Remove it to begin anew, as the settings say with `from`",
        ) from error  # fmt: skip
    return cursor


def save_cursor(home: Path, name: str, cursor: Cursor) -> None:
    """Replace the cursor of an output, whole or not at all. Raises OSError."""
    kept = asdict(cursor) | {
        "version": VERSION,
        "told": {uid: [one.times, one.digest] for uid, one in cursor.told.items()},
    }
    path = cursor_path(home, name)
    make_private_folder(path.parent)
    write_private(path, orjson.dumps(kept))


def make_private_folder(path: Path) -> None:
    """Make a folder for its owner alone. Raises OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(path: Path, data: bytes) -> None:
    """Put a private file in the place of an older one, on the device. Raises OSError."""
    part = path.with_name(f".{path.name}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
