"""`hauberk hunt`: ask the lake in SQL."""

from enum import StrEnum
from typing import Annotated

import typer

from hauberk import store
from hauberk.errors import UsageError
from hauberk.reports import (
    CATALOGUE,
    Bounds,
    Described,
    Question,
    ask,
    print_answer,
    print_tables,
    write_csv,
    write_rows,
)

from . import output
from .home import Home, home_or_default
from .times import instant, ordered

HELP = """Ask the lake in SQL: events, findings and incidents.

A question is one SELECT. Tables are OCSF's event classes (`process_activity`, `dns_activity` ...),
`events` with what all of them have in common, `findings` and `incidents`. Attributes have OCSF's
names, as structs.
The SQL is DuckDB's. It runs in a process that has no network, may write nothing, and is ended
when it takes too long or too much memory. The home may be in use. Needs the extra `hunt`.

Examples:

  hauberk hunt "SELECT process.name, count(*) AS n FROM process_activity GROUP BY ALL ORDER BY n"

  hauberk hunt --since 2026-03-14 "SELECT class, count(*) FROM events GROUP BY ALL"

  hauberk hunt --tables                    which tables there are

  hauberk hunt --tables network_activity   which columns one has

  hauberk hunt --format csv "SELECT ..." > rows.csv
"""


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def command(
    sql: Annotated[
        str | None, typer.Argument(metavar="SQL|TABLE", help="The question, or a table's name.")
    ] = None,
    home: Home = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Events from then on.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Events before then.")] = None,
    shape: Annotated[
        Format, typer.Option("--format", help="JSON: an object a row.")
    ] = Format.TABLE,
    rows: Annotated[int, typer.Option(min=1, max=1_000_000, help="Most rows.")] = 10_000,
    seconds: Annotated[float, typer.Option(min=1, max=86_400, help="Longest that it takes.")] = 60,
    memory: Annotated[int, typer.Option(min=64, metavar="MIB", help="Most memory.")] = 2048,
    tables: Annotated[
        bool, typer.Option("--tables", help="Show tables, or one's columns.")
    ] = False,
) -> None:
    """Ask and print."""
    if tables:
        print_tables(_tables(sql), output.screen())
        return
    if sql is None:
        raise UsageError("there is no question", hint="See hauberk hunt --help for examples")
    first, last = ordered(instant("--since", since), instant("--until", until))
    bounds = Bounds(seconds, memory, threads=2, max_rows=rows, max_bytes=1 << 30)
    with store.Home.open(home_or_default(home), read_only=True) as opened:
        answer = ask(opened, Question(sql, first, last), bounds)
    if shape is Format.TABLE:
        print_answer(answer, output.screen())
        return
    with output.stdout() as stream:
        (write_csv if shape is Format.CSV else write_rows)(answer, stream)


def _tables(name: str | None) -> list[Described]:
    if name is None:
        return list(CATALOGUE.values())
    if name not in CATALOGUE:
        raise UsageError(f"there is no table {name!r}", hint="hauberk hunt --tables lists them")
    return [CATALOGUE[name]]
