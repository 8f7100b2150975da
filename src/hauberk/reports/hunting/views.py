"""The tables that a hunt sees: one for each event class, as DuckDB views over the lake's files.

OCSF attributes are structs, so that a query names them as OCSF does: `process.parent_process.name`.
DuckDB takes such a struct apart again before it reads, so only the columns asked for are read, and
filters on them reach the files' row groups.
"""

# ruff: noqa: S608  # names and paths are the catalogue's and the lake's, and are quoted

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from hauberk.events import FINDING_SCHEMA, EventClass, schema

EVENTS = "events"
"""The view of all event classes, with what they have in common."""

FINDINGS = "findings"
INCIDENTS = "incidents"

INCIDENT_SCHEMA = pl.Schema(
    {
        "uid": pl.String(),
        "title": pl.String(),
        "probability": pl.Float64(),
        "above_budget": pl.Boolean(),
        "start": FINDING_SCHEMA["time"],
        "end": FINDING_SCHEMA["time"],
        "entities": pl.List(pl.String()),
        "tactics": pl.List(pl.String()),
        "techniques": pl.List(pl.String()),
        "findings": pl.List(pl.String()),
        "event_count": pl.Int64(),
        "narrative": pl.String(),
    }
)
"""Columns of the table `incidents`; entities as `kind:value`."""

_TYPES: Mapping[type[pl.DataType], str] = {
    pl.String: "VARCHAR",
    pl.Int64: "BIGINT",
    pl.Int32: "INTEGER",
    pl.Int16: "SMALLINT",
    pl.Int8: "TINYINT",
    pl.UInt64: "UBIGINT",
    pl.UInt32: "UINTEGER",
    pl.UInt16: "USMALLINT",
    pl.UInt8: "UTINYINT",
    pl.Float64: "DOUBLE",
    pl.Float32: "FLOAT",
    pl.Boolean: "BOOLEAN",
    pl.Binary: "BLOB",
    pl.Date: "DATE",
    pl.Datetime: "TIMESTAMPTZ",
}


@dataclass(frozen=True, slots=True)
class Described:
    """A table that a hunt may ask: its name, and its columns by dotted name with their type."""

    name: str
    columns: Mapping[str, str]


def quoted(name: str) -> str:
    """A name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def _type(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.List):
        return f"{_type(_made(dtype.inner))}[]"
    if isinstance(dtype, pl.Struct):
        fields = (f"{quoted(one.name)} {_type(_made(one.dtype))}" for one in dtype.fields)
        return f"STRUCT({', '.join(fields)})"
    return _TYPES[type(dtype)]


def _made(dtype: object) -> pl.DataType:
    made = dtype() if isinstance(dtype, type) else dtype
    assert isinstance(made, pl.DataType)
    return made


def _described(name: str, columns: pl.Schema) -> Described:
    return Described(name, {column: _type(dtype) for column, dtype in columns.items()})


def _common() -> pl.Schema:
    schemas = [schema(one) for one in EventClass]
    return pl.Schema(
        {n: t for n, t in schemas[0].items() if all(other.get(n) == t for other in schemas[1:])}
    )


CATALOGUE: Mapping[str, Described] = {
    EVENTS: Described(EVENTS, {"class": "VARCHAR", **_described(EVENTS, _common()).columns}),
    INCIDENTS: _described(INCIDENTS, INCIDENT_SCHEMA),
    FINDINGS: _described(FINDINGS, FINDING_SCHEMA),
    **{one.table: _described(one.table, schema(one)) for one in EventClass},
}
"""Every table by name."""


def definitions(
    files: Mapping[str, Sequence[str]], since: str | None, until: str | None
) -> list[str]:
    """Statements that make every view; `files` by table, bounds of `time` as ISO 8601."""
    made = [
        f"CREATE VIEW {quoted(name)} AS SELECT {_nested(described.columns)} FROM "
        f"({_rows(described, files.get(name, ()), since, until)})"
        for name, described in CATALOGUE.items()
        if name != EVENTS
    ]
    common = ", ".join(quoted(n) for n in _tops(CATALOGUE[EVENTS].columns) if n != "class")
    classes = [one.table for one in EventClass if files.get(one.table)]
    parts = [
        f"SELECT {literal(name)} AS class, {common} FROM "
        f"(SELECT {_nested(_without_class())} FROM "
        f"({_rows(CATALOGUE[name], files[name], since, until)}))"
        for name in classes
    ]
    empty = f"SELECT {_nested(CATALOGUE[EVENTS].columns)} FROM ({_nothing(CATALOGUE[EVENTS])})"
    return [*made, f"CREATE VIEW {EVENTS} AS {' UNION ALL '.join(parts) if parts else empty}"]


def _without_class() -> Mapping[str, str]:
    return {n: t for n, t in CATALOGUE[EVENTS].columns.items() if n != "class"}


def _rows(table: Described, files: Sequence[str], since: str | None, until: str | None) -> str:
    """The rows of a table's files, with every column that it has."""
    nothing = _nothing(table)
    if not files:
        return nothing
    paths = ", ".join(literal(one) for one in files)
    # A file lacks the columns that no row of it has a value in.
    rows = f"SELECT * FROM read_parquet([{paths}], union_by_name = true, hive_partitioning = false)"
    bounds = [f"time >= TIMESTAMPTZ {literal(since)}"] if since else []
    bounds += [f"time < TIMESTAMPTZ {literal(until)}"] if until else []
    if "time" in table.columns and bounds:
        rows += f" WHERE {' AND '.join(bounds)}"
    return f"{nothing} UNION ALL BY NAME {rows}"


def _nothing(table: Described) -> str:
    typed = ", ".join(f"NULL::{kind} AS {quoted(name)}" for name, kind in table.columns.items())
    return f"SELECT {typed} WHERE false"


def _tops(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name.partition(".")[0] for name in names))


def _nested(names: Iterable[str], prefix: str = "") -> str:
    """The columns as structs: `a.b`, `a.c` become `struct_pack(b := ..., c := ...) AS a`."""
    inside = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    parts = []
    for top in _tops(inside):
        if top in inside:
            value = quoted(prefix + top)
        else:
            value = f"struct_pack({_nested(names, f'{prefix}{top}.')})"
        parts.append(f"{quoted(top)} := {value}" if prefix else f"{value} AS {quoted(top)}")
    return ", ".join(parts)
