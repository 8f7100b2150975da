"""Floor 5: what runs a scan, a replay and a verification."""

from .interface import (
    Accounting,
    FormatAccount,
    Progress,
    RefusedRule,
    Scan,
    ScanOptions,
    Silent,
    Unread,
)
from .lookup import FindingView, IncidentView, look_up
from .replay import Compared, Replay, replay
from .scan import scan

__all__ = [
    "Accounting",
    "Compared",
    "FindingView",
    "FormatAccount",
    "IncidentView",
    "Progress",
    "RefusedRule",
    "Replay",
    "Scan",
    "ScanOptions",
    "Silent",
    "Unread",
    "look_up",
    "replay",
    "scan",
]
