"""Telemetry as it is written: followed, judged at once by rules, and behind that as a whole.

Three things go on at their own pace. Records are parsed and judged by rules as they come, and
what rules say is told at once. Commits follow every few seconds; whoever kills the process loses
nothing, for what was not committed is read again and says the same, under the same uids. Behaviour,
correlations and triage judge what was committed in a thread of their own.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol, Self

import polars as pl

from hauberk.detect import Detector
from hauberk.detect.sigma import CorrelationDetector, SigmaDetector, Suppressions
from hauberk.events import FindingKind
from hauberk.ingest import Batch, Follower, Unreadable
from hauberk.ingest.receivers import Sources
from hauberk.store import Home
from hauberk.triage import BUDGET, Incident

from .acts import Acts
from .bounded import BoundedDetector, HungError, Run, Within
from .committing import Committer, Portion
from .guard import DetectorFault
from .interface import ScanOptions, Silent
from .modelled import Counting, model_judges, watch_at_work
from .outage import Outage
from .parsing import Parsing, parse
from .retaining import RETAIN_SECONDS, policy_of, sweep
from .rule_folders import known_rules
from .salvaging import FormatFault
from .scan import facts_of, judge_new, judges, last_commit, publish, triage_home
from .signing import GOVERNED, governed_since
from .sources import SourcePace, SourceWatch
from .suppressions import CHANGES, suppressions_of
from .troubles import Troubles

POLL_SECONDS = 0.1
"""Pause between two looks at files when nothing had come."""

COMMIT_SECONDS = 2.0
"""Longest that a judged record waits to be committed."""

COMPACT_COMMITS = 300
"""Commits after which the lake's small files are merged."""

MEASURE_SECONDS = 600.0
"""Pause between two looks at what models at work did."""

STUCK_SECONDS = 600.0
"""Seconds after which a round of behaviour and triage that has not ended is told to be stuck."""

PAUSE_SHARE = 3.0
"""The pause before a round is at least so many times as long as the one before it took: a home
that has grown is judged less often, and never all the time."""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What a user asks of a watch; `judge_every` in seconds."""

    paths: Sequence[Path]
    home: Path
    rules: Sequence[Path] = ()
    budget: float = BUDGET
    judge_every: float = 60.0
    sources: Sources = field(default_factory=lambda: Sources(()))


@dataclass(slots=True)
class Pace:
    """How a watch keeps up: sums since it began."""

    records: int = 0
    events: int = 0
    rejected: int = 0
    findings: int = 0
    commits: int = 0
    behind: int = 0  # bytes that are there and not read yet
    newest: datetime | None = None  # event time of the newest event
    sources: tuple[SourcePace, ...] = ()
    round_seconds: float | None = None  # of the last round of behaviour and triage
    troubles: tuple[str, ...] = ()  # what is wrong while the rest goes on, a sentence each


class Listener(Protocol):
    """Told of what a watch finds, from two threads, one call at a time."""

    def findings(self, found: pl.DataFrame) -> None:
        """Findings (FINDING_SCHEMA) of rules, just now, or of behaviour behind them.

        A finding may be told again with more, or after a crash, under the same uid.
        """
        ...

    def incidents(self, ranked: Sequence[Incident]) -> None:
        """Incidents within the budget that are new or have changed, best first."""
        ...

    def unread(self, source: str, reason: str) -> None:
        """Something cannot be read."""
        ...

    def fault(self, said: str) -> None:
        """A detector could not judge something; the rest goes on."""
        ...

    def pace(self, pace: Pace) -> None:
        """Every second or so."""
        ...


def watch(options: WatchOptions, listener: Listener, stop: threading.Event) -> Pace:
    """Follow files until `stop` is set; then commit and judge what has come.

    Raises HomeBusyError, HomeDamagedError, DiskFullError, UsageError where a source of the network
    cannot be listened for, UnreachableError where it is to stop while the records' server is gone.
    """
    rules = known_rules(options.home, options.rules)
    told = _Told(listener)
    within = Within(stop)
    outage = Outage(lambda said: told.faults([said]), stop)
    with Home.open(options.home, patience=outage) as home:
        suppressions = Suppressions(suppressions_of(home))
        modelled = model_judges(home, tell=True)
        fields, behaviour = judges(SigmaDetector(rules, suppressions=suppressions), modelled)
        fields, behaviour = _bounded(fields, within), _bounded(behaviour, within)
        told.faults(modelled.faults)
        sources = SourceWatch(options.sources, home.path)
        with _Behind(home, behaviour, options, told) as behind:
            return _Front(home, fields, options, told, behind, sources, within).run(stop)


def _bounded(detectors: Sequence[Detector], within: Run) -> list[Detector]:
    """Detectors that cannot hold up a watch; those that others look into are left as they are."""
    own = (SigmaDetector, CorrelationDetector, Counting)
    return [one if isinstance(one, own) else BoundedDetector(one, within) for one in detectors]


class _Told:
    """The listener, one call at a time; suppressed findings are kept from it."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._turn = threading.Lock()
        self.troubles = Troubles()

    def findings(self, found: pl.DataFrame) -> int:
        told = found.filter(pl.col("kind") != FindingKind.SUPPRESSED)
        if told.height:
            with self._turn:
                self._listener.findings(told)
        return told.height

    def incidents(self, ranked: Sequence[Incident]) -> None:
        if ranked:
            with self._turn:
                self._listener.incidents(ranked)

    def unread(self, source: str, reason: str) -> None:
        with self._turn:
            self._listener.unread(source, reason)

    def faults(self, said: Sequence[object]) -> None:
        """Tell; the same detector's or format's again only now and then."""
        known = (DetectorFault, FormatFault)
        told = [
            one
            for one in said
            if not isinstance(one, known) or self.troubles.add(one.who, str(one))
        ]
        with self._turn:
            for one in told:
                self._listener.fault(str(one))

    def trouble(self, who: str, said: str) -> None:
        """Something that stays so until the watch ends."""
        if self.troubles.add(who, said, standing=True):
            with self._turn:
                self._listener.fault(said)

    def pace(self, pace: Pace) -> None:
        with self._turn:
            self._listener.pace(pace)


