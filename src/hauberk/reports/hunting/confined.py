"""The program that asks: it confines itself, then runs one SELECT and prints the answer as JSON.

`python -P confined.py` with a task on standard input. Until it is confined it imports the standard
library alone (see the sandbox of model training, which it borrows). DuckDB then is told to touch no
file but the lake's, to load nothing, and to let nobody change that; the namespaces make those files
read-only and leave no network, should DuckDB ever err.
"""

import datetime as dt
import decimal
import importlib.util
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

ROWS_AT_ONCE = 256
MAX_VALUE = 20_000
"""Characters of one value."""


def main() -> None:
    """Read the task, confine, ask, answer."""
    task = json.load(sys.stdin)
    sandbox = _module(task["sandbox"])
    try:
        confined = sandbox.confine(Path(task["folder"]), task["limits"])
    except sandbox.RefusedByHostError as error:
        if task["must_confine"]:
            _say({"error": f"this host does not let a hunt be confined ({error})"})
            return
        sandbox.bound(task["limits"])
        confined = f"by DuckDB alone ({error})"
    try:
        _say({**_ask(task), "confined": confined})
    except MemoryError:
        _say({"error": "the hunt needs more memory than it may have; select less"})


def _ask(task: dict[str, Any]) -> dict[str, Any]:
    import duckdb  # noqa: PLC0415  # starts threads, which only a confined process may

    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": task["threads"],
            "memory_limit": f"{task['memory_mib']}MB",
            "max_temp_directory_size": "0KB",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
        },
    )
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET python_enable_replacements = false")
        paths = ", ".join("'" + one.replace("'", "''") + "'" for one in task["paths"])
        connection.execute(f"SET allowed_paths = [{paths}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        for statement in task["views"]:
            connection.execute(statement)
        statements = connection.extract_statements(task["sql"])
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            return {"error": "a hunt is one SELECT statement, and nothing else"}
        return _answer(connection.execute(statements[0]), task)
    except duckdb.Error as error:
        return {"error": str(error)[:4000]}


def _answer(found: Any, task: dict[str, Any]) -> dict[str, Any]:  # DuckDB's connection
    started = time.monotonic()
    columns = [(str(one[0]), str(one[1])) for one in found.description]
    rows: list[list[Any]] = []
    size, cut = 0, False
    while not cut and (some := found.fetchmany(ROWS_AT_ONCE)):
        for row in some:
            values = [_plain(value) for value in row]
            size += len(json.dumps(values))
            if len(rows) >= task["max_rows"] or size > task["max_bytes"]:
                cut = True
                break
            rows.append(values)
    return {
        "columns": columns,
        "rows": rows,
        "cut": cut,
        "seconds": round(time.monotonic() - started, 3),
    }


def _plain(value: Any) -> Any:
    """A value as JSON has it; bytes as the text that they nearly are."""
    if value is None or isinstance(value, bool | int):
        # Beyond this, JSON's readers lose digits.
        return value if value is None or abs(value) < 2**53 else str(value)
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value[:MAX_VALUE].decode("utf-8", "replace")
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value)[:MAX_VALUE]


def _module(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("sandbox", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
