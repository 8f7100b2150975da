"""Runs outputs: each in a thread of its own, so that none waits for another.

A place in the home moves on only after the receiver has what lies before it. What cannot be
delivered for now is tried again for as long as it takes; what a receiver refuses for good goes to
the output's dead letters.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from hauberk.errors import HauberkError, HomeBusyError

from .changes import Step, Window, first_cursor, newest_commit, read_window
from .cursor import FOLDER, Cursor, load_cursor, make_private_folder, save_cursor
from .dead_letters import bury
from .interface import (
    Message,
    NotSentError,
    Output,
    OutputStatus,
    Refused,
    RefusedError,
    Sender,
)
from .kinds import sender_of

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds before the first and the later attempts after a fault, of which half is chance."""

POLL_SECONDS = 1.0
BATCH_BYTES = 4 << 20
SAVE_SECONDS = 10.0
"""Longest that a cursor over commits with nothing to send is kept in memory alone."""

MAX_REFUSED_IN_ROW = 100
"""After so many the fault is taken for the receiver's or the settings', and nothing is let go."""

Tell = Callable[[str, str], None]
"""Told of the name of an output and of what became of it."""


class OutputLoop:
    """One output at work."""

    def __init__(self, home: Path, output: Output, tell: Tell) -> None:
        self._home = home
        self._output = output
        self._tell = tell
        self._cursor: Cursor | None = None
        self._sender: Sender | None = None
        self._saved = 0.0
        self._newest = 0

    def run(self, stop: threading.Event, commits: "Commits") -> None:
        """Send what comes until stopped. Raises nothing: a fault is told, and tried again."""
        pause = FIRST_PAUSE
        while not stop.is_set():
            try:
                self._round(stop, commits)
                pause = FIRST_PAUSE
                continue
            except HauberkError as error:
                said = str(error)
            except Exception as error:  # noqa: BLE001  # one output's fault is no other's
                said = f"{type(error).__name__}: {error}"
            self._failed(said)
            stop.wait(pause * random.uniform(0.5, 1))  # noqa: S311  # spreads attempts
            pause = min(LONGEST_PAUSE, pause * 2)
        self._close()

    def _round(self, stop: threading.Event, commits: "Commits") -> None:
        """Send one window, then wait for a commit if that was all."""
        cursor = self._begun()
        self._newest = commits.newest
        window = read_window(self._home, cursor, self._output.filter)
        if window.messages and not cursor.behind_since:
            # Waiting for the next digest is no lag.
            cursor.behind_since = max(time.time(), cursor.last_sent + self._connected().pause)
            self._save(cursor)
        if not self._send_all(window, cursor, stop):
            return
        window.end.move(cursor)
        if not window.more:
            cursor.behind_since = 0.0
        if window.messages or cursor.fault or time.monotonic() - self._saved >= SAVE_SECONDS:
            self._well(cursor)
        if not window.more:
            commits.wait(self._newest, stop)

    def _begun(self) -> Cursor:
        if self._cursor is None:
            name = self._output.name
            found = load_cursor(self._home, name)
            if found is None:
                found = first_cursor(self._home, from_beginning=self._output.from_beginning)
                save_cursor(self._home, name, found)
            self._cursor = found
        return self._cursor

    def _send_all(self, window: Window, cursor: Cursor, stop: threading.Event) -> bool:
        """Whether all of a window was sent; not where it is to be read again after a pause."""
        rest = list(window.messages)
        while rest:
            sender = self._connected()
            due = min(cursor.last_sent + sender.pause - time.time(), sender.pause)
            if due > 0:  # what comes meanwhile goes into the same digest
                stop.wait(due)
                return False
            if stop.is_set():
                return False
            batch = _batch(rest, sender.batch)
            try:
                refused = sender.send([message for message, _ in batch])
            except NotSentError as error:
                batch, refused = _settled_first(batch, error)
                self._check_some_taken(batch, refused, cursor)
                self._moved(batch, refused, cursor)
                raise
            except RefusedError as error:
                batch, refused = self._part(batch, error)
            self._check_some_taken(batch, refused, cursor)
            self._moved(batch, refused, cursor)
            del rest[: len(batch)]
        return True

    def _check_some_taken(
        self, batch: list[tuple[Message, Step]], refused: Sequence[Refused], cursor: Cursor
    ) -> None:
        """Raise HauberkError where so much was refused in a row that no message is at fault."""
        if not refused or len(refused) < len(batch):
            return
        if len(refused) + cursor.refused_in_row > MAX_REFUSED_IN_ROW:
            raise HauberkError(
                f"it refuses everything: {refused[0].reason}", where=self._output.where,
                hint="Nothing more is let go until it takes something again",
            )  # fmt: skip

    def _part(
        self, batch: list[tuple[Message, Step]], error: RefusedError
    ) -> tuple[list[tuple[Message, Step]], Sequence[Refused]]:
        """A refused batch by halves, until it is one message that is refused."""
        if error.at is not None:
            return batch[: error.at + 1], [Refused(batch[error.at][0], error.what)]
        while len(batch) > 1:
            batch = batch[: len(batch) // 2]
            try:
                return batch, self._connected().send([message for message, _ in batch])
            except RefusedError as again:
                error = again
                if error.at is not None:
                    return self._part(batch, error)
        return batch, [Refused(batch[0][0], error.what)]

    def _moved(
        self, batch: list[tuple[Message, Step]], refused: Sequence[Refused], cursor: Cursor
    ) -> None:
        """The cursor over a batch; what was refused is kept before."""
        if not batch:
            return
        if refused:
            bury(self._home, self._output.name, refused, datetime.now(UTC))
            self._tell(self._output.name, f"{len(refused)} refused: {refused[0].reason}")
        for _, step in batch:
            step.move(cursor)
        cursor.refused += len(refused)
        cursor.refusal = refused[-1].reason if refused else cursor.refusal
        cursor.sent += len(batch) - len(refused)
        all_refused = len(refused) == len(batch)
        cursor.refused_in_row = cursor.refused_in_row + len(refused) if all_refused else 0
        cursor.last_sent = time.time()
        self._well(cursor)

    def _well(self, cursor: Cursor) -> None:
        if cursor.fault:
            self._tell(self._output.name, "it takes messages again")
        cursor.fault, cursor.fault_since = "", 0.0
        for note in cursor.notes:
            self._tell(self._output.name, note)
        cursor.notes.clear()
        self._save(cursor)

    def _failed(self, said: str) -> None:
        self._close()
        if self._cursor is None:
            self._tell(self._output.name, said)
            return
        if said != self._cursor.fault:
            self._tell(self._output.name, said)
        self._cursor.fault_since = self._cursor.fault_since or time.time()
        self._cursor.fault = said
        try:
            self._save(self._cursor)
        except OSError as error:
            self._tell(self._output.name, f"its cursor cannot be written: {error.strerror}")
            self._cursor = None  # what is on the device counts

    def _save(self, cursor: Cursor) -> None:
        save_cursor(self._home, self._output.name, cursor)
        self._saved = time.monotonic()

    def _connected(self) -> Sender:
        if self._sender is None:
            self._sender = sender_of(self._output)
        return self._sender

    def _close(self) -> None:
        if self._sender is not None:
            self._sender.close()


class Commits:
    """The newest commit of a home, looked for once for all outputs."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.newest = 0
        self.fault = ""
        self._changed = threading.Condition()

    def look(self) -> None:
        """Look now; where the home cannot be read, `fault` says why."""
        try:
            newest, self.fault = newest_commit(self._home), ""
        except HauberkError as error:
            self.fault = str(error)
            return
        with self._changed:
            self.newest = newest
            self._changed.notify_all()

    def wait(self, known: int, stop: threading.Event) -> None:
        """Until there is another commit than the one that is known, or for some seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self.newest != known or stop.is_set(), POLL_SECONDS * 5)

    def end(self) -> None:
        """Wake all that wait."""
        with self._changed:
            self._changed.notify_all()


