"""What a watch does while the server of its records is gone: it waits, and says so once."""

import threading
from collections.abc import Callable

from hauberk.errors import UnreachableError

RETRY_SECONDS = 1.0


class Outage:
    """Waits until the server is back or the watch is to stop; of any thread.

    What comes meanwhile stays where it is: lines in their files, what is sent in the spool.
    """

    def __init__(self, tell: Callable[[str], None], stop: threading.Event) -> None:
        self._tell = tell
        self._stop = stop
        self._turn = threading.Lock()
        self._lasting = False

    def gone(self, error: UnreachableError) -> bool:
        """Wait a little; whether to try again."""
        with self._turn:
            first, self._lasting = not self._lasting, True
        if first:
            self._tell(f"{error.where}: {error.what}; what comes is held until it can be again")
        return not self._stop.wait(RETRY_SECONDS)

    def back(self) -> None:
        """It can be reached again."""
        with self._turn:
            lasted, self._lasting = self._lasting, False
        if lasted:
            self._tell("the database can be reached again")
