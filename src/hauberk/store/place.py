"""The folder that a home is: made, locked by one writer, its keys, the names of its faults."""

import contextlib
import os
import secrets
from pathlib import Path

import polars as pl
from filelock import FileLock, Timeout
from sqlalchemy import Engine, insert, select

from hauberk.errors import (
    DiskFullError,
    HauberkError,
    HomeBusyError,
    HomeDamagedError,
    UsageError,
)

from . import database, tables
from .durable import is_disk_full, is_read_only, make_folder, sync_folders
from .postgresql import MARKER
from .settings import SETTINGS
from .signing import KEY_FILE, Signer, load_signer, make_keys
from .sqlite import DATABASE

KEYS = "keys"
LOCK = "lock"
OWNER = "owner"
RUN = "run"
"""What `hauberk up` keeps while it runs."""
_BEFORE_THE_FIRST = frozenset({KEYS, LOCK, OWNER, RUN, SETTINGS, f".{MARKER}.part"})


def make(path: Path, *, create: bool) -> None:
    """Make the folder where there is none and `create` allows it. Raises UsageError."""
    known = database.is_there(path)
    if not known and not create:
        raise UsageError("there is no home here", where=str(path), hint=database.NO_HOME)
    try:
        if path.is_dir() and not known:
            strange = sorted(
                child.name for child in path.iterdir() if child.name not in _BEFORE_THE_FIRST
            )
            if strange:
                raise UsageError(
                    f"this folder is no home and not empty (it holds {strange[0]})",
                    where=str(path),
                    hint="Name an empty or a new folder",
                )
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise _unusable(path, error) from error


def lock(path: Path) -> FileLock:
    """Lock a home against other writers, and say who has it. Raises HomeBusyError, UsageError."""
    held = FileLock(path / LOCK, timeout=0, thread_local=False, mode=0o600)
    owner = path / OWNER
    try:
        held.acquire()
    except Timeout as error:
        try:
            who = f"process {int(owner.read_text('utf-8'))}"
        except (OSError, ValueError):
            who = "another process"
        raise HomeBusyError(
            f"{who} works in this home",
            where=str(path),
            hint="Wait for it to end, or name another home",
        ) from error
    except OSError as error:
        raise _unusable(path, error) from error
    with contextlib.suppress(OSError):  # it only tells others whom to wait for
        owner.write_text(f"{os.getpid()}\n", "utf-8")
    return held


def signer_of(path: Path, engine: Engine) -> Signer:
    """Who signs a home's checkpoints; the keys are made with the home."""
    keys = path / KEYS
    with engine.connect() as connection:
        query = select(tables.home.c.value).where(tables.home.c.key == "origin")
        origin = connection.execute(query).scalar()
    if origin is not None:
        return load_signer(keys, origin)
    make_folder(keys, path)
    signer = make_keys(keys, f"hauberk.home/{secrets.token_hex(8)}")
    sync_folders([keys / KEY_FILE], path)
    with engine.begin() as connection:
        connection.execute(insert(tables.home).values(key="origin", value=signer.name))
    return signer


def damage_of(path: Path, error: Exception) -> HauberkError | None:
    """The error that tells of damage, where this one came of a file that is gone or no longer so.

    Or of a device that is read-only now, which a file that cannot be written tells of too.

    Readers of the lake say which file in their text alone.
    """
    if is_read_only(error):
        return read_only(path)
    if database.is_damage(error):
        return database.damaged(path / DATABASE)
    said = str(error)
    of_the_lake = isinstance(error, OSError | pl.exceptions.PolarsError) and (
        # A long path is shortened in what they say.
        str(path) in said or ".parquet" in said or said.startswith("parquet: ")
    )
    if of_the_lake:
        return HomeDamagedError(
            f"a file of the home is missing or damaged: {said}",
            where=str(path),
            hint="`hauberk verify` names all that is not as it was committed; restore the home from"
            " a backup, or scan the logs again into another home",
        )
    return None


def _unusable(path: Path, error: OSError) -> HauberkError:
    if is_disk_full(error):
        return disk_full(path)
    return UsageError(
        f"the home cannot be written: {error.strerror}", where=str(path), hint="Name another home"
    )


def read_only(path: Path) -> UsageError:
    """The error of a device that cannot be written any more."""
    return UsageError(
        "the home cannot be written: Read-only file system",
        where=str(path),
        hint="Mount it for writing again: what was committed is kept, the rest is read again",
    )


def disk_full(path: Path) -> DiskFullError:
    """The error of a device without room."""
    return DiskFullError(
        "there is no room left on the device",
        where=str(path),
        hint="Make room and run the same command again: what was committed is kept",
    )
