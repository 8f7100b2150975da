"""How long what is stored is kept, and how what is older leaves: whole days, named in the ledger.

Removing is a commit of its own. Rows that have to stay (evidence of incidents that are kept) are
written again, as compaction does, from files whose digests were just checked. The ledger names
every file, state and incident that went, with its digest; `verify` takes exactly these for gone.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, func, or_, select

from hauberk.events import EventClass

from . import tables
from .entering import enter_files, enter_removals
from .lake import read_files
from .lake_files import FINDINGS, UNKNOWN_DAY, LakeFile, file_name
from .merging import check_unchanged, write_again
from .rows import row_digest
from .settings import Table
from .tables import from_micros, to_micros
from .writer import STATES, Files, Reach, Step, Writer, commit_entry

MOST_DAYS = 36_500
MOST_STATES = 20_000
"""States that one commit removes: each is named in its entry of the ledger."""

DEAD_LETTERS = "dead_letters"
INCIDENTS = "incidents"

_CLASSES = {one.table: one for one in EventClass}
_TOTALS = ("batches", "records", "events", "aggregated", "rejected", "findings")


@dataclass(frozen=True, slots=True)
class Policy:
    """Days that things are kept; what is not named is kept for ever.

    classes
        days by event class, in place of `default`.
    incidents
        days after the end of an incident; its findings and their events stay as long as it does.
    """

    default: int | None = None
    classes: Mapping[EventClass, int] = field(default_factory=dict)
    dead_letters: int | None = None
    incidents: int | None = None

    def cutoff(self, table: str, now: datetime) -> datetime | None:
        """The first instant that is kept of a table of the lake; None where all is."""
        if table == FINDINGS:
            return cutoff(self.incidents, now)
        return cutoff(self.classes.get(_CLASSES[table], self.default), now)

    def oldest(self, now: datetime) -> datetime | None:
        """The first instant that is kept of any class; None where one is kept for ever."""
        days = [self.classes.get(one, self.default) for one in EventClass]
        known = [one for one in days if one is not None]
        return cutoff(max(known), now) if len(known) == len(days) else None


def cutoff(days: int | None, now: datetime) -> datetime | None:
    """The start of the day (UTC) that was so many days ago."""
    if days is None:
        return None
    day = (now.astimezone(UTC) - timedelta(days=days)).date()
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def read_policy(table: Table) -> Policy:
    """What `[retention]` of the settings says. Raises UsageError."""
    table.only("default", DEAD_LETTERS, INCIDENTS, *_CLASSES)

    def days(key: str) -> int | None:
        return table.whole(key, least=1, most=MOST_DAYS) if key in table else None

    classes = {one: days(name) for name, one in _CLASSES.items()}
    return Policy(
        days("default"),
        {one: known for one, known in classes.items() if known is not None},
        days(DEAD_LETTERS),
        days(INCIDENTS),
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays however old it is, and what goes that the store cannot tell by its age.

    events, findings
        uids.
    states
        detector and number of the commit: everything else of `states` may go.
    incidents
        uids of those that go.
    """

    events: pl.Series
    findings: pl.Series
    states: Collection[tuple[str, int]]
    incidents: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Leaving:
    """What goes of one table: rows, files that are deleted, bytes, and the oldest day that stays.

    `bytes` are of the files that go, less those of the files that rows are written again to.
    """

    table: str
    rows: int
    files: int
    bytes: int
    oldest: str


@dataclass(frozen=True, slots=True)
class Retained:
    """What went, or would go; `commit` is the number of the commit, None where there was none."""

    leaving: Sequence[Leaving]
    commit: int | None = None


@dataclass(slots=True)
class _Cut:
    """One file of the lake that loses rows, and how many stay."""

    file: LakeFile
    stay: int


@dataclass(slots=True)
class _Plan:
    cuts: list[_Cut]
    letters: list[dict[str, Any]]
    states: list[dict[str, Any]]
    incidents: list[dict[str, Any]]

    def __bool__(self) -> bool:
        return bool(self.cuts or self.letters or self.states or self.incidents)


