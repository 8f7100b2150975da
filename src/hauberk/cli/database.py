"""`hauberk db`: where records and console keep their rows, how they stand, and moving them."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from hauberk.errors import UsageError
from hauberk.store import (
    RECORDS,
    DatabaseStatus,
    move_home,
    records_status,
    upgrade_records,
)

from . import acting
from .home import Home, home_or_default

app = typer.Typer(
    help="""Where records and console keep their rows: SQLite in the home, or PostgreSQL.

    Examples:

      hauberk db status

      hauberk db upgrade

      hauberk db move --to postgresql+psycopg://hauberk@db.corp.example/hauberk
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("status")
def status(home: Home = None, json: acting.Json = False) -> None:
    """Say of each database its engine, place, schema and size, and whether an upgrade waits."""
    found = _statuses(home_or_default(home))
    if json:
        acting.tell_json([{**asdict(one), "pending": one.pending} for one in found])
        return
    for one in found:
        schema = f"schema {one.revision or 'not made yet'}"
        waits = f", {one.newest} waits for `hauberk db upgrade`" if one.pending else ""
        acting.tell([f"{one.holds:8} {one.engine}, {schema}{waits}, {one.bytes:,} bytes",
                     f"{'':8} {one.place}"])  # fmt: skip


@app.command("upgrade")
def upgrade(home: Home = None) -> None:
    """Bring every database of a home to the schema of this version."""
    path = home_or_default(home)
    before = {one.holds: one.revision for one in _statuses(path)}
    upgrade_records(path)
    console = _console()
    if console is not None:
        console.upgrade_console(path)
    for one in _statuses(path):
        was = before.get(one.holds)
        said = "up to date" if was == one.revision else f"from {was or 'nothing'}"
        acting.tell([f"{one.holds:8} schema {one.revision}, {said}"])


@app.command("move")
def move(
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="URL", help="The server.", show_default="[database] url of the settings"
        ),
    ] = None,
    home: Home = None,
) -> None:
    """Take a home from SQLite to PostgreSQL; every row is compared, and the ledger says so."""
    path = home_or_default(home)
    console = _console()
    if console is None and (path / "console.sqlite3").exists():
        raise UsageError(
            "this home has a console, which cannot be moved without the extra",
            hint="pip install 'hauberk[console]'",
        )
    parts = [RECORDS] if console is None else [RECORDS, console.CONSOLE]
    moved = move_home(path, to, parts)
    acting.tell(f"{name:28} {rows:,} rows, the same" for name, rows in moved.rows.items())
    acting.tell([f"moved to {moved.place}", "The former files are kept beside, named .moved"])
    if to is not None:
        acting.tell(["Name the server from now on: url in [database] of hauberk.toml"])


def _statuses(home: Path) -> list[DatabaseStatus]:
    def each() -> Iterator[DatabaseStatus | None]:
        yield records_status(home)
        console = _console()
        if console is not None:
            yield console.console_status(home)

    found = [one for one in each() if one is not None]
    if not found:
        raise UsageError(
            "there is no home here",
            where=str(home),
            hint="Scan something into it, or name another home: --home, or HAUBERK_HOME",
        )
    return found


def _console() -> Any:  # the room, where its extra is installed
    try:
        from hauberk import console  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("hauberk"):
            raise
        return None
    return console
