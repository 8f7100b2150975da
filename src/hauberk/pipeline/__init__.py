"""Floor 6: what runs a scan, a hunt, a replay and a verification."""

from .acts import Acts, leave, take_waiting
from .explaining import Explained, explain_event, explain_file, find_rule
from .groupings import GROUPED, groupings_of, holder, ranked_groupings
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
from .labels import (
    LABEL_SCHEMA,
    QUESTION_RATE,
    AnalystQuality,
    LabelQuality,
    Proposal,
    gold_question,
    label_quality,
    labels_of,
    mark_gold,
    proposals_of,
)
from .live import WatchOptions, watch
from .lookup import FindingView, IncidentView, look_up
from .own import judge_own
from .replay import Compared, Replay, replay
from .retaining import kept_of, policy_of, retain
from .rule_folders import RuleUpdate, known_rules, update_rules
from .rule_record import RuleRecord, rule_records
from .scan import scan
from .signing import REFUSED as STATEMENT_REFUSED
from .signing import STATEMENT
from .suppressing import Trial, draft, lift, list_suppressions, suppress, tried
from .surrounding import ALERTS_SCHEMA, MAX_ALERTS, alerts_around, each_around
from .telling import Listener, Pace
from .verdicts import verdicts_of

__all__ = [
    "ALERTS_SCHEMA",
    "GROUPED",
    "LABEL_SCHEMA",
    "MAX_ALERTS",
    "QUESTION_RATE",
    "STATEMENT",
    "STATEMENT_REFUSED",
    "Accounting",
    "Acts",
    "AnalystQuality",
    "Compared",
    "Explained",
    "FindingView",
    "FormatAccount",
    "Hunt",
    "IncidentView",
    "LabelQuality",
    "Listener",
    "Pace",
    "Progress",
    "Proposal",
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
    "alerts_around",
    "draft",
    "each_around",
    "explain_event",
    "explain_file",
    "find_rule",
    "gold_question",
    "groupings_of",
    "holder",
    "hunt",
    "judge_own",
    "kept_of",
    "known_rules",
    "label_quality",
    "labels_of",
    "leave",
    "lift",
    "list_suppressions",
    "load_incident",
    "look_up",
    "mark_gold",
    "policy_of",
    "proposals_of",
    "ranked_groupings",
    "replay",
    "retain",
    "rule_records",
    "scan",
    "stored_incident",
    "suppress",
    "take_waiting",
    "tried",
    "update_rules",
    "verdicts_of",
    "watch",
]
