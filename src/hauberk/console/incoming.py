"""Whether logs are read into a home now, and how much came: what an empty queue has to say."""

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hauberk.errors import HauberkError
from hauberk.events import OWN_FORMAT

from .reading import Reading

_OWNER = "owner"
"""The file of a home in which its writer has its process id, for as long as it writes."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """`since` when a watch or a scan writes the home, None where none does; `records` it holds."""

    since: datetime | None = None
    records: int = 0


def incoming(reading: Reading) -> Incoming:
    """How it stands now. Raises nothing: what cannot be read is not told."""
    with suppress(HauberkError), reading.open() as home:
        accounts = home.records.accounting()
        # What people do here becomes records too, of which nobody waits to hear.
        records = sum(one.records for one in accounts if one.format != OWN_FORMAT)
        return Incoming(_since(reading.path / _OWNER), records)
    return Incoming()


def _since(owner: Path) -> datetime | None:
    try:
        pid = int(owner.read_text("utf-8"))
        since = datetime.fromtimestamp(owner.stat().st_mtime, UTC)
    except (OSError, ValueError):
        return None
    # This process writes for an instant only, to take acts; a file may be left by one that is gone.
    return since if pid != os.getpid() and _lives(pid) else None


def _lives(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
