"""Zeek's logs as OCSF events, by the facts in `zeek.toml`."""

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

import polars as pl

from hauberk.events import EventClass, Status, from_epoch_seconds, schema

_LOG_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")

UNKNOWN_LOG = "unknown"
"""Log name of records that do not say what log they are of, and do not show it."""

_KINDS: dict[str, pl.DataType] = {
    "count": pl.Int64(), "int": pl.Int64(), "port": pl.Int64(),
    "time": pl.Float64(), "interval": pl.Float64(), "double": pl.Float64(),
    "bool": pl.Boolean(),
}  # fmt: skip

# Zeek's conn_state by what it says of the attempt: answered and set up, or not.
_ESTABLISHED = ["SF", "S1", "S2", "S3", "RSTO", "RSTR"]
_NOT_ESTABLISHED = ["S0", "REJ", "SH", "SHR", "RSTOS0", "RSTRH"]

_CONSTANTS: dict[str, str | int] = {
    "tcp": "tcp", "udp": "udp", "ssl": "ssl", "ssh": "ssh", "smb": "smb", "rdp": "rdp",
    "smtp": "smtp", "dhcp": "dhcp", "dce_rpc": "dce_rpc",
    "Kerberos": "Kerberos", "NTLM": "NTLM", "network": 3,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mapped:
    """One column: the fields it is made from, and how ("" is as it stands)."""

    column: str
    fields: tuple[str, ...]
    how: str


@dataclass(frozen=True, slots=True)
class Log:
    """What one Zeek log becomes. `signs` are sets of fields that give its JSON records away."""

    name: str
    event_class: EventClass
    activity: int | str
    columns: tuple[Mapped, ...]
    activities: Mapping[str, int] = field(default_factory=dict)
    signs: tuple[frozenset[str], ...] = ()

    @property
    def fields(self) -> list[str]:
        """Every Zeek field that the events are made from."""
        named = {name for mapped in self.columns for name in mapped.fields}
        if isinstance(self.activity, str):
            named.add(self.activity)
        return sorted(named | {"ts"})


@dataclass(frozen=True, slots=True)
class Facts:
    """`zeek.toml`, read."""

    logs: Mapping[str, Log]
    unknown: Log
    types: Mapping[str, str]
    labels: frozenset[str]
    headerless: Mapping[str, tuple[str, ...]]


@cache
def facts() -> Facts:
    """The facts about Zeek's logs."""
    read = tomllib.loads(resources.files(__package__).joinpath("zeek.toml").read_text("utf-8"))
    endpoints = {name: Mapped(name, (source,), "") for name, source in read["endpoints"].items()}
    logs = {}
    for name, spec in read["log"].items():
        event_class = EventClass[spec["class"].upper()]
        columns = dict(endpoints) if "src_endpoint.ip" in schema(event_class) else {}
        for column, source in spec["columns"].items():
            fields, how = source if isinstance(source, list) else (source, "")
            columns[column] = Mapped(column, tuple(fields.split()), how)
        logs[name] = Log(
            name,
            event_class,
            spec["activity"],
            tuple(columns.values()),
            spec.get("activities", {}),
            tuple(frozenset(signs) for signs in spec.get("signs", ())),
        )
    return Facts(
        logs,
        Log(UNKNOWN_LOG, EventClass.BASE_EVENT, 0, tuple(endpoints.values())),
        {field: kind for kind, fields in read["types"].items() for field in fields},
        frozenset(read["labels"]),
        {name: tuple(fields.split()) for name, fields in read["headerless"].items()},
    )


def log_name(text: str) -> str:
    """The log's name from #path or `_path`, or "unknown" where it is no name of a log."""
    name = text.strip().lower()
    return name if _LOG_NAME.fullmatch(name) else UNKNOWN_LOG


def log_named(name: str) -> Log:
    """What the log of that name becomes; an unknown one is kept as plain events."""
    return facts().logs.get(name, facts().unknown)


def log_of_fields(fields: Collection[str]) -> str:
    """Name of the log whose records have these fields, or "unknown"."""
    present = frozenset(fields)
    for log in facts().logs.values():
        if any(signs <= present for signs in log.signs):
            return log.name
    return UNKNOWN_LOG


def is_list(zeek_type: str) -> bool:
    """Whether a Zeek type holds several values."""
    return zeek_type == "list" or zeek_type.startswith(("set[", "vector["))


def kind_of(zeek_type: str) -> pl.DataType | None:
    """The polars type of a Zeek type, or None where it is text (or a list of text)."""
    return _KINDS.get(zeek_type)


def source_type(name: str) -> pl.DataType:
    """The polars type that `events_of` expects of a Zeek field."""
    zeek_type = facts().types.get(name, "string")
    if is_list(zeek_type):
        return pl.List(pl.String())
    return kind_of(zeek_type) or pl.String()


def events_of(log: Log, source: pl.DataFrame, name: str) -> pl.DataFrame:
    """OCSF columns of one log's records. `source` has `ts` and the other fields that are there."""
    present = set(source.columns)
    wanted = schema(log.event_class)
    columns: list[pl.Expr] = [
        pl.lit("zeek").alias("metadata.product.name"),
        pl.lit(name).alias("metadata.log_name"),
        pl.lit("").alias("metadata.event_code"),
    ]
    if isinstance(log.activity, int):
        columns.append(pl.lit(log.activity, pl.Int32()).alias("activity_id"))
    elif log.activity in present:
        known = pl.col(log.activity).replace_strict(
            log.activities, default=99, return_dtype=pl.Int32()
        )
        columns.append(
            pl.when(pl.col(log.activity).is_null()).then(0).otherwise(known).alias("activity_id")
        )
    for mapped in log.columns:
        made = _column(mapped, present)
        if made is not None:
            columns.append(made.cast(wanted[mapped.column], strict=False).alias(mapped.column))
    names = ["time", *(column.meta.output_name() for column in columns)]
    time = from_epoch_seconds(source["ts"]).alias("time")
    return source.with_columns(time, *columns).select(names)


def _column(mapped: Mapped, present: set[str]) -> pl.Expr | None:
    """The expression of one column, or None where the log lacks what it is made from."""
    if mapped.how in _CONSTANTS:
        return pl.lit(_CONSTANTS[mapped.how])
    fields = [name for name in mapped.fields if name in present]
    if not fields:
        return None
    return _derived(mapped.how, fields)


def _derived(how: str, fields: Sequence[str]) -> pl.Expr:
    first = pl.col(fields[0])
    match how:
        case "":
            return first
        case "either":
            return pl.coalesce(fields)
        case "first":
            return first.list.first()
        case "last_part":
            return first.str.extract(r"([^/\\]*)$")
        case "before_slash":
            return first.str.extract(r"^([^/]*)")
        case "after_slash":
            return first.str.extract(r"/([^/]*)$")
        case "success":
            return _status(first, ~first)
        case "conn_status":
            return _status(first.is_in(_ESTABLISHED), first.is_in(_NOT_ESTABLISHED))
        case "hashes":
            return _hashes(fields)
        case "share_path":
            parts = [pl.col(name).str.strip_chars_end("\\") for name in fields]
            joined = pl.concat_str(parts, separator="\\", ignore_nulls=True)
            return pl.when(pl.any_horizontal(part.is_not_null() for part in parts)).then(joined)
    raise ValueError(f"zeek.toml: no way called {how}")


def _hashes(fields: Sequence[str]) -> pl.Expr:
    named = [pl.lit(f"{name.upper()}=") + pl.col(name) for name in fields]
    joined = pl.concat_str(named, separator=",", ignore_nulls=True)
    return pl.when(joined != "").then(joined)


def _status(success: pl.Expr, failure: pl.Expr) -> pl.Expr:
    return (
        pl.when(success)
        .then(int(Status.SUCCESS))
        .when(failure)
        .then(int(Status.FAILURE))
        .otherwise(int(Status.UNKNOWN))
    )
