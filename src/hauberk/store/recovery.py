"""Takes away what an interrupted commit left on disk."""

import shutil
from pathlib import Path

from sqlalchemy import Engine, delete, select

from . import tables
from .delta_log import LOG, cut_off
from .lake_files import LAKE, commit_prefix
from .writer import DEAD_LETTERS, STATES


def roll_back(home: Path, engine: Engine) -> int | None:
    """Remove every trace of the commit whose intent still stands; its number, if there was one.

    Can itself be interrupted at any instant and run again: the intent goes last.
    """
    with engine.connect() as connection:
        number: int | None = connection.execute(select(tables.intents.c.number)).scalar()
        versions = {row.name: row.version for row in connection.execute(select(tables.lake_tables))}
    if number is None:
        return None
    lake = home / LAKE
    for folder in sorted(lake.iterdir()) if lake.is_dir() else ():
        if folder.name not in versions:
            shutil.rmtree(folder)
            continue
        for path in folder.rglob(f"{commit_prefix(number)}*"):
            path.unlink()
        if (folder / LOG).is_dir():
            cut_off(folder, versions[folder.name])
    shutil.rmtree(home / STATES / f"{number:010d}", ignore_errors=True)
    (home / DEAD_LETTERS / f"{number:010d}.parquet").unlink(missing_ok=True)
    with engine.begin() as connection:
        connection.execute(delete(tables.intents))
    return number
