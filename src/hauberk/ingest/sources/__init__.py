"""Inputs: files, folders and archives, cut into batches of whole records."""

from .ahead import read_ahead
from .batches import Batch, Known, Oversize, Skipped, read_batches
from .following import Follower
from .inputs import Input, Unreadable, find_inputs, label
from .limits import Limits

__all__ = [
    "Batch",
    "Follower",
    "Input",
    "Known",
    "Limits",
    "Oversize",
    "Skipped",
    "Unreadable",
    "find_inputs",
    "label",
    "read_ahead",
    "read_batches",
]
