"""Keeps the files of a lake few beside a watch, in a thread of its own: nobody waits for it."""

import threading

from hauberk.store import Home

from .retaining import READERS

TIDY_SECONDS = 60.0
"""Pause between two looks for small files."""

FILES = 8
"""Small files of like size that are merged into one."""


class Tidying:
    """Merges small files now and then, where commits have been made."""

    def __init__(self, home: Home, every: float = TIDY_SECONDS) -> None:
        self._home = home
        self._every = every
        self._seen = 0  # the last commit after which nothing was to be merged
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="tidy", daemon=True)

    def start(self) -> None:
        """Begin; ended by `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """End, once what is being merged is: seconds at most."""
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise what the thread raised."""
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            while not self._stop.wait(self._every):
                self._home.patiently(self._tidy)
        except BaseException as error:  # noqa: BLE001  # raised again by `check`
            self._error = error

    def _tidy(self) -> None:
        while not self._stop.is_set():
            last = self._home.records.last_commit()
            if last == self._seen:
                return
            if self._home.lake.compact(FILES, self._home.clock() - READERS) is None:
                self._seen = last
