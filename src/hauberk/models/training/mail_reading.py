"""Readers of mail: folders of messages, the tables that corpora are passed on as, JSON lines."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from hauberk.models.features.mail import Mail, cleaned, read_mail

from .reading import Read, Reader, lines, table

_LETTERS = re.compile(r"[^a-z]+")
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
SHORTEST = 20


def mail_folder(blobs: Sequence[bytes], options: Mapping[str, Any]) -> Iterator[Read]:  # noqa: ARG001
    """Each file is one message (RFC 5322)."""
    for blob in blobs:
        yield from _read(read_mail(blob), float("nan"))


def mail_table(blobs: Sequence[bytes], options: Mapping[str, Any]) -> Iterator[Read]:
    """CSV with sender, receiver, date, subject, body and label.

    `from_year` and `until_year` choose rows by their date; rows without a year are left out then.
    `label_from_data` takes the label from the table.
    """
    first, last = int(options.get("from_year", 0)), int(options.get("until_year", 9999))
    for row in table(blobs):
        found = _YEAR.search(row.get("date", ""))
        year = int(found[0]) if found else 0
        if (first or last < 9999) and not first <= year <= last:
            continue
        mail = Mail(
            row.get("subject", ""), row.get("body", ""), row.get("sender", ""),
            row.get("receiver", ""),
        )  # fmt: skip
        label = int(row.get("label", "") == "1") if options.get("label_from_data") else -1
        yield from _read(mail, _time(row.get("date", "")), label)


def mail_contexts(blobs: Sequence[bytes], options: Mapping[str, Any]) -> Iterator[Read]:  # noqa: ARG001
    """JSON lines whose `context` is `NAME: value|NAME: value`, as benchmarks of assistants have."""
    for line in lines(blobs):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        context = found.get("context") if isinstance(found, dict) else None
        if not isinstance(context, str):
            continue
        parts = dict(part.split(":", 1) for part in context.split("|") if ":" in part)
        text = parts.get("CONTENT", context)
        yield from _read(
            Mail(parts.get("SUBJECT", ""), text, parts.get("EMAIL_FROM", "")), float("nan")
        )


def _read(mail: Mail, time: float, label: int = -1) -> Iterator[Read]:
    subject, text = cleaned(mail)
    letters = _LETTERS.sub("", subject + text)[:400]
    if len(letters) >= SHORTEST:
        thread = _LETTERS.sub("", subject)
        group = f"thread:{thread}" if len(thread) >= 6 else f"mail:{letters}"
        yield Read(mail, group, f"mail:{letters}", time, label)


def _time(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return float("nan")


MAIL_READERS: dict[str, Reader] = {
    "mail-folder": mail_folder,
    "mail-table": mail_table,
    "mail-contexts": mail_contexts,
}
