"""Merges groups of files into one each, which lies aside: here, or in a process that gives way.

Merging takes as much as reading and committing once more. A process of the lowest priority does it
where there is much, beside a watch that must keep up; and its memory is given back at once.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from hauberk.errors import HomeDamagedError

from .durable import digest, make_folder
from .lake import read_files
from .lake_files import FINDINGS, LakeFile, write_file

FEW = 20_000
"""Rows that are merged sooner than a process has started."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Files that are one now.

    `replaced` are those that were read; `file` lies in the folder `aside`, under the path that it
    would have in the home; `content` is a digest over all its rows.
    """

    replaced: Sequence[LakeFile]
    aside: str
    file: LakeFile
    content: str


def merged(home: Path, aside: str, groups: Sequence[Sequence[LakeFile]]) -> list[Merged]:
    """Merge each group into a file in `aside`, a folder of the home; none where it was stopped.

    Raises HomeDamagedError where a file is not what was written, OSError where the device refuses.
    """
    if sum(old.rows for group in groups for old in group) > FEW:
        done = _beside(home, aside, groups)
        if done is not None:
            return done
        # Why the process failed shows itself here, to whom it may concern.
    return list(merged_here(home, aside, groups))


def _beside(home: Path, aside: str, groups: Sequence[Sequence[LakeFile]]) -> list[Merged] | None:
    """The same by another process; nothing where that was killed, None where it failed."""
    request = {
        "home": str(home), "aside": aside, "parent": os.getpid(),
        "groups": [[one.facts() for one in group] for group in groups],
    }  # fmt: skip
    done = subprocess.run(  # our own module, without a shell
        [sys.executable, "-P", "-m", "hauberk.store.merging_program"],
        input=json.dumps(request).encode(), capture_output=True, check=False,
        env={**os.environ, "POLARS_MAX_THREADS": "1"},
    )  # fmt: skip
    if done.returncode < 0:  # by Ctrl-C, or for want of memory: not the time to try it here
        return []
    if done.returncode:
        return None
    told = json.loads(done.stdout)
    return [
        Merged(group, aside, LakeFile(**one["file"]), one["content"])
        for group, one in zip(groups, told, strict=True)
    ]


def merged_here(home: Path, aside: str, groups: Sequence[Sequence[LakeFile]]) -> Iterator[Merged]:
    """The same by this process, one after the other."""
    make_folder(home / aside, home)
    for number, group in enumerate(groups):
        for old in group:
            check_unchanged(home, old)
        paths = [str(home / old.path) for old in group]
        table, day = group[0].table, group[0].day
        order = ["uid"] if table == FINDINGS else ["time"]
        rows = read_files(table, paths).collect().sort(order, maintain_order=True)
        if rows.height != sum(old.rows for old in group):
            raise HomeDamagedError("it does not hold the rows that were entered", where=paths[0])
        commits = min(old.first_commit for old in group), max(old.last_commit for old in group)
        name = f"{number:05d}.parquet"
        yield Merged(group, aside, *write_again(home / aside, table, day, name, rows, commits))


def check_unchanged(home: Path, file: LakeFile) -> None:
    """Whether a file is what was written, before its rows go anywhere. Raises HomeDamagedError."""
    if digest(home / file.path)[0] != file.sha256:
        raise HomeDamagedError(
            "a file of the lake is not what was written",
            where=str(home / file.path),
            hint="Run `hauberk verify` to see what else was changed",
        )


def write_again(
    home: Path, table: str, day: str, name: str, rows: pl.DataFrame, commits: tuple[int, int]
) -> tuple[LakeFile, str]:
    """Write rows that were stored before; the file, and a digest over its rows as they read."""
    file = write_file(home, table, day, name, rows, commits)
    written = read_files(table, [str(home / file.path)]).collect()
    if not written.equals(rows):
        raise HomeDamagedError("rows read back otherwise", where=str(home / file.path))
    return file, content_digest(written)


def content_digest(rows: pl.DataFrame) -> str:
    """SHA-256 over all values of all columns in order, however they lie in memory or on disk."""
    hashed = hashlib.sha256(f"{rows.height}\n".encode())
    for series in rows:
        hashed.update(f"{series.name}\n".encode())
        _feed(hashed, series)
    return hashed.hexdigest()


def _feed(hashed: "hashlib._Hash", values: pl.Series) -> None:
    hashed.update(np.packbits(values.is_null().to_numpy()).tobytes())
    present = values.drop_nulls()
    if isinstance(present.dtype, pl.List):
        hashed.update(present.list.len().cast(pl.UInt64).to_numpy().tobytes())
        _feed(hashed, present.filter(present.list.len() > 0).explode())
    elif isinstance(present.dtype, pl.Struct):
        for field in present.struct.fields:
            _feed(hashed, present.struct.field(field))
    elif present.dtype in (pl.String, pl.Binary):
        data = present.cast(pl.Binary)
        hashed.update(data.bin.size().cast(pl.UInt64).to_numpy().tobytes())
        for chunk in pa.chunked_array([data.to_arrow(compat_level=pl.CompatLevel.oldest())]).chunks:
            for value in _payload(chunk):
                hashed.update(value)
    elif present.dtype == pl.Boolean:
        hashed.update(np.packbits(present.to_numpy()).tobytes())
    else:
        hashed.update(present.to_physical().to_numpy().tobytes())


def _payload(chunk: pa.LargeBinaryArray) -> Iterator[memoryview]:
    """The bytes of a binary array without nulls, end to end."""
    if len(chunk):
        _, offsets, data = chunk.buffers()
        bounds = np.frombuffer(offsets, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
        if data is not None:
            yield memoryview(data)[int(bounds[0]) : int(bounds[-1])]
