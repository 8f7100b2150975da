"""The first pass: records into events, judged by rules as they are parsed, committed in portions.

Reading ahead and committing run beside parsing. Portions are committed in the order of reading, so
a scan that is killed has lost nothing but the portion in flight, which the next scan reads again.
"""

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from hauberk.detect import Detector
from hauberk.events import (
    EARLIEST,
    LATEST,
    is_plausible,
    no_findings,
)
from hauberk.ingest import (
    Batch,
    Known,
    Skipped,
    Unreadable,
    find_inputs,
    read_ahead,
    read_batches,
    recognise,
    why_unrecognised,
)
from hauberk.store import Commit, DeadLetter, Home

from .committing import Committer, Portion
from .correlating import SOURCE
from .guard import DetectorFault
from .interface import Accounting, FormatAccount, Progress, Unread
from .parsing import Parsing, parse
from .salvaging import FormatFault

MAX_REASONS = 1000
"""Distinct reasons of rejection that are counted apart; an attacker can make any number."""


def _gathered(known: Counter[str], letters: Sequence[DeadLetter]) -> Iterator[str]:
    for letter in letters:
        reason = letter.reason[:160]
        yield reason if reason in known or len(known) < MAX_REASONS else "for other reasons"


_Range = tuple[int, str, str]
"""Length, sha256 and id of a batch that this scan has read."""

MAX_RANGES = 100_000
"""Beginnings of batches by which a copy of a file that has grown since is known within a scan."""


@dataclass(slots=True)
class Ingested:
    """What the first pass read, as it goes; `batches` are all batches met, and their records."""

    batches: dict[str, int] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)
    faults: list[DetectorFault | FormatFault] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    known: int = 0
    bytes: int = 0
    first: datetime | None = None
    last: datetime | None = None
    ranges: dict[tuple[str, int], list[_Range]] = field(default_factory=dict)
    files: dict[str, set[str]] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, parsing: Parsing) -> None:
        """Count one batch."""
        entry = parsing.entry
        self.batches[entry.batch_id] = entry.records
        if len(self.ranges) < MAX_RANGES:
            beginning = (entry.first_record, entry.start)
            self.ranges.setdefault(beginning, []).append(
                (entry.length, entry.sha256, entry.batch_id)
            )
        self.files.setdefault(entry.format, set()).add(entry.source)
        self.counts.setdefault(entry.format, Counter()).update(
            records=entry.records,
            events=entry.events,
            aggregated=entry.aggregated,
            rejected=entry.rejected,
        )
        self.reasons.update(_gathered(self.reasons, parsing.letters))
        self.bytes += entry.length
        self.faults.extend(parsing.faults)
        for frame in parsing.tables.values():
            self._span(frame)
        for stage, seconds in parsing.seconds.items():
            self.seconds[stage] += seconds  # type: ignore[assignment]  # a Counter adds floats too

    def _span(self, frame: pl.DataFrame) -> None:
        if "time" not in frame.columns:
            return
        times = frame["time"]
        low, high = times.min(), times.max()
        if not (_is_plausible(low) and _is_plausible(high)):
            times = frame.select(pl.col("time").filter(is_plausible(pl.col("time"))))["time"]
            low, high = times.min(), times.max()
        if isinstance(low, datetime) and isinstance(high, datetime):
            self.first = min(self.first or low, low)
            self.last = max(self.last or high, high)

    def accounting(self) -> Accounting:
        """What was read, by format."""
        return Accounting(
            formats=[
                FormatAccount(name, len(self.files[name]), **counts)
                for name, counts in sorted(self.counts.items())
            ],
            unread=list(self.unread),
            known=self.known,
            reasons=dict(self.reasons.most_common()),
            first=self.first,
            last=self.last,
            bytes=self.bytes,
        )


