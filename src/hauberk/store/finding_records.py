"""Reads findings: they lie in the lake, of which the records know the files."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl
from sqlalchemy import ColumnElement, Engine, and_, or_, select, true

from hauberk.events import FINDING_SCHEMA

from . import tables
from .lake import read_files
from .lake_files import FINDINGS
from .lake_places import OrderedFile, Places
from .tables import to_micros


class FindingRecords:
    """The findings of a home, each as it was said last. Every call sees complete commits only."""

    def __init__(self, home: Path, engine: Engine) -> None:
        self._home = home
        self._engine = engine

    def findings(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        uids: Iterable[str] | None = None,
        *,
        before_commit: int | None = None,
    ) -> pl.DataFrame:
        """Findings (FINDING_SCHEMA) with since <= time < until, in order of time and uid.

        Each as it was said last, or last before a commit.
        """
        frame = self.scan_findings()
        if before_commit is not None:
            frame = frame.filter(pl.col("commit") < before_commit)
        if uids is not None:
            frame = frame.filter(pl.col("uid").is_in(sorted(set(uids))))
        frame = _newest(frame)  # before any look at times, which may have changed
        if since is not None:
            frame = frame.filter(pl.col("time") >= since)
        if until is not None:
            frame = frame.filter(pl.col("time") < until)
        return frame.sort("time", "uid").select(FINDING_SCHEMA.names()).collect()

    def findings_within(
        self,
        uids: Iterable[str],
        columns: Sequence[str],
        since: datetime,
        until: datetime,
        places: Places | None = None,
    ) -> pl.DataFrame:
        """Some columns of findings (`uid` and `time` always), each as it was said last, in order.

        Opens only files that can hold times from `since` to `until`, for a page that waits; the
        findings that are asked for lie between them. Whoever asks often keeps `places`.
        """
        files = tables.files
        bounds = (files.c.max_time >= to_micros(since), files.c.min_time <= to_micros(until))
        chosen = or_(files.c.min_time.is_(None), and_(*bounds))
        names = list(dict.fromkeys(("uid", "time", *columns)))
        wanted, stored = sorted(set(uids)), [*names, "commit"]

        def look() -> pl.DataFrame:
            if places is not None:
                return places.findings(self._finding_files(chosen), wanted, stored)
            found = self._scan_findings(chosen).filter(pl.col("uid").is_in(wanted))
            return found.select(stored).collect()

        try:
            found = look()
        except FileNotFoundError:  # deleted since its name was read: the records know better now
            found = look()
        newest = found.sort("commit").unique("uid", keep="last")
        return newest.sort("time", "uid").select(names)

    def findings_after(self, commit: int, uid: str, until: int, limit: int) -> pl.DataFrame:
        """Findings said after one place and up to a commit (`until`), in order of commit and uid.

        The place is a commit and a uid in it. FINDING_SCHEMA and `commit`; at most `limit` rows,
        one for each commit that said a finding.
        """
        files, number = tables.files, pl.col("commit")
        place = (number > commit) | ((number == commit) & (pl.col("uid") > uid))
        found = self._scan_findings(
            and_(files.c.last_commit >= commit, files.c.first_commit <= until)
        ).filter(place & (number <= until))
        names = [*FINDING_SCHEMA.names(), "commit"]
        return found.sort("commit", "uid").head(limit).select(names).collect()

    def finding(self, uid: str, before_commit: int | None = None) -> dict[str, object] | None:
        """One finding as a mapping of FINDING_SCHEMA, as it was said last, or None."""
        found = self._sayings(uid, before_commit).select(FINDING_SCHEMA.names())
        return found.row(-1, named=True) if found.height else None

    def finding_commit(self, uid: str, before_commit: int | None = None) -> int | None:
        """Number of the commit in which a finding was said last, or None."""
        found = self._sayings(uid, before_commit)
        return int(found["commit"][-1]) if found.height else None

    def _sayings(self, uid: str, before_commit: int | None) -> pl.DataFrame:
        frame = self.scan_findings().filter(pl.col("uid") == uid)
        if before_commit is not None:
            frame = frame.filter(pl.col("commit") < before_commit)
        return frame.collect().sort("commit")

    def scan_findings(self) -> pl.LazyFrame:
        """All findings, lazily: FINDING_SCHEMA and `commit`, in no particular order.

        A finding that was said again with more is there once for each commit that said so.
        """
        return self._scan_findings(true())

    def _scan_findings(self, chosen: ColumnElement[bool]) -> pl.LazyFrame:
        """The findings of the files that are chosen."""
        return read_files(FINDINGS, [str(one.path) for one in self._finding_files(chosen)])

    def _finding_files(self, chosen: ColumnElement[bool]) -> list[OrderedFile]:
        files = tables.files
        query = (
            select(files.c.path, files.c.sha256)
            .where(files.c.table_name == FINDINGS, files.c.replaced_by.is_(None), chosen)
            .order_by(files.c.path)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query)
            return [OrderedFile(self._home / path, sha256) for path, sha256 in rows]


def _newest(findings: pl.LazyFrame) -> pl.LazyFrame:
    """Of each uid the row of the newest commit; a commit holds a uid but once."""
    uids = findings.select("uid").collect()["uid"]
    if uids.n_unique() == uids.len():  # as a rule; looking is cheaper than choosing
        return findings
    return findings.filter(pl.col("commit") == pl.col("commit").max().over("uid"))
