"""The home: one folder that holds everything, opened by one process at a time for writing."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import polars as pl
from filelock import FileLock
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from hauberk.errors import (
    HauberkError,
    HomeBusyError,
    HomeDamagedError,
    UnreachableError,
)
from hauberk.events import FINDING_SCHEMA

from . import compaction, database, place, postgresql, recovery, retention, tables
from .commit import Commit, check
from .delta_log import DeltaLogs
from .durable import is_disk_full, is_read_only
from .lake import Lake
from .ledger import Ledger
from .place import KEYS
from .postgresql import Patience
from .proven import Entry
from .records import Records
from .removing import vacuum
from .signing import (
    PUBLIC_KEY_FILE,
    Signer,
    load_verifier,
)
from .writer import Reach, Step, Writer

_T = TypeVar("_T")
Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


def _no_step(_step: Step) -> None:
    """Nothing happens between the steps of a commit, except in tests."""


class Home:
    """What a scan knows, durable: `lake`, `records`, `ledger`, and `commit` to add to them.

    Use as a context manager. A home that is open for writing is locked against all other writers;
    `commit` may be called from any one thread beside readers in others.
    """

    def __init__(
        self,
        path: Path,
        opened: database.Opened,
        *,
        lock: FileLock | None,
        signer: Signer | None,
        clock: Clock,
        reach: Reach,
        patience: Patience | None = None,
    ) -> None:
        self.path = path
        self._opened = opened
        self._engine = opened.writing
        self._patience = patience
        self._lock = lock
        self._clock = clock
        self._reach = reach
        self._turn = threading.Lock()
        self._said: pl.Series | None = None  # hashes of the uids of all findings stored
        self._logs: DeltaLogs | None = None
        self._writer: Writer | None = None
        if signer is not None:
            self._logs = DeltaLogs(path, signer.name)
            self._writer = Writer(path, opened.writing, self._logs, signer, reach)
        self.records = Records(path, opened.reading)
        self.lake = Lake(path, opened.reading, None if signer is None else self._compact)
        self.ledger = Ledger(opened.reading)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        create: bool = True,
        read_only: bool = False,
        clock: Clock = _now,
        reach: Reach = _no_step,
        patience: Patience | None = None,
        in_file: bool = False,
    ) -> "Home":
        """Open a home, making it where `create` allows and bringing it up to date.

        For writing it is locked, and what an interrupted commit left is taken away. For reading
        (`read_only`) nothing is locked or changed, and another process may go on committing.
        Where the records are on a server, `patience` says how long a writer waits for it when it
        is gone. `in_file` opens SQLite, also where the settings name a server, to move it there.

        Raises HomeBusyError where another process has it open for writing, UsageError where it is
        no home, DiskFullError where there is no room for it, HomeDamagedError where its key is
        gone, UnreachableError where its server is.
        """
        path = Path(os.path.abspath(path))  # noqa: PTH100  a symbolic link stays what it is
        if read_only:
            opened = database.open_for_reading(path)
            return cls(path, opened, lock=None, signer=None, clock=clock, reach=reach)
        place.make(path, create=create)
        lock = place.lock(path)
        try:
            opened = database.open_for_writing(path, patience, in_file=in_file)
            try:
                signer = place.signer_of(path, opened.writing)
                recovery.roll_back(path, opened.writing)
            except BaseException:
                opened.close()
                raise
        except BaseException as error:
            lock.release()
            if is_disk_full(error):
                raise place.disk_full(path) from error
            raise
        return cls(
            path, opened, lock=lock, signer=signer, clock=clock, reach=reach, patience=patience
        )

    def commit(self, commit: Commit) -> int:
        """Make everything in `commit` durable, or nothing; the commit's number.

        Raises DiskFullError, after which the home is as before, ValueError where the commit's
        numbers do not add up or a batch is already stored, UnreachableError where the server of
        the records is gone, and nobody is patient: what was under way then is there or not, and
        the next opening settles it.
        """
        writer = self._for_writing()
        check(commit)
        batches = [batch.batch_id for batch in commit.batches]
        with self._turn:
            for batch_id in self.patiently(lambda: self.records.stored(batches)):
                raise ValueError(f"batch {batch_id} is already stored")
            last = self.patiently(self.records.last_commit)
            fresh = self.patiently(lambda: self._not_stored(commit.findings))

            def attempt() -> int:
                done = self.records.last_commit() - last
                if done > 1:
                    raise HomeBusyError("another process has committed here", where=str(self.path))
                # The server may have ended a commit whose end it could not tell us.
                return last + 1 if done else writer.write(commit, fresh, self._clock())

            number = self.patiently(lambda: self._undone_if_it_fails(attempt))
            if self._said is not None and fresh.height:
                self._said = self._said.append(fresh["uid"].hash())
        return number

    def patiently(self, work: Callable[[], _T]) -> _T:
        """What `work` returns, done again whenever the records' server was lost over it.

        `work` must be something that may be done again. Raises UnreachableError where nobody is
        patient, or no longer.
        """
        while True:
            try:
                return work()
            except (DBAPIError, UnreachableError) as error:
                lost = self._lost(error)
                if lost is None:
                    raise
                if self._patience is None or not self._patience.gone(lost):
                    raise lost from error

    def _lost(self, error: BaseException) -> UnreachableError | None:
        if isinstance(error, UnreachableError):
            return error
        if not postgresql.is_gone(error):
            return None
        return postgresql.required_server(self.path).unreachable(error)

    def proven_entries(self, prefixes: Sequence[str]) -> list[Entry]:
        """Ledger entries whose types begin so, after the whole ledger was proved.

        Raises HomeDamagedError naming what was altered, or where the public key is gone.
        """
        try:
            verifier = load_verifier(self.path / KEYS)
        except (OSError, ValueError) as error:
            raise HomeDamagedError(
                "the key that the ledger is checked with cannot be read",
                where=str(self.path / KEYS / PUBLIC_KEY_FILE),
            ) from error
        return self.ledger.proven(verifier, prefixes)

    @property
    def origin(self) -> str:
        """The name of this home's ledger, by which statements are bound to it."""
        with self._opened.reading.connect() as connection:
            query = select(tables.home.c.value).where(tables.home.c.key == "origin")
            return str(connection.execute(query).scalar_one())

    @property
    def clock(self) -> Clock:
        """What tells the time of commits."""
        return self._clock

    def close_database(self) -> None:
        """Let go of the database, and keep the lock: for who moves the one to another place."""
        with self._turn:
            self._opened.close()

    def close(self) -> None:
        """Release the home, once a commit that another thread is in has ended."""
        with self._turn:
            self._opened.close()
            if self._lock is not None:
                (self.path / place.OWNER).unlink(missing_ok=True)
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the home.

        Raises HomeDamagedError or UnreachableError in place of an error that damage, or the loss
        of the records' server, led to.
        """
        self.close()
        if isinstance(error, Exception) and not isinstance(error, HauberkError):
            lost = self._lost(error)
            if lost is not None:
                raise lost from error
            damage = place.damage_of(self.path, error)
            if damage is not None:
                raise damage from error

    def retain(
        self, policy: retention.Policy, kept: retention.Kept, *, dry_run: bool = False
    ) -> retention.Retained:
        """Remove what is older than it is kept, in a commit; or only say what would go.

        Its files stay until `vacuum`, for readers that still hold their names.
        """
        writer = None if dry_run else self._for_writing()
        now = self._clock()

        def work() -> retention.Retained:
            where = self.path, self._engine, writer, self._reach
            return retention.retain(*where, policy, kept, now)

        if writer is None:
            return work()
        with self._turn:
            self._said = None
            return self._undone_if_it_fails(work)

    def vacuum(self, before: datetime | None = None) -> tuple[int, int]:
        """Delete the files that commits (those before a time, or all) took out: files, bytes."""
        self._for_writing()
        with self._turn:
            return vacuum(self.path, self._engine, before)

    def _for_writing(self) -> Writer:
        if self._writer is None:
            raise RuntimeError(f"{self.path} is open for reading only")
        return self._writer

    def _compact(self, least: int, before: datetime | None) -> int | None:
        writer = self._for_writing()
        self.vacuum(before)
        try:
            with self._disk_named():
                merged = compaction.merge(self.path, self._engine, least)
            if not merged:
                return None
            with self._turn:
                where = self.path, self._engine, writer, self._reach
                now = self._clock()
                return self._undone_if_it_fails(lambda: compaction.enter(*where, now, merged))
        finally:
            compaction.discard(self.path)

    def _undone_if_it_fails(self, work: Callable[[], _T]) -> _T:
        self._roll_back()
        with self._disk_named():
            try:
                return work()
            except BaseException:
                # A full disk may refuse even the removal of the intent; the next commit tries
                # again.
                with contextlib.suppress(Exception):
                    self._roll_back()
                raise

    @contextlib.contextmanager
    def _disk_named(self) -> Iterator[None]:
        """Says of a full or read-only disk what it is."""
        try:
            yield
        except BaseException as error:
            if is_disk_full(error):
                raise place.disk_full(self.path) from error
            if is_read_only(error):
                raise place.read_only(self.path) from error
            raise

    def _roll_back(self) -> None:
        if recovery.roll_back(self.path, self._engine) is not None and self._logs is not None:
            self._logs.forget()

    def _not_stored(self, findings: pl.DataFrame) -> pl.DataFrame:
        """Findings of new uids, and those that say something else than was stored last."""
        if not findings.height:
            return findings
        if self._said is None:
            # 8 bytes a finding, for there may be millions. A hash that two uids share does no harm:
            # what is looked up and not found is stored.
            uids = self.records.scan_findings().select(pl.col("uid").hash())
            self._said = uids.collect(engine="streaming")["uid"]
        said = findings.unique("uid", keep="last", maintain_order=True)
        known = said["uid"].hash().is_in(self._said.implode())
        fresh, again = said.filter(~known), said.filter(known)
        if not again.height:
            return said
        return pl.concat([fresh, _changed(again, self.records.findings(uids=again["uid"]))])


def _changed(again: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Findings that differ in any column from the stored one of the same uid."""
    names = [name for name in FINDING_SCHEMA if name != "uid"]
    was = stored.select("uid", pl.col(names).name.prefix("was."))
    both = again.join(was, on="uid", how="left", maintain_order="left")
    differ = [pl.col(name).ne_missing(pl.col(f"was.{name}")) for name in names]
    return both.filter(pl.any_horizontal(differ)).select(again.columns)