def ingest(
    home: Home,
    paths: Sequence[Path],
    judges: Sequence[Detector],
    progress: Progress,
    *,
    facts: Mapping[str, object] | None = None,
    aside: Callable[[Commit], None] | None = None,
) -> Ingested:
    """Read everything under `paths` into the home; what it holds already is passed over.

    `facts` are stored with every commit. With `aside` the rules' findings and hits go there, and
    not into the home: that is how a baseline is read. Raises DiskFullError when a commit finds no
    room.
    """
    done = Ingested()
    portion = Portion()
    size = _size(paths)
    progress.begin("read", size, "bytes")

    def commit(portion: Portion) -> None:
        committer.submit(lambda: _apart(portion.commit(facts or {}), aside))

    with Committer(home) as committer, without_collector():
        for batch in _batches(home, paths, done, progress):
            parsing = parse(batch, judges)
            done.add(parsing)
            portion.add(parsing)
            if portion.full or portion.outweighs((size or 0) - done.bytes):
                commit(portion)
                portion = Portion()
        if portion.parsings:
            commit(portion)
        committer.wait()
        done.seconds["commit"] += committer.seconds  # type: ignore[assignment]
    progress.end("read")
    return done


def _is_plausible(time: object) -> bool:
    return isinstance(time, datetime) and EARLIEST <= time <= LATEST


@contextmanager
def without_collector() -> Iterator[None]:
    """Have nobody look for cycles where millions of objects and no cycles are made.

    To look for them doubles the time of parsing, and takes a third of that of loading rules.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@contextmanager
def settled() -> Iterator[None]:
    """Have who looks for cycles pass over all that exists by now: each look takes 0.1 s."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _apart(commit: Commit, aside: Callable[[Commit], None] | None) -> Commit:
    if aside is None:
        return commit
    aside(commit)
    states = {name: tables for name, tables in commit.states.items() if name != SOURCE}
    return replace(commit, findings=no_findings(), states=states)


def _batches(
    home: Home, paths: Sequence[Path], done: Ingested, progress: Progress
) -> Iterator[Batch]:
    """Batches that the home does not hold yet, read ahead of their use."""
    ids: dict[tuple[str, int], str] = {}
    # Of an empty home there is nothing to ask, and to ask takes as long as to parse a small file.
    anew = home.records.last_commit() == 0

    def known(first_record: str, start: int) -> list[tuple[int, str]]:
        ranges = list(done.ranges.get((first_record, start), ()))
        if not anew:
            stored = home.records.known_ranges(first_record, start)
            ranges += [(one.length, one.sha256, one.batch_id) for one in stored]
        ids.update({(sha256, start): batch_id for _, sha256, batch_id in ranges})
        return [(length, sha256) for length, sha256, _ in ranges]

    def is_known(batch_id: str) -> bool:
        return batch_id in done.batches or (not anew and home.records.has_batch(batch_id))

    for item in read_ahead(_read(paths, known)):
        if isinstance(item, Unread):
            done.unread.append(item)
        elif isinstance(item, _Size):
            progress.advance("read", item.bytes)
        elif isinstance(item, Skipped):
            _pass_over(home, ids[item.sha256, item.offset], done)
        elif is_known(item.batch_id):
            _pass_over(home, item.batch_id, done)
        else:
            yield item


def _read(paths: Sequence[Path], known: Known) -> Iterator["Batch | Unread | Skipped | _Size"]:
    """Everything under the paths, batch by batch, and the size of each file once it is read."""
    for found in find_inputs(paths):
        if isinstance(found, Unreadable):
            yield Unread(found.source, found.reason)
            continue
        format_ = recognise(found.head, found.path)
        if format_ is None:
            yield Unread(found.source, why_unrecognised(found.head))
        else:
            yield from read_batches(found, format_, known=known)
        if found.fault:
            yield Unread(found.source, found.fault)
        yield _Size(found.size or 0)


@dataclass(frozen=True, slots=True)
class _Size:
    bytes: int


def _pass_over(home: Home, batch_id: str, done: Ingested) -> None:
    """Count what this scan or an earlier one has read already."""
    if batch_id not in done.batches:
        entry = home.records.batch(batch_id)
        done.batches[batch_id] = entry.records if entry else 0
    done.known += done.batches[batch_id]


def _size(paths: Sequence[Path]) -> int | None:
    """Bytes on disk under the paths, for a progress bar; None where that cannot be told."""
    total = 0
    for path in paths:
        try:
            files = path.rglob("*") if path.is_dir() else [path]
            total += sum(one.stat().st_size for one in files if one.is_file())
        except OSError:
            return None
    return total or None
