"""Network sources: what they send is spooled in the home, and followed there like any file."""

from .bus import probe
from .bus_settings import Kafka, Nats
from .counting import Received
from .extras import missing_extra
from .keeping import (
    KEEPER,
    LISTEN,
    MAX_HANDED,
    MAX_NAMES,
    Keeper,
    Said,
    allow_connections,
    handed,
)
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
    sources_of,
)
from .spool import sweep
from .tokens import Tokens

__all__ = [
    "KEEPER",
    "LISTEN",
    "MAX_HANDED",
    "MAX_NAMES",
    "RESERVED",
    "SPOOL",
    "Contract",
    "Kafka",
    "Keeper",
    "Kind",
    "Nats",
    "Received",
    "Receiving",
    "Said",
    "Source",
    "Sources",
    "Tls",
    "Tokens",
    "Transport",
    "allow_connections",
    "handed",
    "missing_extra",
    "probe",
    "read_sources",
    "sources_of",
    "sweep",
]
