"""`hauberk sources`: the sources file, and the tokens of HTTP sources."""

import asyncio
import stat
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hauberk.errors import HauberkError, UnreachableError, UsageError
from hauberk.ingest.receivers import (
    Kind,
    Source,
    Tokens,
    Transport,
    missing_extra,
    probe,
    read_sources,
)

from . import acting
from .home import Home, home_or_default

app = typer.Typer(
    help="""Sources of a watch: check their file, list them, make their tokens.

    Examples:

      hauberk sources check sources.toml

      hauberk sources token web

      hauberk watch --sources sources.toml
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="The sources file.")]


@app.command("check")
def check(
    file: File,
    connect: Annotated[
        bool, typer.Option("--connect", help="Reach every bus too, and say what waits there.")
    ] = False,
) -> None:
    """Check a sources file, and that all it needs is installed; say what is dangerous."""
    sources = read_sources(file)
    acting.tell(f"{one.name}: {warning}" for one in sources.sources for warning in _warnings(one))
    missing = {one.name: extra for one in sources.sources if (extra := missing_extra(one))}
    if missing:
        acting.tell(f"{name}: it needs the extra {extra}" for name, extra in missing.items())
        raise UsageError(
            f"not installed for {', '.join(missing)}", where=str(file),
            hint=f"pip install 'hauberk[{','.join(sorted(set(missing.values())))}]'",
        )  # fmt: skip
    if connect:
        failed = [name for one in sources.of(Kind.NATS, Kind.KAFKA) if (name := _failed(one))]
        if failed:
            raise UnreachableError(f"not reached: {', '.join(failed)}", where=str(file))
    acting.tell([f"{len(sources.sources)} sources, nothing wrong"])


@app.command("list")
def list_sources(file: File, home: Home = None, json: acting.Json = False) -> None:
    """Show every source of a file with its address, its contract and how many tokens it has."""
    tokens = Tokens(home_or_default(home)).names()
    found = read_sources(file).sources
    if json:
        acting.tell_json(
            [
                {
                    "name": one.name, "kind": str(one.kind), "where": one.where,
                    "contract": {
                        name: sorted(value) if isinstance(value, frozenset) else value
                        for name, value in asdict(one.contract).items()
                    },
                    "tokens": tokens.get(one.name, 0),
                }
                for one in found
            ]
        )  # fmt: skip
        return
    acting.tell(_line(one, tokens.get(one.name, 0)) for one in found)


@app.command("token")
def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An HTTP source.")],
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Take away all its tokens instead.")
    ] = False,
    home: Home = None,
    json: acting.Json = False,
) -> None:
    """Make a bearer token for a source. It is shown once; the home keeps its digest alone."""
    if not name or len(name) > 40 or not name.replace("-", "").isalnum() or name != name.lower():
        raise UsageError(f"{name!r} cannot name a source")
    acting.hand_out(Tokens(home_or_default(home)), "source", name, revoke=revoke, json=json)


def _failed(one: Source) -> str:
    """Try a bus, and say what came of it; its name where it cannot be read."""
    try:
        acting.tell([f"{one.name}: {asyncio.run(probe(one))}"])
    except HauberkError as error:
        acting.tell([f"{one.name}: {error}"])
        return one.name
    return ""


def _line(one: Source, tokens: int) -> str:
    contract = one.contract
    owes = [
        f"{', '.join(sorted(contract.formats))} alone" if contract.formats else "",
        f"at least {contract.min_per_hour:,} an hour" if contract.min_per_hour else "",
        f"at most {contract.max_per_hour:,} an hour" if contract.max_per_hour else "",
        f"no silence of {contract.silence:,.0f} s" if contract.silence else "",
    ]
    told = "; ".join(filter(None, owes)) or "no contract"
    held = f"  {tokens} tokens" if one.kind is Kind.HTTP else ""
    return f"{one.name}  {one.where}  {told}{held}"


def _warnings(one: Source) -> list[str]:
    found = []
    if one.transport is Transport.UDP:
        found.append("UDP cannot be held back: what comes too fast is lost, and counted")
    if one.kind is Kind.SYSLOG and one.tls is None and not one.on_loopback:
        found.append("anybody who reaches it can write and read it; use transport tls if you can")
    if one.transport is Transport.TLS and one.tls is not None and one.tls.clients is None:
        found.append("anybody who reaches it can write; name the CA of its senders as clients")
    found += _bus_warnings(one)
    if one.contract.silence is None:
        found.append("nobody will be told if it dies: its contract names no silence")
    return found


def _bus_warnings(one: Source) -> list[str]:
    if one.bus is None:
        return []
    found = [
        f"others can read the secret in {path}; allow its owner alone (chmod 600)"
        for path in one.bus.secrets
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    if one.bus.tls is None and not one.bus.is_near:
        found.append("records come in the clear, from whoever answers; give it a tls table")
    if one.format is None:
        found.append(
            "its format is told from what comes: who writes strange records to it can confuse that;"
            " name its format if it has one"
        )
    return found
