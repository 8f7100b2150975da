"""Floor 3: records in, events out, every record accounted for."""

from .interface import (
    MAX_RECORD,
    Format,
    Framing,
    Parsed,
    ParsedGroup,
    RecordBatch,
    Reject,
)
from .known_formats import format_named, installed_formats, recognise, why_unrecognised
from .sources import (
    Batch,
    Follower,
    Input,
    Known,
    Limits,
    Oversize,
    Skipped,
    Unreadable,
    find_inputs,
    read_ahead,
    read_batches,
)
from .stamp import DEAD_LETTER_SCHEMA, dead_letters, parse_again, stamp

__all__ = [
    "DEAD_LETTER_SCHEMA",
    "MAX_RECORD",
    "Batch",
    "Follower",
    "Format",
    "Framing",
    "Input",
    "Known",
    "Limits",
    "Oversize",
    "Parsed",
    "ParsedGroup",
    "RecordBatch",
    "Reject",
    "Skipped",
    "Unreadable",
    "dead_letters",
    "find_inputs",
    "format_named",
    "installed_formats",
    "parse_again",
    "read_ahead",
    "read_batches",
    "recognise",
    "stamp",
    "why_unrecognised",
]