class _Front:
    """Reads, parses, judges by rules, tells, and hands on what is to be committed."""

    def __init__(
        self,
        home: Home,
        fields: Sequence[Detector],
        options: WatchOptions,
        told: _Told,
        behind: "_Behind",
        sources: SourceWatch,
        within: Run,
    ) -> None:
        self._home = home
        self._within = within
        self._aside: set[str] = set()  # files on which a format hung
        self._fields = fields
        self._facts = facts_of(ScanOptions(options.paths, options.home, rules=options.rules))
        self._sources = sources
        self._follower = Follower([*options.paths, *sources.paths], self._known)
        self._told = told
        self._behind = behind
        self._acts = Acts(home, fields)
        self._governed = home.ledger.size
        self._portion = Portion()
        self._since = time.monotonic()  # when the oldest record of the portion was read
        self._pace = Pace()

    def _known(self, first_record: str, start: int) -> list[tuple[int, str]]:
        records = self._home.records
        ranges = self._home.patiently(lambda: records.known_ranges(first_record, start))
        return [(one.length, one.sha256) for one in ranges]

    def run(self, stop: threading.Event) -> Pace:
        ticked = 0.0
        with Committer(self._home) as committer:
            try:
                with self._sources:
                    while not stop.is_set():
                        came = self._take(committer)
                        self._behind.check()
                        if time.monotonic() - ticked >= 1:
                            ticked = time.monotonic()
                            self._tell_pace()
                            self._follow_models()
                        if not came:
                            stop.wait(POLL_SECONDS)
            finally:
                self._follower.close()
            self._take_acts()
            self._commit(committer)
            committer.wait()
        return self._pace

    def _tell_pace(self) -> None:
        self._pace.sources = self._sources.tick(self._follower, self._known)
        self._pace.behind = self._follower.behind
        self._pace.round_seconds = self._behind.seconds
        stuck = self._behind.stuck
        self._pace.troubles = (*((stuck,) if stuck else ()), *self._told.troubles.current)
        self._told.pace(self._pace)

    def _take(self, committer: Committer) -> bool:
        """One round over all files; whether anything had come."""
        came = False
        for item in self._follower.poll():
            if isinstance(item, Unreadable):
                self._told.unread(item.source, item.reason)
                self._sources.unread(item.source, item.reason)
            elif not self._is_stored(item.batch_id):
                came = True
                self._judge(item)
                if self._portion.full:
                    self._commit(committer)
        self._take_acts()
        governs = self._governs()
        waited = time.monotonic() - self._since >= COMMIT_SECONDS
        if not self._portion.empty and (waited or governs):
            self._commit(committer)
        if governs:
            committer.wait()
            self._follow_models()
        return came

    def _governs(self) -> bool:
        """Whether the portion decides which models judge: a rollback waits for nothing."""
        return any(str(one.get("type")).startswith(GOVERNED) for one in self._portion.entries)

    def _follow_models(self) -> None:
        """Let the models judge that may by the newest entries, whoever has brought them."""
        changed, size = self._home.patiently(lambda: governed_since(self._home, self._governed))
        self._governed = size
        if not changed:
            return
        modelled = self._home.patiently(lambda: model_judges(self._home, tell=True))
        self._told.faults(modelled.faults)
        sigma = next(one for one in self._fields if isinstance(one, SigmaDetector))
        self._fields, behaviour = judges(sigma, modelled)
        self._acts.judges = self._fields
        self._behind.judge_with(behaviour)

    def _take_acts(self) -> None:
        """What people did meanwhile; it is committed with what else has come."""
        began = self._portion.empty
        for parsing in self._acts.add_to(self._portion):
            self._tell(parsing)
        if began and not self._portion.empty:
            self._since = time.monotonic()

    def _is_stored(self, batch_id: str) -> bool:
        return self._home.patiently(lambda: self._home.records.has_batch(batch_id))

    def _judge(self, batch: Batch) -> None:
        if batch.records.source in self._aside:
            return
        if any(one.entry.batch_id == batch.batch_id for one in self._portion.parsings):
            return
        try:
            parsing = parse(batch, self._fields, self._within)
        except HungError as error:
            self._set_aside(batch, error)
            return
        if self._portion.empty:
            self._since = time.monotonic()
        self._tell(parsing)
        self._portion.add(parsing)
        self._count(parsing)

    def _set_aside(self, batch: Batch, error: HungError) -> None:
        """Read no more of a file on which its format hangs: the next start begins there again."""
        source = batch.records.source
        self._aside.add(source)
        self._follower.set_aside(source, batch.records.offset)
        said = (
            f"{source} is set aside from byte {batch.records.offset:,} on, until the next start: "
            f"{batch.format.name} {batch.format.version} hangs on it ({error})"
        )
        self._told.trouble(source, said)
        self._sources.unread(source, said)

    def _tell(self, parsing: Parsing) -> None:
        self._pace.findings += self._told.findings(parsing.findings)
        self._told.faults(parsing.faults)

    def _count(self, parsing: Parsing) -> None:
        entry = parsing.entry
        self._sources.judged(entry)
        self._pace.records += entry.records
        self._pace.events += entry.events
        self._pace.rejected += entry.rejected
        for frame in parsing.tables.values():
            newest = frame["time"].max()
            if isinstance(newest, datetime):
                self._pace.newest = max(self._pace.newest or newest, newest)

    def _commit(self, committer: Committer) -> None:
        if self._portion.empty:
            return
        changed = any(entry.get("type") in CHANGES for entry in self._portion.entries)
        committer.submit(partial(self._portion.commit, self._facts))
        self._pace.commits += 1
        self._portion = Portion()
        if changed:
            committer.wait()
            suppressions = Suppressions(suppressions_of(self._home))
            for one in self._fields:
                if isinstance(one, SigmaDetector):
                    one.suppress(suppressions)


