"""Events as Parquet files: cut by day, ordered by time, sealed.

One file holds rows of one table, one day, one commit (several after compaction). The partition
column `day` stands in the path alone, as Delta Lake has it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from hauberk.events import FINDING_SCHEMA, EventClass, is_plausible, schema

from .durable import make_folder, seal
from .parquet import write_parquet

UNKNOWN_DAY = "unknown"
MIXED_DAY = "mixed"

MAX_DAYS = 400
"""Days of one table that one commit gives files of their own; the rest share MIXED_DAY.

Otherwise a log that claims another day in every line makes a file of every line.
"""

DAY_ROWS = 2_000
"""Rows of a day from which it gets a file of its own, where a commit's rows are of several days.

A file costs as much as some thousand rows; readers find the rows of MIXED_DAY by their times.
"""

FINDINGS = "findings"
"""The table that holds detectors' findings; every other one is named for its event class."""

COMMIT = "commit"
"""Column of every stored table: number of the commit that wrote the row."""

LAKE = "lake"

_DAY = "day"

_FARTHEST = 2**53 - 1


@dataclass(frozen=True, slots=True)
class LakeFile:
    """One file of the lake. `path` is relative to the home; times are microseconds, or None."""

    path: str
    table: str
    day: str
    first_commit: int
    last_commit: int
    rows: int
    bytes: int
    min_time: int | None
    max_time: int | None
    sha256: str

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> "LakeFile":
        """The file of a row of the records database."""
        names = (name for name in cls.__slots__ if name != "table")
        return cls(table=row["table_name"], **{name: row[name] for name in names})

    def facts(self) -> dict[str, object]:
        """The file as the ledger names it."""
        return {name: getattr(self, name) for name in self.__slots__}


def stored_schema(table: str) -> pl.Schema:
    """Columns of a stored table, without `day`."""
    columns = FINDING_SCHEMA if table == FINDINGS else schema(EventClass[table.upper()])
    return pl.Schema({**columns, COMMIT: pl.Int64()})


def is_partitioned(table: str) -> bool:
    """Whether a table is cut by day; findings are read by uid and are too few."""
    return table != FINDINGS


def by_day(frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Cut rows by the day of `time` (UTC), each part ordered by time."""
    known = is_plausible(pl.col("time")).fill_null(value=False)
    days = frame.select(pl.when(known).then(pl.col("time").dt.date()).otherwise(None).alias("day"))[
        "day"
    ]
    counts = days.value_counts(sort=True)
    if counts.height == 1:
        day = counts["day"][0]
        yield (UNKNOWN_DAY if day is None else str(day)), _ordered(frame)
        return
    frequent = counts.drop_nulls("day").head(MAX_DAYS).filter(pl.col("count") >= DAY_ROWS)["day"]
    names = pl.DataFrame({"day": days}).select(
        pl.when(pl.col("day").is_null())
        .then(pl.lit(UNKNOWN_DAY))
        .when(pl.col("day").is_in(frequent.implode()))
        .then(pl.col("day").cast(pl.String))
        .otherwise(pl.lit(MIXED_DAY))
        .alias("day")
    )["day"]
    # One ordering and many slices: a filter for each day would read every row for every day.
    ordered = frame.with_columns(names.alias(_DAY)).sort(_DAY, "time", maintain_order=True)
    lengths = ordered.select(pl.col(_DAY).rle()).unnest(_DAY)
    start = 0
    rows = ordered.drop(_DAY)
    for length, name in lengths.select("len", "value").iter_rows():
        yield name, rows.slice(start, length)
        start += length


def _ordered(frame: pl.DataFrame) -> pl.DataFrame:
    if frame["time"].is_sorted():
        return frame
    return frame.sort("time", maintain_order=True)


def bound(micros: int) -> int:
    """A time as files are pruned by it: within 53 bits, as the ledger's JSON holds integers.

    Never turns the order of two times around.
    """
    return max(-_FARTHEST, min(micros, _FARTHEST))


def file_name(commit: int, ordinal: int) -> str:
    """Name of a commit's data file; what an interrupted commit left is known by it."""
    return f"{commit_prefix(commit)}{ordinal:05d}.parquet"


def commit_prefix(commit: int) -> str:
    """What the names of a commit's data files begin with."""
    return f"part-{commit:010d}-"


def folder_of(table: str, day: str) -> str:
    """Folder of a table's day, relative to the home."""
    return f"{LAKE}/{table}/day={day}" if is_partitioned(table) else f"{LAKE}/{table}"


def write_file(
    home: Path, table: str, day: str, name: str, frame: pl.DataFrame, commits: tuple[int, int]
) -> LakeFile:
    """Write rows (the table's stored schema) as one sealed Parquet file."""
    relative = f"{folder_of(table, day)}/{name}"
    path = home / relative
    make_folder(path.parent, home)
    write_parquet(path, frame)
    path.chmod(0o600)
    digest, size = seal(path)
    # As integers: a broken clock may name a year that Python's own type cannot hold.
    micros = frame["time"].to_physical()
    lowest, highest = micros.min(), micros.max()
    return LakeFile(
        path=relative,
        table=table,
        day=day,
        first_commit=commits[0],
        last_commit=commits[1],
        rows=frame.height,
        bytes=size,
        min_time=bound(lowest) if isinstance(lowest, int) else None,
        max_time=bound(highest) if isinstance(highest, int) else None,
        sha256=digest,
    )
