"""Mail: RFC 5322 messages as files of their own (.eml, .txt) and mbox files of many.

One message is one event. Its text and attachments stay in the record itself; columns hold who
wrote to whom, what the receiving server found, links, and attachments by name and digest.

Source: RFC 5322, RFC 4155 (mbox); the bounds are those of `mail_parts`.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import PurePath

import numpy as np
import polars as pl

from hauberk.events import EARLIEST, LATEST, TIME, EventClass, EventGroup, LogKey, column_type
from hauberk.ingest.interface import Framing, Parsed, ParsedGroup, RecordBatch, Reject

from .json_fields import JsonFields
from .mail_parts import (
    MAX_ADDRESSES,
    Contents,
    addresses,
    authentication,
    contents,
    head_and_body,
    printable,
    value,
)

MAX_MESSAGE = 16 << 20
"""Bytes of a message that are read and kept; what lies behind them is in its digest alone."""

MAX_MESSAGES = 200_000
"""Messages of one mbox file; the rest is one rejected record."""

_FROM_LINE = re.compile(rb"From [^\r\n]{1,300}\d\d:\d\d[^\r\n]{0,100}\r?\n")
_NEXT = re.compile(rb"\n\r?\n(?=From [^\r\n]{1,300}\d\d:\d\d[^\r\n]{0,100}\r?\n)")
_FIELD = re.compile(rb"([!-9;-~]{1,76}):")
_KNOWN = frozenset(
    b"""received return-path delivered-to from to cc subject date message-id mime-version sender
    content-type content-transfer-encoding reply-to x-mailer in-reply-to references list-id bcc
    authentication-results dkim-signature x-originating-ip errors-to precedence""".split()
)
_OF_MAIL = (b"from", b"return-path", b"received", b"delivered-to")
_UNDATED = datetime(2000, 1, 1, tzinfo=UTC)
_KEY = LogKey("mail", "message")
_RECEIVE = 2
_BOM = b"\xef\xbb\xbf"

Row = dict[str, object]


class Mail:
    """Messages in files of their own and in mbox files."""

    name = "mail"
    version = "1"
    framing = Framing.WHOLE

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By header lines that messages have, from the first line on."""
        text = head.removeprefix(_BOM)
        line = _FROM_LINE.match(text)
        names = _field_names(text[line.end() :] if line else text)
        if len(names & _KNOWN) < 3 or not names.intersection(_OF_MAIL):
            return 0.0
        return 0.96 if line else 0.9

    def parse(self, records: RecordBatch) -> Parsed:
        """One event a message."""
        data = records.data
        bounds = message_bounds(data)
        rejects: list[Reject] = []
        if len(bounds) > MAX_MESSAGES:
            start = bounds[MAX_MESSAGES][0]
            reason = f"more than {MAX_MESSAGES:,} messages in one file; the rest was not read"
            rejects.append(Reject(start, len(data) - start, reason))
            bounds = [*bounds[:MAX_MESSAGES], (start, len(data))]
        events: list[Row] = []
        fields: list[Row] = []
        numbers: list[int] = []
        raw: list[bytes] = []
        for number, (start, end) in enumerate(bounds):
            message = data[start : min(end, start + MAX_MESSAGE)]
            raw.append(message)
            if number >= MAX_MESSAGES:
                continue
            made = _event(message, end - start, records.modified)
            if made is None:
                reason = "no message: it begins with no header; expected `Name: value`"
                rejects.append(Reject(start, end - start, reason))
                continue
            events.append(made[0])
            fields.append(made[1])
            numbers.append(number)
        offsets = np.array([start for start, _ in bounds], dtype=np.int64) + records.offset
        lengths = np.array([end - start for start, end in bounds], dtype=np.int64)
        groups = []
        if events:
            group = EventGroup(_KEY, EventClass.EMAIL_ACTIVITY, _frame(events), JsonFields(fields))
            groups = [ParsedGroup(group, np.array(numbers, dtype=np.int64))]
        return Parsed(groups, offsets, lengths, rejects=rejects, raw=raw)


