"""`hauberk serve`: models that other programs ask over HTTP, and the tokens to ask with."""

import json
import re
from typing import Annotated

import typer

from hauberk.errors import UsageError
from hauberk.ingest.receivers import Tokens
from hauberk.serve.inference import TOKENS, read_inference
from hauberk.store import load_settings

from . import acting, output
from .home import Home, home_or_default

app = typer.Typer(
    help="""Serve the models that may judge to other programs, over HTTP.

    Only a model that is signed, approved and live answers (a canary for its share); where none may
    judge a task, requests for it are refused in words (503). Every request is counted into the
    model's telemetry. Settings: [inference] of hauberk.toml. Needs the extra `receive`.

    Examples:

      hauberk serve token mailgate

      hauberk serve --home /srv/hauberk --listen 127.0.0.1:8444

    Exit codes: 0 stopped, 2 usage or settings, 5 home damaged.
    """,
    rich_markup_mode=None,
    invoke_without_command=True,
)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@app.callback()
def command(
    context: typer.Context,
    home: Home = None,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="Where to listen.",
                     show_default="127.0.0.1:8444, or as the settings say"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say how it is as lines of JSON.")
    ] = False,
) -> None:  # fmt: skip
    """Serve until stopped."""
    if context.invoked_subcommand is not None:
        return
    path = home_or_default(home).absolute()
    settings = load_settings(path)
    asked = read_inference(settings, listen) or read_inference(settings, "127.0.0.1:8444")
    assert asked is not None
    try:
        from hauberk.serve.inference import Started, serve  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("hauberk"):
            raise
        raise UsageError(
            f"serving models needs {error.name}, which is not installed",
            hint="pip install 'hauberk[receive]'",
        ) from error

    def started(told: Started) -> None:
        if as_json:
            return
        screen = output.screen()
        screen.print(f"Models are served at {told.address}", soft_wrap=True)
        if told.ca is not None:
            screen.print(f"Its CA, for clients to trust: {told.ca}", soft_wrap=True)
        if not told.tokens:
            screen.print("Nobody has a token yet: hauberk serve token NAME", style="yellow")
        output.flush()

    def report(how: dict[str, object]) -> None:
        with output.stdout() as stream:
            stream.write(json.dumps({"judging": how}, separators=(",", ":")) + "\n")

    serve(path, asked, started, report if as_json else None)


@app.command("token")
def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who is to ask with it.")],
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Take away all its tokens instead.")
    ] = False,
    home: Home = None,
    as_json: acting.Json = False,
) -> None:
    """Make a bearer token for a client. It is shown once; the home keeps its digest alone."""
    if _NAME.fullmatch(name) is None:
        raise UsageError(f"{name!r} cannot name a client", hint="Expected a-z, 0-9 and -")
    acting.hand_out(
        Tokens(home_or_default(home), TOKENS), "client", name, revoke=revoke, json=as_json
    )
