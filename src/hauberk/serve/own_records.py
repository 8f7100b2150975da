"""What a running system has to say of itself: records in the inbox, which become events.

Whoever writes the home takes them from there; what was left while nobody did waits.
"""

import contextlib
from datetime import UTC, datetime
from pathlib import Path

from hauberk.errors import HauberkError
from hauberk.events import OWN_CLASS, OWN_PRODUCT, SYSTEM_SERVICE
from hauberk.store import Inbox

WRITER = "supervisor"


def write_own(home: Path, operation: str, part: str, message: str, *, failed: bool) -> None:
    """Leave a record (`service: system`), durably where there is room for it. Never raises."""
    record = {
        "class_uid": int(OWN_CLASS),
        "product": OWN_PRODUCT,
        "log": SYSTEM_SERVICE,
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "status": "failure" if failed else "success",
        "operation": operation,
        "source": part,
        "message": message,
    }
    # A supervisor that ends because it cannot tell of a death helps nobody; its log has it too.
    with contextlib.suppress(OSError, HauberkError):
        Inbox(home, WRITER).append([record])
