"""Who acts: the options by which a command knows whose signature to make, and with which key."""

import json as json_module
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import platformdirs
import typer

from hauberk.errors import UsageError
from hauberk.governance import PersonalKey, load_key
from hauberk.ingest.receivers import Tokens
from hauberk.pipeline import judge_own
from hauberk.reports import plain
from hauberk.store import Home

from . import output
from .home import home_or_default

As = Annotated[str, typer.Option("--as", metavar="NAME", help="The person who signs this.")]
Key = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="That person's private key.",
        show_default="NAME.pem in the folder of keys (HAUBERK_KEYS)",
        dir_okay=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="The answer as JSON.")]


def clock() -> datetime:
    """The time that commits, statements and expiries go by."""
    return datetime.now(UTC)


def keys_folder() -> Path:
    """Where persons' private keys lie: never in a home."""
    told = os.environ.get("HAUBERK_KEYS")
    return Path(told) if told else platformdirs.user_config_path("hauberk") / "keys"


def passphrase() -> str | None:
    """The passphrase of a key, from the environment alone: a command line is seen by others."""
    return os.environ.get("HAUBERK_PASSPHRASE") or None


def key_file(name: str, file: Path | None) -> Path:
    """The file of a person's private key. Raises UsageError for a name that is no file's."""
    if file is not None:
        return file
    if not name or "/" in name or name.startswith("."):
        raise UsageError(f"{name!r} cannot name a person")
    return keys_folder() / f"{name}.pem"


def signer(name: str, file: Path | None) -> PersonalKey:
    """The person's key, opened. Raises UsageError."""
    return load_key(name, key_file(name, file), passphrase())


@contextmanager
def for_writing(home: Path | None) -> Iterator[Home]:
    """Open the home to add to it, making it where there is none.

    What was done in it, or tried, is judged by Hauberk's own rules before it is closed.
    """
    with Home.open(home_or_default(home), clock=clock) as opened:
        try:
            yield opened
        finally:
            judge_own(opened)


def for_reading(home: Path | None) -> Home:
    """Open the home beside whoever works in it."""
    return Home.open(home_or_default(home), read_only=True, clock=clock)


def tell(lines: Iterable[str]) -> None:
    """Print lines to people."""
    console = output.screen()
    for line in lines:
        console.print(plain(line, 2000), markup=False, highlight=False, soft_wrap=True)


def as_json(value: object) -> str:
    """A value as JSON that people can read too; times and paths as text."""
    return json_module.dumps(value, indent=2, default=str) + "\n"


def tell_json(value: object) -> None:
    """Print a value to machines."""
    with output.stdout() as stream:
        stream.write(as_json(value))


def a_time(text: str, option: str) -> datetime:
    """A time that a person wrote, UTC where no zone is named. Raises UsageError."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is no time", where=option, hint="Expected such as 2026-03-03T14:02"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def hand_out(tokens: Tokens, what: str, name: str, *, revoke: bool, json: bool) -> None:
    """Make a token and show it once, or take away all that `name`, a `what`, has."""
    if revoke:
        gone = tokens.revoke(name)
        tell([f"{name} has no token any more; it had {gone}"])
        return
    made = tokens.make(name)
    if json:
        tell_json({what: name, "token": made})
        return
    tell([made, f"send it as `Authorization: Bearer ...`; it cannot be shown again ({name})"])
