"""Of which format a body is that came over the network."""

from collections.abc import Sequence

from hauberk.ingest.formats.received import Received
from hauberk.ingest.interface import Framing
from hauberk.ingest.known_formats import installed_formats, why_unrecognised

_HEAD = 64 << 10
_SURE_ENOUGH = 0.2
_LINES = 64


def format_of(lines: Sequence[bytes]) -> str | None:
    """The format made of lines that is surest of a body; None where none is."""
    head = _start(lines) + b"\n"
    best, surest = None, _SURE_ENOUGH
    for name, known in sorted(installed_formats().items()):
        if name == Received.name or known.framing is not Framing.LINES:
            continue  # no sender writes spool files
        if (sure := known.sniff(head, None)) > surest:
            best, surest = name, sure
    return best


def why_strange(lines: Sequence[bytes]) -> str:
    """What lines look like that no format knows."""
    return why_unrecognised(_start(lines))


def _start(lines: Sequence[bytes]) -> bytes:
    return b"\n".join(lines[:_LINES])[:_HEAD]