@dataclass(slots=True)
class _Shown:
    """What was told of an incident, to know when it has changed."""

    told: dict[str, tuple[int, float]] = field(default_factory=dict)

    def fresh(self, ranked: Sequence[Incident]) -> list[Incident]:
        found = []
        for one in ranked:
            now = (len(one.findings), round(one.probability, 2))
            if one.above_budget and self.told.get(one.uid) != now:
                found.append(one)
            self.told[one.uid] = now
        return found


class _Behind:
    """Behaviour, correlations and triage, in a thread of their own over what was committed."""

    def __init__(
        self, home: Home, detectors: Sequence[Detector], options: WatchOptions, told: _Told
    ) -> None:
        self._home = home
        self._detectors = detectors
        self._options = options
        self._told = told
        self._shown = _Shown()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._compacted = last_commit(home)
        self._measured = time.monotonic()
        self._policy = policy_of(home.path)
        self._swept = 0.0
        self._began: float | None = None  # the round that is under way
        self.seconds: float | None = None  # that the last round took
        self._thread = threading.Thread(target=self._work, name="judge", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._error is None:
            self._round()

    def judge_with(self, detectors: Sequence[Detector]) -> None:
        """Judge with these from the next round on."""
        self._detectors = detectors

    def check(self) -> None:
        """Raise what the thread raised."""
        if self._error is not None:
            raise self._error

    @property
    def stuck(self) -> str:
        """What is to be said of a round that does not end; empty where none is late."""
        began = self._began
        late = 0.0 if began is None else time.monotonic() - began
        if late < STUCK_SECONDS:
            return ""
        return f"behaviour and triage are stuck: their round has lasted for {late:,.0f} s"

    def _work(self) -> None:
        try:
            while not self._stop.wait(self._pause()):
                self._began = time.monotonic()
                self._home.patiently(self._round)
                self.seconds = round(time.monotonic() - self._began, 3)
                self._began = None
                if time.monotonic() - self._swept >= RETAIN_SECONDS:
                    self._home.patiently(lambda: sweep(self._home, self._policy))
                    self._swept = time.monotonic()
        except BaseException as error:  # noqa: BLE001  # raised again by `check`
            self._error = error

    def _pause(self) -> float:
        return max(self._options.judge_every, PAUSE_SHARE * (self.seconds or 0.0))

    def _round(self) -> None:
        judged, commits = judge_new(self._home, self._detectors, Silent())
        if commits[0] == commits[1]:
            return
        options = ScanOptions(self._options.paths, self._options.home, budget=self._options.budget)
        made = triage_home(self._home, judged, options)
        publish(self._home, judged, made, commits, self._options.budget)
        self._told.findings(judged.findings)
        self._told.faults([*judged.faults, *judged.lost])
        self._told.incidents(self._shown.fresh(made.incidents))
        if time.monotonic() >= self._measured + MEASURE_SECONDS:
            self._measured = time.monotonic()
            self._told.findings(watch_at_work(self._home))
        if last_commit(self._home) - self._compacted >= COMPACT_COMMITS:
            self._home.lake.compact()
            self._compacted = last_commit(self._home)
