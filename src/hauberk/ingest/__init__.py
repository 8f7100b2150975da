"""Floor 2: records in, events out, every record accounted for."""

from .interface import (
    MAX_RECORD,
    Format,
    Framing,
    Parsed,
    ParsedGroup,
    RecordBatch,
    Reject,
)

__all__ = [
    "MAX_RECORD",
    "Format",
    "Framing",
    "Parsed",
    "ParsedGroup",
    "RecordBatch",
    "Reject",
]
