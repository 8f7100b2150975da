"""Telemetry as it is written: followed, judged at once by rules, and behind that as a whole.

Three things go on at their own pace. Records are parsed and judged by rules as they come, and
what rules say is told at once. Commits follow every few seconds; whoever kills the process loses
nothing, for what was not committed is read again and says the same, under the same uids. Behaviour,
correlations and triage judge what was committed in a thread of their own.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from hauberk.detect import Detector
from hauberk.detect.sigma import CorrelationDetector, SigmaDetector, Suppressions
from hauberk.ingest import Batch, Follower, Unreadable
from hauberk.ingest.receivers import Sources
from hauberk.store import Home
from hauberk.triage import BUDGET

from .acts import Acts
from .behind import Behind
from .bounded import BoundedDetector, HungError, Run, Within
from .committing import Committer, Portion
from .interface import ScanOptions
from .modelled import Counting, ModelJudges, model_judges
from .outage import Outage
from .parsing import Parsing, parse
from .rule_folders import known_rules
from .scan import facts_of, judges
from .signing import GOVERNED, governed_since
from .sources import SourceWatch
from .suppressions import CHANGES, suppressions_of
from .telling import Listener, Pace, Told

POLL_SECONDS = 0.1
"""Pause between two looks at files when nothing had come."""

GATHER_SECONDS = 0.3
"""From one look at files to the next where something had come: to judge a few records costs nearly
as much as to judge a thousand."""

GATHER_BYTES = 8 << 20
"""Bytes not read yet beyond which nothing is waited for."""

SWITCH_SECONDS = 0.0005
"""Longest that what goes on behind holds the interpreter when records wait for it. Parsing lets go
of it a thousand times a second; at Python's own 5 ms each of these would have to be waited for."""

COMMIT_SECONDS = 2.0
"""Longest that a judged record waits to be committed."""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What a user asks of a watch; `judge_every` in seconds."""

    paths: Sequence[Path]
    home: Path
    rules: Sequence[Path] = ()
    budget: float = BUDGET
    judge_every: float = 60.0
    sources: Sources = field(default_factory=lambda: Sources(()))


def watch(options: WatchOptions, listener: Listener, stop: threading.Event) -> Pace:
    """Follow files until `stop` is set; then commit and judge what has come.

    Raises HomeBusyError, HomeDamagedError, DiskFullError, UsageError where a source of the network
    cannot be listened for, UnreachableError where it is to stop while the records' server is gone.
    """
    rules = known_rules(options.home, options.rules)
    told = Told(listener)
    within = Within(stop)
    outage = Outage(lambda said: told.faults([said]), stop)
    with Home.open(options.home, patience=outage) as home, _prompt():
        suppressions = Suppressions(suppressions_of(home))
        modelled = model_judges(home, tell=True)
        sigma = SigmaDetector(rules, suppressions=suppressions)
        fields, behaviour = _bounded_judges(sigma, modelled, within)
        told.faults(modelled.faults)
        sources = SourceWatch(options.sources, home.path)
        asked = ScanOptions(options.paths, options.home, budget=options.budget)
        with Behind(home, behaviour, asked, options.judge_every, told) as behind:
            return _Front(home, fields, options, told, behind, sources, within).run(stop)


@contextlib.contextmanager
def _prompt() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _bounded_judges(
    sigma: SigmaDetector, modelled: ModelJudges, within: Run
) -> tuple[list[Detector], list[Detector]]:
    """As `judges`, of detectors that cannot hold up a watch.

    Those that others look into are left as they are.
    """
    own = (SigmaDetector, CorrelationDetector, Counting)

    def bounded(some: Sequence[Detector]) -> list[Detector]:
        return [one if isinstance(one, own) else BoundedDetector(one, within) for one in some]

    fields, behaviour = judges(sigma, modelled)
    return bounded(fields), bounded(behaviour)


class _Front:
    """Reads, parses, judges by rules, tells, and hands on what is to be committed."""

    def __init__(
        self,
        home: Home,
        fields: Sequence[Detector],
        options: WatchOptions,
        told: Told,
        behind: Behind,
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
                        began = time.monotonic()
                        came = self._take(committer)
                        self._behind.check()
                        committer.check()
                        if time.monotonic() - ticked >= 1:
                            ticked = time.monotonic()
                            self._tell_pace(committer)
                            self._follow_models()
                        stop.wait(self._pause(time.monotonic() - began) if came else POLL_SECONDS)
            finally:
                self._follower.close()
            self._take_acts()
            self._commit(committer)
            committer.wait()
            self._pace.commits = committer.done
        return self._pace

    def _pause(self, spent: float) -> float:
        """Seconds to wait for more, after something had come."""
        if spent >= GATHER_SECONDS or self._follower.behind > GATHER_BYTES:
            return 0.0
        return GATHER_SECONDS - spent

    def _tell_pace(self, committer: Committer) -> None:
        self._pace.commits = committer.done
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
        self._fields, behaviour = _bounded_judges(sigma, modelled, self._within)
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
        self._portion = Portion()
        if changed:
            committer.wait()
            suppressions = Suppressions(suppressions_of(self._home))
            for one in self._fields:
                if isinstance(one, SigmaDetector):
                    one.suppress(suppressions)
