r"""What a receiver writes around a record: when it came, how, and from whom.

A spool file begins with a line that names the format of the records in it. Every further line is
one record as it was sent, behind its envelope:

    #hauberk-received 1 syslog 5f1c0e5d2a9b4c37
    2026-03-02T10:01:00.123456Z tcp 10.1.2.3 - <34>Mar  2 10:01:00 ws07 sshd[311]: ...

The fourth word is `e` where the record held line ends, which stand as `\n` and `\r` then, and `\`
as `\\`. Nothing else of a record is changed, so that its bytes can be had back.
"""

import re
from datetime import UTC, datetime
from typing import NamedTuple

MARK = b"#hauberk-received 1 "
AS_IT_CAME, ESCAPED = b"-", b"e"

_NAME = re.compile(rb"[a-z0-9-]{1,64}\Z")
_ESCAPES = {b"\\": b"\\\\", b"\n": b"\\n", b"\r": b"\\r"}
_MEANT = {escaped: plain for plain, escaped in _ESCAPES.items()}


class Enveloped(NamedTuple):
    """One record of a spool: its bytes as they stand in the line, and what its envelope says.

    A tuple, for one is made of every record: a frozen dataclass takes three times as long.
    """

    received: bytes  # ISO 8601, UTC
    transport: bytes
    sender: bytes
    escaped: bool
    record: bytes

    @property
    def sent(self) -> bytes:
        """The record as it was sent."""
        if not self.escaped:
            return self.record
        return re.sub(rb"\\[\\nr]", lambda found: _MEANT[found[0]], self.record)


def header(format_name: str, unique: str) -> bytes:
    """The first line of a spool file; `unique` tells apart files that are alike."""
    return b"%s%s %s\n" % (MARK, format_name.encode(), unique.encode())


def format_of(head: bytes) -> str | None:
    """The format of the records in a spool file, from its first line; None where it is none."""
    if not head.startswith(MARK):
        return None
    words = head[len(MARK) : len(MARK) + 256].split(b"\n", 1)[0].split(b" ")
    return words[0].decode() if _NAME.match(words[0]) else None


def envelope(transport: str, sender: str, now: datetime) -> bytes:
    """What stands before records that came at one time from one sender, up to the fourth word."""
    moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    named = sender.replace(" ", "_") or "-"
    return f"{moment} {transport} {named} ".encode("ascii", "replace")


def enclose(before: bytes, record: bytes) -> bytes:
    """A record as a line of a spool, with its end."""
    if b"\n" in record or b"\r" in record:
        escaped = re.sub(rb"[\\\r\n]", lambda found: _ESCAPES[found[0]], record)
        return b"%s%s %s\n" % (before, ESCAPED, escaped)
    return b"%s%s %s\n" % (before, AS_IT_CAME, record)


def opened(line: bytes) -> Enveloped | None:
    """A line of a spool taken apart; None where it has no envelope."""
    words = line.split(b" ", 4)
    if len(words) != 5 or words[3] not in (AS_IT_CAME, ESCAPED):
        return None
    return Enveloped(words[0], words[1], words[2], words[3] == ESCAPED, words[4])
