"""Floor 1: the home, which keeps the lake, the records and the ledger under one commit."""

from .commit import MAX_HEAD, BatchEntry, Commit, DeadLetter, StoredIncident
from .durable import is_disk_full
from .home import Home
from .inbox import INBOX, Inbox, InboxReader, Place, Waiting
from .lake import Lake, TimeSlice
from .ledger import Ledger
from .postgresql import Patience, Schema, schema_of
from .proven import Entry
from .records import Accounting, CommitInfo, KnownRange, Records, SourceAccount
from .retention import Kept, Leaving, Policy, Retained, cutoff, read_policy
from .settings import SETTINGS, Settings, Table, load_settings, read_settings
from .snapshot import committed_files, copy_database
from .verification import Fault, FaultKind, VerifyReport
from .verify import verify
from .writer import Step

__all__ = [
    "INBOX",
    "MAX_HEAD",
    "SETTINGS",
    "Accounting",
    "BatchEntry",
    "Commit",
    "CommitInfo",
    "DeadLetter",
    "Entry",
    "Fault",
    "FaultKind",
    "Home",
    "Inbox",
    "InboxReader",
    "Kept",
    "KnownRange",
    "Lake",
    "Leaving",
    "Ledger",
    "Patience",
    "Place",
    "Policy",
    "Records",
    "Retained",
    "Schema",
    "Settings",
    "SourceAccount",
    "Step",
    "StoredIncident",
    "Table",
    "TimeSlice",
    "VerifyReport",
    "Waiting",
    "committed_files",
    "copy_database",
    "cutoff",
    "is_disk_full",
    "load_settings",
    "read_policy",
    "read_settings",
    "schema_of",
    "verify",
]
