"""Floor 6: what runs a scan, a hunt, a replay and a verification."""

from .acts import Acts, leave, take_waiting
from .explaining import Explained, explain_event, explain_file, find_rule
from .hunting import Hunt, hunt
from .incidents import load_incident, stored_incident
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
from .live import Listener, Pace, WatchOptions, watch
from .lookup import FindingView, IncidentView, look_up
from .own import judge_own
from .replay import Compared, Replay, replay
from .rule_folders import RuleUpdate, known_rules, update_rules
from .rule_record import RuleRecord, rule_records
from .scan import scan
from .suppressing import Trial, draft, lift, list_suppressions, suppress, tried

__all__ = [
    "Accounting",
    "Acts",
    "Compared",
    "Explained",
    "FindingView",
    "FormatAccount",
    "Hunt",
    "IncidentView",
    "Listener",
    "Pace",
    "Progress",
    "RefusedRule",
    "Replay",
    "RuleRecord",
    "RuleUpdate",
    "Scan",
    "ScanOptions",
    "Silent",
    "Trial",
    "Unread",
    "WatchOptions",
    "draft",
    "explain_event",
    "explain_file",
    "find_rule",
    "hunt",
    "judge_own",
    "known_rules",
    "leave",
    "lift",
    "list_suppressions",
    "load_incident",
    "look_up",
    "replay",
    "rule_records",
    "scan",
    "stored_incident",
    "suppress",
    "take_waiting",
    "tried",
    "update_rules",
    "watch",
]