def run_outputs(
    home: Path,
    outputs: Sequence[Output],
    stop: threading.Event,
    tell: Tell,
    report: Callable[[Sequence[OutputStatus]], None],
) -> None:
    """Run outputs until stopped. `report` is called from this thread every second or so.

    Raises HomeBusyError where another process runs them, UsageError where there is no home, and
    what its first opening raises.
    """
    commits = Commits(home)
    commits.newest = newest_commit(home)
    for one in outputs:
        sender_of(one).close()  # settings that no attempt would mend are told now
    with _alone(home):
        _run(home, outputs, stop, tell, report, commits)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    make_private_folder(home / FOLDER)
    lock = FileLock(home / FOLDER / "lock", timeout=0, thread_local=False, mode=0o600)
    try:
        lock.acquire()
    except Timeout as error:
        raise HomeBusyError(
            "another process runs the outputs of this home", where=str(home),
            hint="`hauberk up` runs them where [outputs] is set; `hauberk status` shows it",
        ) from error  # fmt: skip
    try:
        yield
    finally:
        lock.release()


def _run(
    home: Path,
    outputs: Sequence[Output],
    stop: threading.Event,
    tell: Tell,
    report: Callable[[Sequence[OutputStatus]], None],
    commits: Commits,
) -> None:
    threads = [
        threading.Thread(
            target=OutputLoop(home, one, tell).run, args=(stop, commits), name=one.name, daemon=True
        )
        for one in outputs
    ]
    for thread in threads:
        thread.start()
    fault = ""
    while not stop.wait(POLL_SECONDS):
        commits.look()
        if commits.fault and commits.fault != fault:
            tell("home", commits.fault)
        fault = commits.fault
        report(statuses(home, outputs, commits.newest))
    commits.end()
    until = time.monotonic() + 10.0
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))


