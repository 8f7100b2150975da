"""What happens to models, as OCSF events in the lake, stored with the ledger entries of its cause.

A record is one JSON object with flat names, which are also what Sigma rules read (log source
`product: hauberk`, `service: models`); it becomes an Application Lifecycle event (6002) that
carries the attributes of OCSF's `ai_operation` profile.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from hauberk.events import EventClass, Status
from hauberk.governance import as_text
from hauberk.store import MAX_HEAD, BatchEntry, Commit, Home

from .reading import canonical

PRODUCT, SERVICE, FORMAT, FORMAT_VERSION = "hauberk", "models", "hauberk", "1"
SOURCE = "hauberk:models"

_ACTIVITIES = {
    "register": 1,
    "promote": 6,
    "load": 3,
    "retire": 2,
    "revoke": 2,
    "rollback": 7,
    "adopt": 8,
}
"""OCSF activities of class 6002: install, remove, start, stop, restart, enable, disable, update."""


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
            "class_uid": int(EventClass.APPLICATION_LIFECYCLE),
            "product": PRODUCT,
            "log": SERVICE,
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


def columns_of(records: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Columns of class 6002 from records as they are kept; one row a record."""

    def text(name: str) -> pl.Series:
        return pl.Series(
            name, [_text(one.get(name)) for one in records], dtype=pl.String, strict=False
        )

    def number(name: str, dtype: pl.DataType) -> pl.Series:
        values = [one.get(name) for one in records]
        kept = [v if isinstance(v, int | float) else None for v in values]
        return pl.Series(name, kept, dtype=dtype, strict=False)

    succeeded = [one.get("status") == "success" for one in records]
    frame = pl.DataFrame(
        {
            "time": text("time").str.to_datetime(
                time_unit="us", time_zone="UTC", format="%+", strict=False
            ),
            "activity_id": pl.Series(
                [_ACTIVITIES.get(str(one.get("operation")), 99) for one in records],
                dtype=pl.Int32,
            ),
            "severity_id": pl.Series([1 if ok else 3 for ok in succeeded], dtype=pl.Int32),
            "status_id": pl.Series(
                [int(Status.SUCCESS if ok else Status.FAILURE) for ok in succeeded], dtype=pl.Int32
            ),
            "message": text("message"),
            "metadata.event_code": text("operation"),
            "actor.user.name": text("actor"),
            "api.operation": text("operation"),
            "ai_model.name": text("model"),
            "ai_model.version": text("version"),
            "ai_model.uid": text("digest"),
            "model.task": text("task"),
            "model.before": text("before"),
            "model.after": text("after"),
            "model.check": text("check"),
            "model.metric": text("metric"),
            "model.value": number("value", pl.Float64()),
            "model.bound": number("bound", pl.Float64()),
            "model.samples": number("samples", pl.Int64()),
        }
    )
    return frame.with_columns(
        pl.lit(PRODUCT).alias("metadata.product.name"),
        pl.lit(SERVICE).alias("metadata.log_name"),
        pl.lit("hauberk.models").alias("app.name"),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


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
    frame = columns_of([one.record() for one in occurrences]).with_columns(
        pl.Series("metadata.uid", [f"{batch}:{at}" for at in range(len(lines))], dtype=pl.String),
        pl.Series("raw_data", [line[:-1] for line in lines], dtype=pl.Binary),
        pl.Series("record.offset", offsets, dtype=pl.Int64),
        pl.Series("record.length", [len(line) - 1 for line in lines], dtype=pl.Int64),
        pl.lit(SOURCE).alias("record.source"),
        pl.lit(batch).alias("record.batch"),
        pl.lit(FORMAT).alias("record.format"),
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
        format=FORMAT,
        format_version=FORMAT_VERSION,
        records=len(lines),
        events=len(lines),
        head=data[:MAX_HEAD],
    )
    return home.commit(
        Commit(
            batches=(entry,),
            tables={EventClass.APPLICATION_LIFECYCLE: frame},
            entries=tuple(entries),
        )
    )
