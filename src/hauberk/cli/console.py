"""`hauberk console`: incidents in a browser, for several people."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hauberk.errors import UsageError

from . import output
from .home import Home, home_or_default

HELP = """Serve the console: incidents in a browser, for several people, over TLS.

The first start makes a private CA, a server certificate, and a link by which the first
administrator sets password and authenticator app. There is no default password. Needs the extra
`console` (pip install 'hauberk[console]').

Examples:

  hauberk console --home /srv/hauberk

  hauberk console --listen 0.0.0.0:8443 --name hauberk.corp.example

Exit codes: 0 stopped, 2 usage, 5 home damaged.
"""


def command(
    home: Home = None,
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where to listen.")
    ] = "127.0.0.1:8443",
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="HOST", help="A name that browsers reach it by."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say where it is as a line of JSON.")
    ] = False,
) -> None:
    """Serve until stopped."""
    try:
        from hauberk.console import ServeOptions, Started, read_listen, serve  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("hauberk"):
            raise
        raise UsageError(
            f"the console needs {error.name}, which is not installed",
            hint="pip install 'hauberk[console]'",
        ) from error

    def started(told: Started) -> None:
        if as_json:
            with output.stdout() as stream:
                stream.write(json.dumps({"started": asdict(told)}, default=str) + "\n")
            return
        screen = output.screen()
        screen.print(f"The console is at {told.address}", soft_wrap=True)
        screen.print(f"Its CA, for browsers to trust: {told.ca}", soft_wrap=True)
        screen.print(f"  SHA-256 {told.fingerprint}", soft_wrap=True, style="dim")
        if told.setup:
            screen.print("Set up the first administrator here, once, within a day:")
            screen.print(f"  {told.setup}", soft_wrap=True)
        output.flush()

    host, port = read_listen(listen)
    path: Path = home_or_default(home)
    serve(ServeOptions(path, host, port, tuple(name or ())), started)
