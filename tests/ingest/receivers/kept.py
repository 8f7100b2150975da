"""Records that are sent to receivers, and what is kept of them."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from hauberk.ingest.formats.envelope import opened


def event(number: int) -> bytes:
    """A record of Suricata's."""
    return json.dumps({"timestamp": "2026-03-02T10:00:00.000000+0000", "flow_id": number,
                       "event_type": "dns", "src_ip": "10.0.0.1", "dest_ip": "10.0.0.2",
                       "proto": "UDP"}).encode()  # fmt: skip


def lines(home: Path) -> list[tuple[str, bytes]]:
    """How each record in the spool came, and the record."""
    found = []
    for path in sorted((home / "spool").rglob("*.log")):
        for line in path.read_bytes().split(b"\n")[1:]:
            one = opened(line)
            if one is not None:
                found.append((one.transport.decode(), one.sent))
    return found


def kept(home: Path) -> list[bytes]:
    """The records in the spool."""
    return [record for _, record in lines(home)]


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for what must come to pass."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)
