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
from .settings import SETTINGS, Settings, Table, load_settings, read_settings
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
    "KnownRange",
    "Lake",
    "Ledger",
    "Patience",
    "Place",
    "Records",
    "Schema",
    "Settings",
    "SourceAccount",
    "Step",
    "StoredIncident",
    "Table",
    "TimeSlice",
    "VerifyReport",
    "Waiting",
    "is_disk_full",
    "load_settings",
    "read_settings",
    "schema_of",
    "verify",
]