def statuses(home: Path, outputs: Sequence[Output], newest: int) -> list[OutputStatus]:
    """How outputs stand, by their cursors. Raises nothing: what is wrong is in their faults."""
    return [_status(home, one, newest) for one in outputs]


def _status(home: Path, output: Output, newest: int) -> OutputStatus:
    try:
        cursor = load_cursor(home, output.name)
    except HauberkError as error:
        return OutputStatus(output.name, output.kind, output.where, 0, fault=str(error))
    if cursor is None:
        left = newest if output.from_beginning else 0
        return OutputStatus(output.name, output.kind, output.where, left, started=False)
    now = time.time()
    return OutputStatus(
        name=output.name,
        kind=output.kind,
        where=output.where,
        commits=max(0, newest - cursor.commit),
        sent=cursor.sent,
        refused=cursor.refused,
        refusal=cursor.refusal,
        fault=cursor.fault,
        since=_iso(cursor.fault_since),
        last=_iso(cursor.last_sent),
        behind=round(max(0.0, now - cursor.behind_since), 1) if cursor.behind_since else 0.0,
    )


def _batch(rest: Sequence[tuple[Message, Step]], most: int) -> list[tuple[Message, Step]]:
    found: list[tuple[Message, Step]] = []
    size = 0
    for one in rest[:most]:
        size += len(one[0].data)
        if found and size > BATCH_BYTES:
            break
        found.append(one)
    return found


def _settled_first(
    batch: Sequence[tuple[Message, Step]], error: NotSentError
) -> tuple[list[tuple[Message, Step]], list[Refused]]:
    """The messages before the first that is to be tried again, and those of them refused."""
    refusals = {one.message.id: one for one in error.refused}
    found, refused = [], []
    for one in batch:
        if one[0].id in refusals:
            refused.append(refusals[one[0].id])
        elif one[0].id not in error.done:
            break
        found.append(one)
    return found, refused


def _iso(seconds: float) -> str | None:
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
