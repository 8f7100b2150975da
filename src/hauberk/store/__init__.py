"""Floor 1: the home, which keeps the lake, the records and the ledger under one commit."""

from .commit import MAX_HEAD, BatchEntry, Commit, DeadLetter, StoredIncident
from .durable import is_disk_full
from .home import Home
from .lake import Lake, TimeSlice
from .ledger import Ledger
from .proven import Entry
from .records import Accounting, CommitInfo, KnownRange, Records, SourceAccount
from .settings import SETTINGS, Settings, Table, load_settings, read_settings
from .verification import Fault, FaultKind, VerifyReport
from .verify import verify
from .writer import Step

__all__ = [
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
    "KnownRange",
    "Lake",
    "Ledger",
    "Records",
    "Settings",
    "SourceAccount",
    "Step",
    "StoredIncident",
    "Table",
    "TimeSlice",
    "VerifyReport",
    "is_disk_full",
    "load_settings",
    "read_settings",
    "verify",
]
