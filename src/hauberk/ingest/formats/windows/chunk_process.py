"""EVTX chunks read in another process, which may hang or die without harm."""

import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import chunk_program
from .chunk_program import MAX_ANSWER, READY, receive, send, unpack

SECONDS = 10.0
"""How long one chunk may take. Whole ones take some milliseconds."""

START_SECONDS = 60.0
_PATIENCE = 3
_IMPATIENT = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """Id and JSON text of the records of one chunk, in order, and the first fault met, if any.

    `lost` where the process did not survive the chunk, so that asking again would be in vain.
    """

    records: Sequence[tuple[int, bytes]]
    fault: str = ""
    lost: bool = False


class ChunkProcess:
    """Reads chunks in a process that is started when first needed, and anew when it was lost.

    May be used from several threads, which wait for each other. After three chunks that took too
    long the others get a second each: a file made of such chunks must not hold up a scan for hours.
    """

    def __init__(self, program: Path | None = None, *, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        # -P: neither what lies beside the program nor the working folder can be imported.
        self._command = [
            *(sys.executable, "-P", str(program or chunk_program.__file__), str(2 * seconds)),
        ]
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stop: weakref.finalize[[subprocess.Popen[bytes], int], ChunkProcess] | None = None
        self._owner = 0
        self._late = 0

    def read(self, chunk: bytes) -> Reading:
        """The records of a chunk. Never raises; where the process is lost, the fault says how."""
        with self._lock:
            process = self._running()
            if process is None:
                return Reading([], "the process that reads chunks does not start", lost=True)
            seconds = self._seconds if self._late < _PATIENCE else min(_IMPATIENT, self._seconds)
            answer, late = _asked(process, chunk, seconds)
            if answer is not None:
                return Reading(*unpack(answer))
            self._end()
            if not late:
                return Reading([], "the process that read it died of it", lost=True)
            self._late += 1
            return Reading([], f"reading it took more than {seconds:g} seconds", lost=True)

    def close(self) -> None:
        """End the process; the next chunk starts another."""
        with self._lock:
            self._end()

    def _running(self) -> subprocess.Popen[bytes] | None:
        if self._owner != os.getpid():  # after a fork the pipes belong to the process above
            self._process = self._stop = None
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        try:
            process = subprocess.Popen(  # noqa: S603  the command is made here, of no input
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            return None
        self._process, self._owner = process, os.getpid()
        self._stop = weakref.finalize(self, _stopped, process, self._owner)
        if _asked(process, None, START_SECONDS)[0] != READY:
            self._end()
        return self._process

    def _end(self) -> None:
        if self._stop is not None:
            self._stop()
        self._process = self._stop = None


def _asked(
    process: subprocess.Popen[bytes], chunk: bytes | None, seconds: float
) -> tuple[bytes | None, bool]:
    """The answer, None where there is none, and whether that is because the time was over."""
    late = threading.Event()

    def expire() -> None:
        late.set()
        process.kill()  # which ends the pipes, and with them the waiting below

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        if chunk is not None and process.stdin is not None:
            send(process.stdin, chunk)
        answer = None if process.stdout is None else receive(process.stdout, MAX_ANSWER)
        return answer, late.is_set()
    except OSError:
        return None, late.is_set()
    finally:
        timer.cancel()


def _stopped(process: subprocess.Popen[bytes], owner: int) -> None:
    if owner != os.getpid():
        return
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # what was not written has nobody to go to
                pipe.close()


SHARED = ChunkProcess()
"""The one process that all EVTX files of a scan are read by; idle and unstarted until then."""
