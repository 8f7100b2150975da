"""Verifies the home when somebody asks for it, once at a time, beside everything else."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hauberk.store import VerifyReport, verify


@dataclass(frozen=True, slots=True)
class Verified:
    """The last verification: when it ended, for whom, and what it found."""

    at: datetime
    by: str
    report: VerifyReport


class Verifying:
    """Runs verifications of a home."""

    def __init__(self, home: Path, clock: Callable[[], datetime]) -> None:
        self._home = home
        self._clock = clock
        self._turn = threading.Lock()
        self.last: Verified | None = None

    @property
    def running(self) -> bool:
        """Whether one is under way."""
        return self._turn.locked()

    def begin(self, by: str) -> bool:
        """Begin one; False where one is under way."""
        if not self._turn.acquire(blocking=False):
            return False
        threading.Thread(target=self._run, args=(by,), name="verify", daemon=True).start()
        return True

    def _run(self, by: str) -> None:
        try:
            self.last = Verified(self._clock(), by, verify(self._home))
        finally:
            self._turn.release()
