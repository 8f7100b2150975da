"""What is found, told elsewhere: to SIEMs, buses, files, chat and mail, and as STIX 2.1.

A process of its own reads the home by the numbers of its commits and sends what came after each
output's cursor. Kinds load when they are asked for: most need an extra.
"""

from .cursor import FOLDER
from .dead_letters import letters_path
from .interface import (
    Filter,
    Message,
    NotSentError,
    Output,
    OutputStatus,
    Refused,
    RefusedError,
    Sender,
    Subject,
)
from .kinds import KINDS, read_outputs, sender_of
from .messages import trial_message
from .running import run_outputs, statuses

__all__ = [
    "FOLDER",
    "KINDS",
    "Filter",
    "Message",
    "NotSentError",
    "Output",
    "OutputStatus",
    "Refused",
    "RefusedError",
    "Sender",
    "Subject",
    "letters_path",
    "read_outputs",
    "run_outputs",
    "sender_of",
    "statuses",
    "trial_message",
]
