"""Asks the lake: plans the files, starts the confined process, reads its answer."""

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from hauberk.errors import HauberkError, UsageError
from hauberk.events import EventClass
from hauberk.store import Home

from .views import EVENTS, FINDINGS, INCIDENT_SCHEMA, INCIDENTS, definitions

MAX_SQL = 20_000
"""Characters of a question."""

_NUMBERS = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT|U?INTEGER|DOUBLE|FLOAT|DECIMAL")


class QuestionError(UsageError):
    """What DuckDB says of a question; marks in it stand below what they mean."""

    has_lines = True


Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a hunt may use: wall and CPU seconds, MiB of memory, rows and bytes of its answer."""

    seconds: float = 30.0
    memory_mib: int = 1024
    threads: int = 1
    max_rows: int = 10_000
    max_bytes: int = 8 << 20
    must_confine: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A question: one SELECT, over events with since <= time < until."""

    sql: str
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an answer, with DuckDB's name of its type."""

    name: str
    kind: str

    @property
    def is_time(self) -> bool:
        """Whether its values are times."""
        return self.kind.upper().startswith(("TIMESTAMP", "DATE"))

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return _NUMBERS.match(self.kind) is not None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a hunt found; `cut` where there was more than its bounds allow."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    cut: bool
    seconds: float
    confined: str
    files: int = field(default=0)


def ask(home: Home, question: Question, bounds: Bounds | None = None) -> Answer:
    """Ask the lake of a home, which may be open for reading only.

    Raises UsageError where the question is none that can be answered within its bounds; says what
    DuckDB said of it.
    """
    bounds = bounds or Bounds()
    if not question.sql.strip():
        raise UsageError("there is no question", hint="Ask with SELECT ... FROM ...")
    if len(question.sql) > MAX_SQL:
        raise UsageError(f"a question has at most {MAX_SQL:,} characters")
    if importlib.util.find_spec("duckdb") is None:
        raise UsageError(
            "hunting needs the extra `hunt`", hint="Install it: pip install 'hauberk[hunt]'"
        )
    with tempfile.TemporaryDirectory(prefix="hauberk-hunt-") as folder:
        files = _files(home, question)
        if _names(question.sql, INCIDENTS):
            files[INCIDENTS] = [_incidents(home, Path(folder))]
        return _asked(question, files, bounds, folder)


def _files(home: Home, question: Question) -> dict[str, list[str]]:
    """The committed files of each table that the question can mean."""
    tables = [one.table for one in EventClass] + [FINDINGS]
    if not _names(question.sql, EVENTS):
        tables = [one for one in tables if _names(question.sql, one)]
    return {
        name: [str(path) for path in home.lake.files(name, question.since, question.until)]
        for name in tables
    }


def _names(sql: str, table: str) -> bool:
    return re.search(rf"\b{table}\b", sql, re.IGNORECASE) is not None


def _incidents(home: Home, folder: Path) -> str:
    rows = []
    for one in home.records.each_incident():
        row = {"uid": one.uid, "probability": one.probability, "above_budget": one.above_budget,
               "start": one.start, "end": one.end}  # fmt: skip
        rows.append({**{name: one.body.get(name) for name in INCIDENT_SCHEMA}, **row})
    path = folder / "incidents.parquet"
    pl.DataFrame(rows, schema=INCIDENT_SCHEMA, strict=False).write_parquet(path)
    return str(path)


def _asked(question: Question, files: dict[str, list[str]], bounds: Bounds, folder: str) -> Answer:
    since = question.since.isoformat() if question.since else None
    until = question.until.isoformat() if question.until else None
    paths = [path for some in files.values() for path in some]
    task = {
        "sandbox": _sandbox(),
        "folder": folder,
        # Address space is more than memory: DuckDB reserves what it may never use.
        "limits": {
            "cpu_seconds": int(bounds.seconds * max(1, bounds.threads)) + 1,
            "memory_mib": bounds.memory_mib + 3072,
            "output_mib": 0,
        },
        "must_confine": bounds.must_confine,
        "threads": bounds.threads,
        "memory_mib": bounds.memory_mib,
        "paths": paths,
        "views": definitions(files, since, until),
        "sql": question.sql,
        "max_rows": bounds.max_rows,
        "max_bytes": bounds.max_bytes,
    }
    program = Path(__file__).with_name("confined.py")
    try:
        done = subprocess.run(  # noqa: S603  # our own program, no shell
            [sys.executable, "-P", str(program)],
            input=json.dumps(task).encode(),
            capture_output=True,
            timeout=bounds.seconds,
            check=False,
            cwd=folder,
            env={"PYTHONPATH": "", "HOME": folder, "TMPDIR": folder},
        )
    except subprocess.TimeoutExpired as error:
        raise UsageError(
            f"the hunt took longer than {bounds.seconds:g} s and was ended",
            hint="Narrow the time range, or the columns",
        ) from error
    return _read(done.stdout, done.returncode, len(paths))


def _read(output: bytes, status: int, files: int) -> Answer:
    try:
        said = json.loads(output)
    except ValueError as error:
        raise UsageError(
            f"the hunt ended without an answer (status {status})",
            hint="It may have needed more memory or processor time than it may have; select less",
        ) from error
    if "error" in said:
        raise QuestionError(str(said["error"]))
    return Answer(
        [Column(name, kind) for name, kind in said["columns"]],
        said["rows"],
        said["cut"],
        said["seconds"],
        said["confined"],
        files,
    )


def _sandbox() -> str:
    """Where the program lies that confines a process."""
    spec = importlib.util.find_spec("hauberk.models.training.sandbox")
    if spec is None or spec.origin is None:
        raise HauberkError("the sandbox of model training is not there")
    return spec.origin
