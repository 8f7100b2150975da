"""Network sources: what they send is spooled in the home, and followed there like any file."""

from .counting import Received
from .receiving import SPOOL, Receiving
from .sources_file import (
    RESERVED,
    Contract,
    Kind,
    Source,
    Sources,
    Tls,
    Transport,
    read_sources,
)
from .spool import sweep
from .tokens import Tokens

__all__ = [
    "RESERVED",
    "SPOOL",
    "Contract",
    "Kind",
    "Received",
    "Receiving",
    "Source",
    "Sources",
    "Tls",
    "Tokens",
    "Transport",
    "read_sources",
    "sweep",
]
