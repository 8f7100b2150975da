"""Floor 5: what runs a scan, a hunt, a replay and a verification."""

from .explaining import Explained, explain_event, explain_file, find_rule
from .hunting import Hunt, hunt
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
from .rule_folders import RuleUpdate, known_rules, update_rules
from .rule_record import RuleRecord, rule_records
from .scan import scan

__all__ = [
    "Accounting",
    "Compared",
    "Explained",
    "FindingView",
    "FormatAccount",
    "Hunt",
    "IncidentView",
    "Progress",
    "RefusedRule",
    "Replay",
    "RuleRecord",
    "RuleUpdate",
    "Scan",
    "ScanOptions",
    "Silent",
    "Unread",
    "explain_event",
    "explain_file",
    "find_rule",
    "hunt",
    "known_rules",
    "look_up",
    "replay",
    "rule_records",
    "scan",
    "update_rules",
]
