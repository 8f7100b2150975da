"""Sigma on SQLite in a process of its own; needs nothing but Python and, if there is, orjson.

    python sqlite_peer.py QUERIES.json EVENTS.jsonl COUNT [--hits FILE] [--all-fields]

Events are loaded into a table in memory whose columns compare without regard to case; each rule is
one query or more. Only fields that rules name are stored and the index is on log and event id,
both kinder to it than need be. With `--all-fields` it goes the way that Zircolite describes: every
field is flattened and stored, the index is on the event id, and hits are fetched as whole rows.
Prints a line of JSON.
"""

import json
import re
import resource
import sqlite3
import sys
import time
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

try:
    from orjson import loads
except ImportError:  # slower, and the same
    from json import loads  # type: ignore[assignment]

BATCH = 5_000

Row = dict[str, Any]
"""An event as JSON; `Any`: whatever stands there."""


def text(value: Any) -> str | None:
    """A value as the text that rules compare; members of a list a line each."""
    if value is None or isinstance(value, str):
        return value
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, list):
        return "\n".join(text(member) or "" for member in value)
    if isinstance(value, dict):
        return json.dumps(value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def derive(row: Row, rule: Row) -> str | None:
    """What a log source makes of other columns."""
    found = [said for name in rule["columns"] if (said := text(row.get(name))) is not None]
    if not found:
        return None
    made: str = rule["join"].join(found) if rule["join"] is not None else found[0]
    for known, spelled in rule["values"].items():
        if made.lower() == known.lower():
            return str(spelled)
    for prefix, spelled in rule["prefixes"].items():
        if made.lower().startswith(prefix.lower()):
            return str(spelled) + made[len(prefix) :]
    return made


def flattened(value: Row, into: dict[str, str | None] | None = None) -> dict[str, str | None]:
    """An object's fields under the names of their last keys, nested ones too."""
    into = {} if into is None else into
    for key, member in value.items():
        if isinstance(member, dict):
            flattened(member, into)
        else:
            into[key] = text(member)
    return into


def all_fields(path: str, count: int) -> list[str]:
    """Every field of the events; as many as SQLite takes."""
    found: dict[str, None] = {}
    with Path(path).open("rb") as file:
        for line in islice(file, count):
            found.update(dict.fromkeys(flattened(loads(line))))
    return [name for name in found if name != "_log"]


def spellings(queries: Row, more: list[str]) -> list[list[str]]:
    """The table's columns and how each is spelled: SQLite's column names have no case."""
    columns: dict[str, dict[str, None]] = {}
    for name in [*queries["columns"], *(one["name"] for one in queries["derived"]), *more]:
        if name.lower() not in ("log_service", "log_code"):
            columns.setdefault(name.lower(), {})[name] = None
    return [list(spelled) for spelled in list(columns.values())[:1990]]


def values(line: bytes, columns: list[list[str]], derived: Row, *, everything: bool) -> list[Any]:
    """One event as a row of the table."""
    row = loads(line)
    _, service, code = row.pop("_log")
    texts = flattened(row) if everything else {name: text(value) for name, value in row.items()}
    if ["_texts"] in columns:
        texts["_texts"] = "\n".join(value for value in texts.values() if value)
    for one in derived.get(service, ()):
        if not one["codes"] or code in one["codes"]:
            texts[one["name"]] = derive(row, one)
    return [
        service,
        code,
        *(
            texts.get(spelled[0])
            if len(spelled) == 1
            else next((texts[name] for name in spelled if texts.get(name) is not None), None)
            for spelled in columns
        ),
    ]


def load(
    connection: sqlite3.Connection, queries: Row, path: str, count: int, *, everything: bool
) -> int:
    """Events into the table; returns how many."""
    derived: Row = {}
    for one in queries["derived"]:
        derived.setdefault(one["service"], []).append(one)
    columns = spellings(queries, all_fields(path, count) if everything else [])
    quoted = ", ".join(
        '"' + spelled[0].replace('"', '""') + '" TEXT COLLATE NOCASE' for spelled in columns
    )
    connection.execute(f"CREATE TABLE logs (log_service TEXT, log_code TEXT, {quoted})")
    insert = f"INSERT INTO logs VALUES ({', '.join('?' * (len(columns) + 2))})"  # noqa: S608
    done = 0
    with Path(path).open("rb") as file:
        lines = islice(file, count)
        while batch := list(islice(lines, BATCH)):
            rows: Iterator[list[Any]] = (
                values(line, columns, derived, everything=everything) for line in batch
            )
            connection.executemany(insert, rows)
            done += len(batch)
    index = "log_code" if everything else "log_service, log_code"
    connection.execute(f"CREATE INDEX by_log ON logs ({index})")
    return done


def asked(connection: sqlite3.Connection, query: str, *, rows: bool) -> list[int]:
    """Places of the events that a query finds; with `rows`, fetched whole as mappings."""
    if not rows:
        return [row[0] - 1 for row in connection.execute(query)]
    cursor = connection.execute(query.replace("SELECT rowid", "SELECT rowid, *", 1))
    names = [column[0] for column in cursor.description]
    found = [dict(zip(names, row, strict=False)) for row in cursor]
    return [row["rowid"] - 1 for row in found]


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """A regular expression, kept: kinder than compiling it for each row."""
    return re.compile(pattern)


def regexp(pattern: str, value: str | None) -> bool:
    """SQLite's REGEXP."""
    return value is not None and compiled(pattern).search(value) is not None


def main() -> None:
    """Load, ask, print."""
    source, path, count, *rest = sys.argv[1:]
    everything = "--all-fields" in rest
    queries: Row = loads(Path(source).read_bytes())
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.create_function("regexp", 2, regexp, deterministic=True)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -128000"):
        connection.execute(f"PRAGMA {pragma}")
    started = time.process_time()
    events = load(connection, queries, path, int(count), everything=everything)
    loaded = time.process_time()
    hits: set[tuple[int, str]] = set()
    faults: dict[str, str] = {}
    for uid, query in queries["sql"]:
        try:
            hits.update((place, uid) for place in asked(connection, query, rows=everything))
        except (sqlite3.Error, re.error) as fault:
            faults[uid] = str(fault)
    ended = time.process_time()
    if "--hits" in rest:
        Path(rest[rest.index("--hits") + 1]).write_text(json.dumps(sorted(hits)))
    figures = {
        "events": events, "queries": len(queries["sql"]), "hits": len(hits), "faults": faults,
        "startup_s": started, "load_s": loaded - started, "match_s": ended - loaded,
        "cpu_s": ended, "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
