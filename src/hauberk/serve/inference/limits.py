"""How much one client may ask: records a minute, refilled evenly, none saved up beyond a minute."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Rate:
    """What is left to each client of `per_minute` records."""

    per_minute: int
    monotonic: Callable[[], float] = time.monotonic
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)  # client: (at, left)

    def wait(self, client: str, records: int) -> float:
        """Take these records from a client's share: 0, or seconds until there are so many.

        More than a minute's share are never there (infinite).
        """
        if records > self.per_minute:
            return float("inf")
        now, each = self.monotonic(), self.per_minute / 60
        at, left = self._left.get(client, (now, float(self.per_minute)))
        left = min(float(self.per_minute), left + (now - at) * each)
        if left < records:
            self._left[client] = (now, left)
            return (records - left) / each
        self._left[client] = (now, left - records)
        return 0.0
