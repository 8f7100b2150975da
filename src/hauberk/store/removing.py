"""Deletes files that the ledger says are gone, once no reader can still hold their names."""

import contextlib
from datetime import datetime
from pathlib import Path, PurePosixPath

from sqlalchemy import Engine, delete, select

from hauberk.errors import HomeDamagedError

from . import tables
from .lake_files import LAKE
from .tables import to_micros
from .writer import DEAD_LETTERS, STATES

_AT_ONCE = 500


def vacuum(home: Path, engine: Engine, before: datetime | None = None) -> tuple[int, int]:
    """Delete what commits (those before a time, or all) have taken out; files and bytes.

    May be interrupted at any instant and run again. The caller holds the home's lock. Raises
    HomeDamagedError where something else than such a file is named.
    """
    removals, commits = tables.removals, tables.commits
    query = select(removals.c.path).order_by(removals.c.path)
    if before is not None:
        query = query.join(commits, commits.c.number == removals.c.number)
        query = query.where(commits.c.time < to_micros(before))
    with engine.connect() as connection:
        paths = [str(path) for (path,) in connection.execute(query)]
    size = sum(_delete(home, path) for path in paths)
    for at in range(0, len(paths), _AT_ONCE):
        chunk = paths[at : at + _AT_ONCE]
        with engine.begin() as connection:
            connection.execute(delete(removals).where(removals.c.path.in_(chunk)))
            gone = tables.files.c.path.in_(chunk) & tables.files.c.replaced_by.is_not(None)
            connection.execute(delete(tables.files).where(gone))
    return len(paths), size


def _delete(home: Path, relative: str) -> int:
    """Delete one file; its bytes. Folders of a day or a commit that are empty then go with it."""
    place = PurePosixPath(relative)
    if place.parts[0] not in (LAKE, STATES, DEAD_LETTERS) or ".." in place.parts:
        raise HomeDamagedError(
            f"{relative[:200]} is to be deleted, and is no file of the lake or the states",
            where=str(home),
            hint="Run `hauberk verify` to see what else was changed",
        )
    path = home / place
    try:
        size = path.lstat().st_size
        path.unlink()
    except FileNotFoundError:
        return 0
    if path.parent.name.startswith("day=") or path.parent.parent.name == STATES:
        with contextlib.suppress(OSError):
            path.parent.rmdir()
    return size
