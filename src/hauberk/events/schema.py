"""OCSF 1.8 event classes as typed columns, read from `columns.toml`.

One row of a table is one event. Every table of the lake and every frame on the event path has
columns from here and no others, so that a detector can name a column and know its type.

Source: Open Cybersecurity Schema Framework 1.8.0, https://schema.ocsf.io.
"""

import tomllib
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib import resources

import polars as pl

OCSF_VERSION = "1.8.0"

TIME = pl.Datetime("us", "UTC")

_TYPES: dict[str, pl.DataType] = {
    "string": pl.String(),
    "i32": pl.Int32(),
    "i64": pl.Int64(),
    "f64": pl.Float64(),
    "bool": pl.Boolean(),
    "time": TIME,
    "strings": pl.List(pl.String()),
    "bytes": pl.Binary(),
}


class EventClass(IntEnum):
    """OCSF class uids of the event classes that Hauberk stores, a table each."""

    BASE_EVENT = 0
    FILE_ACTIVITY = 1001
    MODULE_ACTIVITY = 1005
    SCHEDULED_JOB_ACTIVITY = 1006
    PROCESS_ACTIVITY = 1007
    EVENT_LOG_ACTIVITY = 1008
    SCRIPT_ACTIVITY = 1009
    DETECTION_FINDING = 2004
    INCIDENT_FINDING = 2005
    ACCOUNT_CHANGE = 3001
    AUTHENTICATION = 3002
    AUTHORIZE_SESSION = 3003
    GROUP_MANAGEMENT = 3006
    NETWORK_ACTIVITY = 4001
    HTTP_ACTIVITY = 4002
    DNS_ACTIVITY = 4003
    DHCP_ACTIVITY = 4004
    RDP_ACTIVITY = 4005
    SMB_ACTIVITY = 4006
    SSH_ACTIVITY = 4007
    EMAIL_ACTIVITY = 4009
    APPLICATION_LIFECYCLE = 6002
    API_ACTIVITY = 6003
    REGISTRY_KEY_ACTIVITY = 201001
    REGISTRY_VALUE_ACTIVITY = 201002
    WINDOWS_SERVICE_ACTIVITY = 201004

    @property
    def table(self) -> str:
        """Name of the class's table in the lake."""
        return self.name.lower()


class Status(IntEnum):
    """OCSF `status_id`."""

    UNKNOWN = 0
    SUCCESS = 1
    FAILURE = 2


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name, polars type, what it means, and the OCSF attribute it carries."""

    name: str
    type_name: str
    meaning: str
    ocsf: str

    @property
    def dtype(self) -> pl.DataType:
        """The column's polars type."""
        return _TYPES[self.type_name]


@dataclass(frozen=True, slots=True)
class ClassTable:
    """One event class: its uid, OCSF name and category, and its columns in order."""

    event_class: EventClass
    name: str
    category: str
    columns: tuple[Column, ...]


@cache
def class_tables() -> dict[EventClass, ClassTable]:
    """Every event class with its columns, in the order of `columns.toml`."""
    text = resources.files(__package__).joinpath("columns.toml").read_text("utf-8")
    facts = tomllib.loads(text)
    objects = {
        key: tuple(
            Column(name, spec[0], spec[1], spec[2] if len(spec) > 2 else name)
            for name, spec in columns.items()
        )
        for key, columns in facts["object"].items()
    }
    tables: dict[EventClass, ClassTable] = {}
    for key, spec in facts["class"].items():
        event_class = EventClass(spec["uid"])
        if event_class.table != key:
            raise ValueError(f"columns.toml: class {key} has the uid of {event_class.table}")
        columns: dict[str, Column] = {}
        for name in ("base", *spec["objects"]):
            columns.update((column.name, column) for column in objects[name])
        tables[event_class] = ClassTable(
            event_class, spec["name"], spec["category"], tuple(columns.values())
        )
    return tables


@cache
def schema(event_class: EventClass) -> pl.Schema:
    """Column names and polars types of one event class, in table order."""
    return pl.Schema({c.name: c.dtype for c in class_tables()[event_class].columns})


@cache
def column_type(name: str) -> pl.DataType:
    """The polars type of a column, whatever class it stands in.

    Raises KeyError for a name that no class has.
    """
    for table in class_tables().values():
        for column in table.columns:
            if column.name == name:
                return column.dtype
    raise KeyError(name)


def conform(frame: pl.DataFrame, event_class: EventClass) -> pl.DataFrame:
    """Give `frame` exactly the class's columns: missing ones null, order and types the table's.

    Raises ValueError for a column that the class does not have.
    """
    wanted = schema(event_class)
    unknown = [name for name in frame.columns if name not in wanted]
    if unknown:
        raise ValueError(f"{event_class.table} has no column {', '.join(unknown)}")
    have = frame.schema
    return frame.select(
        (pl.col(name) if have[name] == dtype else pl.col(name).cast(dtype, strict=False))
        if name in have
        else pl.lit(None, dtype).alias(name)
        for name, dtype in wanted.items()
    )