def retain(
    home: Path,
    engine: Engine,
    writer: Writer | None,
    reach: Reach,
    policy: Policy,
    kept: Kept,
    now: datetime,
) -> Retained:
    """Remove what is older than it is kept; without a writer, only say what would go."""
    plan = _plan(home, engine, policy, kept, now)
    if writer is None or not plan:
        return Retained(_said(home, engine, plan, {}))
    number = writer.declare(now)
    again: dict[str, tuple[LakeFile, str]] = {}
    for cut in plan.cuts:
        reach(Step.LAKE_FILE)
        if cut.stay:
            again[cut.file.path] = _write_rest(home, cut, policy, kept, now, number, len(again))
    removed = [cut.file for cut in plan.cuts]
    added = [file for file, _ in again.values()]
    versions, logs = writer.enter_logs(added, number, removed, erased=True)
    entry = _entry(plan, again, number)
    said = _said(home, engine, plan, again)
    reach(Step.RECORDS)
    with engine.begin() as connection:
        files = Files(added, logs, versions)
        enter_files(connection, added, versions)
        _remove_rows(connection, plan, number)
        totals = dict.fromkeys(_TOTALS, 0)
        entries = [entry, commit_entry(number, totals, files, {}, now)]
        writer.close(connection, number, totals, {}, entries, now)
        reach(Step.RECORDS_WRITTEN)
    reach(Step.DONE)
    return Retained(said, number)


def _plan(home: Path, engine: Engine, policy: Policy, kept: Kept, now: datetime) -> _Plan:
    with engine.connect() as connection:
        candidates = list(_candidates(connection, policy, now))
        letters = _old_letters(connection, policy, now)
        states = [
            dict(row)
            for row in connection.execute(select(tables.states)).mappings()
            if (row["detector"], row["number"]) not in kept.states
        ][:MOST_STATES]
        wanted = set(kept.incidents)
        incidents = [
            dict(row)
            for row in connection.execute(select(tables.incidents)).mappings()
            if row["uid"] in wanted
        ]
    cuts = []
    for file in candidates:
        check_unchanged(home, file)
        rows = read_files(file.table, [str(home / file.path)])
        stay = int(rows.select(_stays(file, policy, kept, now).sum()).collect().item() or 0)
        if stay < file.rows:
            cuts.append(_Cut(file, stay))
    return _Plan(cuts, letters, states, incidents)


def _candidates(connection: Connection, policy: Policy, now: datetime) -> Iterator[LakeFile]:
    """Files that may hold rows which are too old."""
    files = tables.files
    names = connection.execute(select(files.c.table_name).distinct()).scalars().all()
    for table in sorted(names):
        first = policy.cutoff(table, now)
        if first is None:
            continue
        old: ColumnElement[bool] = and_(
            files.c.day != UNKNOWN_DAY, files.c.min_time < to_micros(first)
        )
        # Nobody knows when these were: they are as old as their commit.
        undated = and_(
            or_(files.c.day == UNKNOWN_DAY, files.c.min_time.is_(None)),
            files.c.last_commit <= _last_before(connection, first),
        )
        query = (
            select(files)
            .where(files.c.table_name == table, files.c.replaced_by.is_(None), or_(old, undated))
            .order_by(files.c.path)
        )
        for row in connection.execute(query).mappings().all():
            yield LakeFile.of(row)


def _last_before(connection: Connection, moment: datetime) -> int:
    query = select(func.max(tables.commits.c.number))
    return connection.execute(query.where(tables.commits.c.time < to_micros(moment))).scalar() or 0


def _stays(file: LakeFile, policy: Policy, kept: Kept, now: datetime) -> pl.Expr:
    """Which rows of a file stay."""
    of_findings = file.table == FINDINGS
    uids = kept.findings if of_findings else kept.events
    column = pl.col("uid" if of_findings else "metadata.uid")
    wanted = column.is_in(uids.implode()).fill_null(value=False)
    first = policy.cutoff(file.table, now)
    if file.day == UNKNOWN_DAY or first is None:
        return wanted
    return wanted | (pl.col("time") >= first).fill_null(value=False)


def _write_rest(
    home: Path, cut: _Cut, policy: Policy, kept: Kept, now: datetime, number: int, ordinal: int
) -> tuple[LakeFile, str]:
    file = cut.file
    rows = read_files(file.table, [str(home / file.path)]).filter(_stays(file, policy, kept, now))
    commits = file.first_commit, file.last_commit
    name = file_name(number, ordinal)
    return write_again(home, file.table, file.day, name, rows.collect(), commits)


