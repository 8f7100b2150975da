"""Floor 1: the home, which keeps the lake, the records and the ledger under one commit."""

from .accounts import Accounting, CommitInfo, KnownRange, SourceAccount
from .administering import DatabaseStatus, records_status, status_of, upgrade_records
from .commit import MAX_HEAD, BatchEntry, Commit, DeadLetter, StoredIncident
from .durable import is_disk_full
from .home import Home
from .inbox import INBOX, Inbox, InboxReader, Place, Waiting
from .lake import Lake, TimeSlice
from .lake_places import Places
from .ledger import Ledger
from .moving import RECORDS, Moved, Part, move_home
from .postgresql import Patience, Schema, schema_of
from .proven import Entry
from .records import Records
from .retention import Kept, Leaving, Policy, Retained, cutoff, read_policy
from .settings import SETTINGS, Settings, Table, load_settings, read_settings
from .snapshot import committed_files, copy_database
from .verification import Fault, FaultKind, VerifyReport
from .verify import verify
from .writer import Step

__all__ = [
    "INBOX",
    "MAX_HEAD",
    "RECORDS",
    "SETTINGS",
    "Accounting",
    "BatchEntry",
    "Commit",
    "CommitInfo",
    "DatabaseStatus",
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
    "Moved",
    "Part",
    "Patience",
    "Place",
    "Places",
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
    "move_home",
    "read_policy",
    "read_settings",
    "records_status",
    "schema_of",
    "status_of",
    "upgrade_records",
    "verify",
]
