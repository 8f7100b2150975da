"""What happens to models, as OCSF events in the lake, stored with the ledger entries of its cause.

The records and their columns are `hauberk.events.own_columns`'s.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from hauberk.events import (
    OWN_CLASS,
    OWN_FORMAT,
    OWN_FORMAT_VERSION,
    OWN_PRODUCT,
    OWN_SERVICE,
    own_columns,
)
from hauberk.governance import as_text
from hauberk.store import MAX_HEAD, BatchEntry, Commit, Home

from .reading import canonical

SOURCE = "hauberk:models"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One thing that happened to a model, or was tried and refused."""

    operation: str
    at: datetime
    succeeded: bool = True
    actor: str = ""
    model: str = ""
    version: str = ""
    digest: str = ""
    task: str = ""
    before: str = ""
    after: str = ""
    check: str = ""
    metric: str = ""
    value: float | None = None
    bound: float | None = None
    samples: int | None = None
    message: str = ""

    def record(self) -> dict[str, object]:
        """The record as it is kept: what is empty is left out."""
        said: dict[str, object] = {
            "class_uid": int(OWN_CLASS),
            "product": OWN_PRODUCT,
            "log": OWN_SERVICE,
            "time": as_text(self.at),
            "status": "success" if self.succeeded else "failure",
            "hour": self.at.astimezone(UTC).hour,
            "weekday": self.at.astimezone(UTC).strftime("%a").lower(),
        }
        for name in self.__slots__:
            value = getattr(self, name)
            if name not in ("at", "succeeded") and value not in ("", None):
                said[name] = value
        return said


def keep(
    home: Home, entries: Sequence[Mapping[str, object]], occurrences: Sequence[Occurrence]
) -> int:
    """Store ledger entries and the events that tell of them in one commit; its number.

    All of it is durable, or nothing (docs/decisions/0001-one-commit.md).
    """
    lines = [canonical(one.record()) + b"\n" for one in occurrences]
    data = b"".join(lines)
    digest = hashlib.sha256(data).hexdigest()
    # The same refusal may happen twice in a microsecond of a stopped clock; commits differ.
    number = home.records.last_commit() + 1
    batch = f"models-{number:010d}-{digest[:16]}"
    offsets = [sum(map(len, lines[:at])) for at in range(len(lines))]
    frame = own_columns([one.record() for one in occurrences]).with_columns(
        pl.Series("metadata.uid", [f"{batch}:{at}" for at in range(len(lines))], dtype=pl.String),
        pl.Series("raw_data", [line[:-1] for line in lines], dtype=pl.Binary),
        pl.Series("record.offset", offsets, dtype=pl.Int64),
        pl.Series("record.length", [len(line) - 1 for line in lines], dtype=pl.Int64),
        pl.lit(SOURCE).alias("record.source"),
        pl.lit(batch).alias("record.batch"),
        pl.lit(OWN_FORMAT).alias("record.format"),
    )
    if not lines:
        return home.commit(Commit(entries=tuple(entries)))
    entry = BatchEntry(
        batch_id=batch,
        source=SOURCE,
        start=0,
        length=len(data),
        sha256=digest,
        first_record=hashlib.sha256(lines[0][:-1]).hexdigest(),
        format=OWN_FORMAT,
        format_version=OWN_FORMAT_VERSION,
        records=len(lines),
        events=len(lines),
        head=data[:MAX_HEAD],
    )
    return home.commit(
        Commit(
            batches=(entry,),
            tables={OWN_CLASS: frame},
            entries=tuple(entries),
        )
    )