def _old_letters(connection: Connection, policy: Policy, now: datetime) -> list[dict[str, Any]]:
    """Dead letters of commits that were made too long ago; many have no time of their own."""
    first = cutoff(policy.dead_letters, now)
    if first is None:
        return []
    letters, commits = tables.dead_letters, tables.commits
    query = (
        select(letters)
        .join(commits, commits.c.number == letters.c.number)
        .where(commits.c.time < to_micros(first))
        .order_by(letters.c.number)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _entry(
    plan: _Plan, again: Mapping[str, tuple[LakeFile, str]], number: int
) -> dict[str, object]:
    """The ledger's entry: what went, with its digests, and what was written again."""
    return {
        "type": "retention",
        "commit": number,
        "removed": [
            {"path": cut.file.path, "table": cut.file.table, "sha256": cut.file.sha256,
             "rows": cut.file.rows}
            for cut in plan.cuts
        ],
        "kept": [
            {"from": path, "file": file.path, "rows": file.rows, "content": content}
            for path, (file, content) in again.items()
        ],
        "dead_letters": plan.letters,
        "states": [
            {"detector": row["detector"], "number": row["number"], "files": _files_of(row)}
            for row in plan.states
        ],
        "incidents": [{"uid": row["uid"], "digest": row_digest(row)} for row in plan.incidents],
    }  # fmt: skip


def _files_of(state: Mapping[str, Any]) -> list[dict[str, str]]:
    known = json.loads(state["tables"]).values()
    return [{"path": one["path"], "sha256": one["sha256"]} for one in known]


def _remove_rows(connection: Connection, plan: _Plan, number: int) -> None:
    enter_removals(connection, [cut.file.path for cut in plan.cuts], number)
    enter_removals(connection, [row["path"] for row in plan.letters], number)
    paths = [one["path"] for row in plan.states for one in _files_of(row)]
    enter_removals(connection, paths, number)
    for row in plan.letters:
        letters = tables.dead_letters
        connection.execute(delete(letters).where(letters.c.number == row["number"]))
    for row in plan.states:
        states = tables.states.c
        one = and_(states.detector == row["detector"], states.number == row["number"])
        connection.execute(delete(tables.states).where(one))
    for row in plan.incidents:
        incidents = tables.incidents
        connection.execute(delete(incidents).where(incidents.c.uid == row["uid"]))


def _said(
    home: Path, engine: Engine, plan: _Plan, again: Mapping[str, tuple[LakeFile, str]]
) -> list[Leaving]:
    """What goes, a line a table."""
    said = []
    for table in sorted({cut.file.table for cut in plan.cuts}):
        cuts = [cut for cut in plan.cuts if cut.file.table == table]
        written = sum(again[cut.file.path][0].bytes for cut in cuts if cut.file.path in again)
        said.append(
            Leaving(
                table,
                sum(cut.file.rows - cut.stay for cut in cuts),
                len(cuts),
                sum(cut.file.bytes for cut in cuts) - written,
                _oldest(engine, table, {cut.file.path for cut in cuts if not cut.stay}),
            )
        )
    if plan.letters:
        rows = sum(row["rows"] for row in plan.letters)
        size = _bytes(home, [row["path"] for row in plan.letters])
        said.append(Leaving(DEAD_LETTERS, rows, len(plan.letters), size, ""))
    if plan.states:
        paths = [one["path"] for row in plan.states for one in _files_of(row)]
        said.append(Leaving(STATES, len(plan.states), len(paths), _bytes(home, paths), ""))
    if plan.incidents:
        said.append(Leaving(INCIDENTS, len(plan.incidents), 0, 0, ""))
    return said


def _bytes(home: Path, paths: Sequence[str]) -> int:
    return sum((home / path).stat().st_size for path in paths if (home / path).is_file())


def _oldest(engine: Engine, table: str, leaving: Collection[str]) -> str:
    """The oldest day of which something stays; evidence of incidents may be far older."""
    files = tables.files
    query = (
        select(files.c.path, files.c.min_time)
        .where(
            files.c.table_name == table, files.c.replaced_by.is_(None),
            files.c.day != UNKNOWN_DAY, files.c.min_time.is_not(None),
        )
        .order_by(files.c.min_time)
    )  # fmt: skip
    with engine.connect() as connection:
        for path, lowest in connection.execute(query):
            if path not in leaving:
                return str(from_micros(lowest).date())
    return ""
