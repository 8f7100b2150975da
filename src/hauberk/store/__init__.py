"""Floor 1: the home, which keeps the lake, the records and the ledger under one commit."""

from .commit import MAX_HEAD, BatchEntry, Commit, DeadLetter, StoredIncident
from .durable import is_disk_full
from .home import Home
from .lake import Lake, TimeSlice
from .ledger import Ledger
from .proven import Entry
from .records import Accounting, CommitInfo, KnownRange, Records, SourceAccount
from .verification import Fault, FaultKind, VerifyReport
from .verify import verify
from .writer import Step

__all__ = [
    "MAX_HEAD",
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
    "SourceAccount",
    "Step",
    "StoredIncident",
    "TimeSlice",
    "VerifyReport",
    "is_disk_full",
    "verify",
]
