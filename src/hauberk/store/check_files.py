"""Verifies the files of a home: none changed, none missing, none added."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from .commit import DeadLetter
from .delta_log import LOG, version_of
from .durable import digest as digest_of
from .expected import Expected
from .lake_files import LAKE, commit_prefix
from .rows import letter_digests
from .verification import FaultKind, Note
from .writer import DEAD_LETTERS, STATES


def check_files(home: Path, expected: Expected, note: Note) -> tuple[list[str], int]:
    """Hash every file that the ledger names; the paths that it does not name, and bytes read."""
    digests = expected.digests()
    size = 0
    damaged: set[str] = set()

    def note_file(kind: FaultKind, path: str, wanted: object, found: object) -> None:
        damaged.add(path)
        note(kind, path, wanted, found)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        sealed = pool.map(lambda path: _digest(home / path), digests)
        for (path, digest), (found, length) in zip(digests.items(), sealed, strict=True):
            size += length
            if found is None:
                note_file(FaultKind.MISSING, path, f"sha256 {digest}", "no file")
            elif found != digest:
                note_file(FaultKind.CHANGED, path, f"sha256 {digest}", found)
    _check_rows(home, expected, damaged, note)
    _check_letters(home, expected, damaged, note)
    _check_delta(home, expected, damaged, note)
    known = digests.keys() | expected.replaced.keys() | expected.gone
    return sorted(set(_present(home)) - known), size


def _digest(path: Path) -> tuple[str | None, int]:
    """Digest and size; no digest where there is no such file; the reason where it is no file."""
    if path.is_symlink() or not path.is_file():
        return (None if not path.is_symlink() else "a symbolic link"), 0
    try:
        return digest_of(path)
    except OSError as error:
        return f"unreadable: {error.strerror}", 0


def _present(home: Path) -> Iterator[str]:
    for top in (LAKE, STATES, DEAD_LETTERS):
        for folder, names, files in os.walk(home / top):
            linked = [name for name in names if (Path(folder) / name).is_symlink()]
            for name in [*files, *linked]:
                yield (Path(folder) / name).relative_to(home).as_posix()


def is_of_later_commit(path: str, number: int, expected: Expected) -> bool:
    """Whether an unnamed file belongs to a commit after `number`, by its name."""
    parts = Path(path).parts
    if parts[0] == STATES:
        return parts[1] > f"{number:010d}"
    if parts[0] == DEAD_LETTERS:
        return parts[1] > f"{number:010d}.parquet"
    if LOG in parts:
        known = [
            version_of(Path(log).name) for log in expected.logs if Path(log).parts[1] == parts[1]
        ]
        return version_of(parts[-1]) > max(known, default=-1) or parts[-1].startswith("_")
    return parts[-1].startswith("part-") and parts[-1] >= commit_prefix(number + 1)


def _check_rows(home: Path, expected: Expected, damaged: set[str], note: Note) -> None:
    for path, facts in expected.files.items():
        if path in damaged or path in expected.replaced:
            continue
        rows = pq.read_metadata(home / path).num_rows
        if rows != facts["rows"]:
            note(FaultKind.COUNT, path, f"{facts['rows']} rows", rows)


def _check_letters(home: Path, expected: Expected, damaged: set[str], note: Note) -> None:
    """Whether each batch's dead letters are as many and the same as its entry says."""
    seen: dict[str, str] = {}
    counts: dict[str, int] = {}
    for letters in expected.dead_letters.values():
        if letters["path"] in damaged:
            continue
        frame = pl.read_parquet(home / letters["path"], hive_partitioning=False)
        if frame.height != letters["rows"]:
            note(FaultKind.COUNT, letters["path"], f"{letters['rows']} rows", frame.height)
        found = [DeadLetter(**row) for row in frame.iter_rows(named=True)]
        seen.update(letter_digests(found))
        counts.update(frame.group_by("batch_id").len().iter_rows())
    for batch_id, batch in expected.batches.items():
        kept = expected.dead_letters.get(batch["number"])
        if kept is not None and kept["path"] in damaged:
            continue
        if batch["number"] in expected.unlettered:
            continue
        where = f"dead letters of batch {batch_id}"
        if counts.get(batch_id, 0) != batch["rejected"]:
            note(FaultKind.COUNT, where, batch["rejected"], counts.get(batch_id, 0))
        elif seen.get(batch_id, "") != batch["dead_letters"]:
            note(
                FaultKind.CHANGED,
                where,
                f"digest {batch['dead_letters'] or 'none'}",
                seen.get(batch_id, "none"),
            )


def _check_delta(home: Path, expected: Expected, damaged: set[str], note: Note) -> None:
    """Whether each Delta table, read by its own log, is made of the files that it must be."""
    live: dict[str, set[str]] = {}
    for path, facts in expected.files.items():
        if path not in expected.replaced:
            live.setdefault(facts["table"], set()).add(path)
    for table, paths in live.items():
        folder = f"{LAKE}/{table}"
        logs = [log for log in expected.logs if log.startswith(f"{folder}/{LOG}/")]
        if damaged.intersection(logs) or not logs:
            continue
        version = max(version_of(Path(log).name) for log in logs)
        try:
            delta = DeltaTable(home / folder, version=version)
            add_actions = pl.DataFrame(delta.get_add_actions())
        except (DeltaError, OSError, ValueError) as error:
            note(FaultKind.UNREADABLE, f"{folder}/{LOG}", "a Delta table", error)
            continue
        found = {f"{folder}/{path}" for path in add_actions["path"]}
        for path in sorted(found ^ paths):
            kind = FaultKind.ADDED if path in found else FaultKind.MISSING
            note(kind, f"{folder}/{LOG}: {path}", "what the ledger says", kind)
