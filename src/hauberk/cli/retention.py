"""`hauberk retention`: what is older than it is kept, and removing it now."""

from dataclasses import asdict
from typing import Annotated

import typer

from hauberk.pipeline import policy_of, retain
from hauberk.store import Home as Opened

from . import acting
from .home import Home, home_or_default

app = typer.Typer(
    help="""Remove what is older than `[retention]` of hauberk.toml keeps it.

    A watch removes it by itself, every hour (docs/database.md).

    Examples:

      hauberk retention run --dry-run

      hauberk retention run
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def retention() -> None:
    """A group, though of one command."""


@app.command("run")
def run(
    home: Home = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would go; changes nothing.")
    ] = False,
    keep_files: Annotated[
        bool,
        typer.Option("--keep-files", help="Delete no file yet: a watch or a later run does."),
    ] = False,
    json: acting.Json = False,
) -> None:
    """Remove what is too old, by whole days, and say so by table and in the ledger."""
    path = home_or_default(home)
    policy = policy_of(path)
    with Opened.open(path, create=False, read_only=dry_run, clock=acting.clock) as opened:
        done = retain(opened, policy, dry_run=dry_run)
        files, size = (0, 0) if dry_run or keep_files else opened.vacuum()
    if json:
        acting.tell_json({**asdict(done), "deleted": {"files": files, "bytes": size}})
        return
    would = "would go" if dry_run else "went"
    for one in done.leaving:
        oldest = f", oldest day kept {one.oldest}" if one.oldest else ""
        said = f"{one.rows:,} rows {would}, {one.files:,} files, {one.bytes:,} bytes{oldest}"
        acting.tell([f"{one.table:24} {said}"])
    if not done.leaving:
        acting.tell(["nothing is older than it is kept"])
    if files:
        acting.tell([f"{files:,} files deleted, {size:,} bytes"])
