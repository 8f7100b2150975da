"""One state of a home beside whoever commits to it: its records copied, and the files they name."""

import contextlib
import json
import sqlite3
from pathlib import Path
from urllib.parse import quote

from .expected import read_entries
from .home import Home
from .verification import FaultKind


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite database as one commit left it, by SQLite's own backup.

    Raises sqlite3.Error.
    """
    with (
        contextlib.closing(sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)  # all pages in one step: it sees one state, and holds up nobody
    target.chmod(0o600)


def committed_files(home: Home) -> dict[str, str]:
    """SHA-256 (hex) of every file that the ledger of an open home vouches for, by path.

    Raises ValueError where an entry cannot be read.
    """
    faults: list[str] = []

    def note(_kind: FaultKind, where: str, _expected: object, found: object) -> None:
        faults.append(f"{where}: {found}")

    expected = read_entries((json.dumps(one).encode() for one in home.ledger.entries()), note)
    if faults:
        raise ValueError(faults[0])
    return expected.digests()
