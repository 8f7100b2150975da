"""Records of Hauberk's own doings: flat JSON objects, and the columns that they become.

What happens to models and to sources, and what people do, is an event in the same lake as all
else. A record is one JSON object with flat names, which are what Sigma rules read (`product:
hauberk`, `service: models`, `sources` or `console`); it becomes an Application Lifecycle event
(OCSF 6002), of models with the `ai_model` of OCSF's `ai_operation` profile.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from .schema import EventClass, Status
from .time import from_iso

OWN_PRODUCT, OWN_SERVICE, OWN_FORMAT, OWN_FORMAT_VERSION = "hauberk", "models", "hauberk", "1"
SOURCES_SERVICE = "sources"
"""The log of what Hauberk has to say of its sources."""

CONSOLE_SERVICE = "console"
"""The log of what people do: verdicts, comments, sign-ins, changes of roles."""

SYSTEM_SERVICE = "system"
"""The log of what becomes of the parts of a running system: `stop` (one died), `restart`."""

OWN_CLASS = EventClass.APPLICATION_LIFECYCLE

_FRAME = frozenset({"type", "act", "by", "at", "previous"})
_FAILED = frozenset({"locked-out", "session-copied", "sign-on-refused"})
_SAID = 200
"""Characters of what an act says that stand beside it."""

_ACTIVITIES = {
    "register": 1,
    "promote": 6,
    "load": 3,
    "retire": 2,
    "revoke": 2,
    "rollback": 7,
    "stop": 4,
    "restart": 5,
    "adopt": 8,
}
"""OCSF activities of class 6002: install, remove, start, stop, restart, enable, disable, update."""

_TEXTS = {
    "message": "message",
    "device.hostname": "source",
    "metadata.event_code": "operation",
    "actor.user.name": "actor",
    "api.operation": "operation",
    "ai_model.name": "model",
    "ai_model.version": "version",
    "ai_model.uid": "digest",
    "model.task": "task",
    "model.before": "before",
    "model.after": "after",
    "model.check": "check",
    "model.metric": "metric",
}


def own_service(record: Mapping[str, object]) -> str:
    """The log that a record stands in."""
    log = record.get("log")
    return str(log) if log in (SOURCES_SERVICE, CONSOLE_SERVICE, SYSTEM_SERVICE) else OWN_SERVICE


def act_record(entry: Mapping[str, object]) -> dict[str, object]:
    """The record of an act (`type`, `act`, `by`, `at` and what it says), with the act itself in it.

    What the act says stands beside it under flat names, for rules, cut to what they need.
    """
    kind = str(entry.get("type", "")).partition(".")[2]
    said = {
        name: str(value)[:_SAID]
        for name, value in entry.items()
        if name not in _FRAME and isinstance(value, str | int | float)
    }
    about = f" on incident {said['incident']}" if said.get("incident") else ""
    return {
        **said,
        "class_uid": int(OWN_CLASS),
        "product": OWN_PRODUCT,
        "log": CONSOLE_SERVICE,
        "time": str(entry.get("at", "")),
        "operation": kind,
        "actor": str(entry.get("by", "")),
        "status": "failure" if kind in _FAILED else "success",
        "message": f"{entry.get('by') or 'nobody signed in'}: {kind}{about}",
        "entry": dict(entry),
    }


def own_columns(records: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Columns of class 6002 from records; one row a record. Wrongly typed values become null."""

    def text(name: str) -> pl.Series:
        values = [one.get(name) for one in records]
        kept = [value if isinstance(value, str) else None for value in values]
        return pl.Series(kept, dtype=pl.String)

    def number(name: str, dtype: pl.DataType) -> pl.Series:
        kept = [
            float(value) if isinstance(value, int | float) and abs(value) < 2**53 else None
            for value in (one.get(name) for one in records)
        ]
        return pl.Series(kept, dtype=pl.Float64).cast(dtype, strict=False)

    services = [own_service(one) for one in records]
    succeeded = [one.get("status") == "success" for one in records]
    activities = [_ACTIVITIES.get(str(one.get("operation")), 99) for one in records]
    statuses = [int(Status.SUCCESS if ok else Status.FAILURE) for ok in succeeded]
    return pl.DataFrame(
        {
            "time": from_iso(text("time")),
            "activity_id": pl.Series(activities, dtype=pl.Int32),
            "severity_id": pl.Series([1 if ok else 3 for ok in succeeded], dtype=pl.Int32),
            "status_id": pl.Series(statuses, dtype=pl.Int32),
            **{column: text(name) for column, name in _TEXTS.items()},
            "model.value": number("value", pl.Float64()),
            "model.bound": number("bound", pl.Float64()),
            "model.samples": number("samples", pl.Int64()),
        }
    ).with_columns(
        pl.lit(OWN_PRODUCT).alias("metadata.product.name"),
        pl.Series("metadata.log_name", services, dtype=pl.String),
        ("hauberk." + pl.Series("app.name", services, dtype=pl.String)).alias("app.name"),
    )
