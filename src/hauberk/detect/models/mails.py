"""Mails that read like phishing, by the models that may judge mails here.

A mail is judged as it is parsed, from its own bytes and by the reader that training used, so that
its text has to be kept in no column. It is about whoever received it: the canary is told by them.
"""

import re
from itertools import islice

import polars as pl

from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import (
    EntityKind,
    EventBatch,
    EventClass,
    FindingKind,
    entity,
    no_findings,
)
from hauberk.models import Mail, read_mail

from .counting import left
from .panel import Panel, Verdicts, parsed_rows
from .saying import LONGEST, Row, Word, findings_of, reason, said

NAME = "model-mail"
COLUMNS = (
    "time", "metadata.uid", "email.from", "email.to", "email.subject", "email.urls",
    "email.files", "raw_data",
)  # fmt: skip
NESTED = 16
"""Boundaries in a mail's beginning beyond which it is nested to hurt its reader."""

_READ, _NARROW = 1 << 20, 64 << 10
_BOUNDARY = re.compile(rb"boundary[\s*0-9]{0,20}=", re.IGNORECASE)
_LINK_HOSTS = 5
_HOST = r"^[a-zA-Z]{2,6}://(?:[^/?#@]*@)?([^/?#:@]+)"


class MailModels:
    """Judges each mail once."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.spec = DetectorSpec(
            name=NAME,
            version=panel.version,
            kind=FindingKind.MODEL,
            title="Mails that read like phishing",
            reads_fields=True,
        )

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of this batch, and the tables that are left with it."""
        if EventClass.EMAIL_ACTIVITY not in batch.tables:
            return no_findings(), state
        rows = parsed_rows(batch, EventClass.EMAIL_ACTIVITY, COLUMNS).drop_nulls("time")
        records = [readable(raw) for raw in rows["raw_data"]]
        entities = rows.select(
            pl.coalesce(pl.col("email.to").list.first(), "email.from", "metadata.uid")
        )["email.to"]
        days = rows["time"].dt.date()
        told, tallies, inputs, queries = [], [], [], []
        for verdicts in self.panel.judge(records, entities):
            own = days.gather(verdicts.rows)
            tallies.append(verdicts.counted(own))
            inputs.append(verdicts.inputs(own))
            queries.append(verdicts.queries(own, rows["email.from"].gather(verdicts.rows)))
            told += findings_of(NAME, verdicts, rows, _word)
        return left(self.panel, said(told), tallies, inputs, queries)


def readable(raw: bytes | None) -> Mail | None:
    """A mail as training reads it, at a bounded cost.

    The reader's time grows with lines times nesting: of a mail that is nested beyond what persons
    send, only the beginning is read.
    """
    if raw is None:
        return None
    nested = sum(1 for _ in islice(_BOUNDARY.finditer(raw[:_READ]), NESTED + 1)) > NESTED
    return read_mail(raw[:_NARROW] if nested else raw)


def _word(verdicts: Verdicts, at: int, row: Row, explained: bool) -> Word:
    sender, subject = row["email.from"], str(row["email.subject"] or "")[:80]
    to, urls, files = (_texts(row[name]) for name in ("email.to", "email.urls", "email.files"))
    others = f" and {len(to) - 1} others" if len(to) > 1 else ""
    for_whom = f" to {to[0]}{others}" if to else ""
    message = f"A mail from {sender or 'nobody'}{for_whom} reads like phishing: {subject!r}."
    hosts = pl.Series(urls, dtype=pl.String).str.extract(_HOST).drop_nulls().unique().sort()
    techniques = ["T1566"]
    techniques += ["T1566.002"] if urls else []
    techniques += ["T1566.001"] if files else []
    time, uid = row["time"], str(row["metadata.uid"])
    return Word(
        title="Mail that reads like phishing",
        message=message[: 2 * LONGEST],
        techniques=techniques,
        entities=[
            entity(EntityKind.MAILBOX, to[0] if to else None),
            entity(EntityKind.MAILBOX, str(sender) if sender else None),
            *(entity(EntityKind.DOMAIN, host) for host in hosts.head(_LINK_HOSTS)),
        ],
        evidence=[uid],
        since=time,  # type: ignore[arg-type]  # rows without a time were left out
        until=time,  # type: ignore[arg-type]
        count=1,
        p=float(verdicts.p_values[at]),
        name=uid,
        reasons=[reason(part) for part in verdicts.why(at)] if explained else (),
    )


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