def message_bounds(data: bytes) -> list[tuple[int, int]]:
    """Where each message begins and ends: one, or those of an mbox with their `From ` lines."""
    if not data.strip():
        return []
    if not _FROM_LINE.match(data):
        return [(len(_BOM) if data.startswith(_BOM) else 0, len(data))]
    begins = [0]
    ends = []
    for found in _NEXT.finditer(data):
        ends.append(found.start() + 1)
        begins.append(found.end())
        if len(begins) > MAX_MESSAGES + 1:
            break
    return list(zip(begins, [*ends, len(data)], strict=True))


def _field_names(text: bytes) -> set[bytes]:
    """Names of the header lines that a text begins with, lower case; none where it has another."""
    names: set[bytes] = set()
    for line in text[: 16 << 10].split(b"\n")[:60]:
        if not line.strip():
            break
        if line[:1] in b" \t" and names:
            continue
        found = _FIELD.match(line)
        if found is None:
            return names if len(names) >= 5 else set()
        names.add(found[1].lower())
    return names


def _event(message: bytes, size: int, modified: datetime | None) -> tuple[Row, Row] | None:
    """Columns and fields of one message, None where it has no header."""
    line = _FROM_LINE.match(message)
    headers, body = head_and_body(message[line.end() :] if line else message)
    if not headers.keys():
        return None
    found = contents(headers, body)
    checks = authentication(headers)
    sender = addresses(headers, "from", "sender")[:1]
    recipients = addresses(headers, "to", "cc", "delivered-to")
    event: Row = {
        "time": _time(headers, message[: line.end()] if line else b"", modified),
        "email.from": (*sender, None)[0],
        "email.to": recipients[:MAX_ADDRESSES],
        "email.to_count": len(recipients),
        "email.subject": value(headers, "subject") or None,
        "email.message_uid": value(headers, "message-id") or None,
        "email.reply_to": (*addresses(headers, "reply-to")[:1], None)[0],
        "email.return_path": (*addresses(headers, "return-path")[:1], None)[0],
        "email.size": size,
        "email.urls": found.urls,
        "email.files": found.files,
        "email.file_hashes": found.hashes,
        **{f"email_auth.{name}": checks.get(name) for name in ("spf", "dkim", "dmarc")},
    }
    return event, _fields(headers, event, found)


def _fields(headers: Message, event: Row, found: Contents) -> Row:
    """What rules see: headers as they were written, and the parts that can be read."""
    own: Row = {
        "from_address": event["email.from"],
        "to_address": event["email.to"],
        "url": found.urls,
        "attachment": found.files,
        "attachment_sha256": found.hashes,
        "body": found.body,
        "parts": found.parts,
        **{name: event[f"email_auth.{name}"] for name in ("spf", "dkim", "dmarc")},
    }
    for name in list(dict.fromkeys(str(one).lower() for one in headers.keys()))[:100]:  # noqa: SIM118
        own.setdefault(printable(name.replace("-", "_"))[:76], value(headers, name))
    return own


def _frame(events: Sequence[Row]) -> pl.DataFrame:
    schema = {name: column_type(name) for name in events[0] if name != "time"}
    return pl.DataFrame(events, schema={"time": TIME, **schema}, orient="row").with_columns(
        pl.lit(_RECEIVE, pl.Int32).alias("activity_id"),
        pl.lit("mail").alias("metadata.product.name"),
        pl.lit("message").alias("metadata.log_name"),
    )


def _time(headers: Message, line: bytes, modified: datetime | None) -> datetime:
    """When it came, by who can be believed most.

    The topmost `Received` (the receiving server's own), the mbox line, what the sender says, the
    file's time stamp; 2000 where nothing tells.
    """
    received = str(headers.get("received", ""))[:4096].rpartition(";")[2]
    said = line.decode("latin-1").split(" ", 2)
    mbox = said[2] if len(said) == 3 else ""
    for text in (received, mbox, str(headers.get("date", ""))):
        found = _date(text.strip()[:100])
        if found is not None:
            return found
    return modified if modified is not None and EARLIEST <= modified <= LATEST else _UNDATED


def _date(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = parsedate_to_datetime(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return found if EARLIEST <= found <= LATEST else None
