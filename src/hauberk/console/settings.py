"""What is in force here, where each of it comes from, and how it is changed; never a secret.

What a running system goes by is in `HOME/hauberk.toml`, which the console reads and does not
write: whoever breaks into it could otherwise point sources, outputs and sign-on elsewhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hauberk.errors import UsageError
from hauberk.store import Settings, Table, load_settings
from hauberk.triage import BUDGET, FLOOR

from . import lockout, passwords, sessions, tokens
from .oidc import OidcSettings, read_oidc
from .sessions import SessionLengths
from .shield import MAX_BODY

BUILT_IN = "built in"
_SHOWN_TEXTS = frozenset(
    {
        "algorithms", "ca", "certificate", "claim", "class", "client_id", "contract", "domains",
        "durable", "file", "format", "formats", "group", "hosts", "id", "issuer", "kind", "listen",
        "mechanism", "name", "names", "others", "path", "paths", "pattern", "roles", "rules",
        "scopes", "sources", "stream", "subject", "subjects", "title", "topic", "topics",
        "transport",
    }
)  # fmt: skip
"""Keys whose texts are shown. A text under any other key may be a secret, and is not."""

_SECRET = "set, not shown"  # noqa: S105  # what is shown in place of one


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """`[identity]`, checked."""

    providers: Sequence[OidcSettings] = ()
    lengths: SessionLengths = field(default_factory=SessionLengths)


def read_identity(table: Table) -> IdentitySettings:
    """Read `[identity]`. Raises UsageError naming line and what was expected."""
    table.only("oidc", "sessions")
    providers = [read_oidc(name, one) for name, one in table.table("oidc").tables()]
    lengths = table.table("sessions")
    lengths.only("idle_minutes", "hours")
    idle = lengths.whole("idle_minutes", sessions.IDLE // timedelta(minutes=1), least=5, most=240)
    hours = lengths.whole("hours", sessions.ABSOLUTE // timedelta(hours=1), least=1, most=24)
    return IdentitySettings(
        providers, SessionLengths(timedelta(minutes=idle), timedelta(hours=hours))
    )


@dataclass(frozen=True, slots=True)
class InForce:
    """One setting: its name as the file has it, its value in words, where that comes from."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it: what the file says, what holds where it says nothing, and what is fixed."""

    path: Path
    present: bool
    exposed: bool
    fault: str = ""
    given: Sequence[InForce] = ()
    defaults: Sequence[InForce] = ()
    fixed: Sequence[InForce] = ()


def overview(home: Path) -> Overview:
    """What is in force for a home now. What is wrong with the file stands in `fault`."""
    fixed = list(_fixed())
    try:
        settings = load_settings(home)
        read_identity(settings.table("identity"))
    except UsageError as error:
        path = home / "hauberk.toml"
        return Overview(path, present=True, exposed=False, fault=str(error), fixed=fixed)
    given = list(_given(settings.top))
    named = {one.name for one in given}
    defaults = [one for one in _defaults(settings) if one.name not in named]
    return Overview(
        settings.path, settings.present, settings.exposed,
        given=given, defaults=defaults, fixed=fixed,
    )  # fmt: skip


def _given(table: Table) -> Iterator[InForce]:
    """What the file says, key by key, in its order."""
    for key, value in table.values.items():
        inner = value.values() if isinstance(value, dict) else ()
        reference = isinstance(value, dict) and set(value) <= {"env", "file"} and bool(value)
        if isinstance(value, dict) and not reference:
            if inner:
                yield from _given(table.table(key))
            continue
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            for one in table.list_of(key):
                yield from _given(one)
            continue
        name = f"{table.name}.{key}" if table.path else key
        place = table.where(key).removeprefix(str(table.file)).partition(", [")[0].strip(", ")
        yield InForce(name, _words(table, key, value), place or table.file.name)


def _words(table: Table, key: str, value: Any) -> str:  # Any: as TOML has it
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}"
    if isinstance(value, dict):
        kind, where = next(iter(value.items()))
        return f"from the {'environment' if kind == 'env' else 'file'} {where}, not shown"
    shown = key in _SHOWN_TEXTS or "roles" in table.path
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) if shown else _SECRET
    if "://" in str(value):
        return _address(str(value)) if shown or key == "url" else _SECRET
    return str(value) if shown else _SECRET


def _address(url: str) -> str:
    """An address without user, password and query."""
    try:
        at = urlsplit(url)
        host = at.hostname or ""
        port = f":{at.port}" if at.port else ""
    except ValueError:
        return _SECRET
    return f"{at.scheme}://{host}{port}{at.path}"


def _defaults(settings: Settings) -> Iterator[InForce]:
    lengths = SessionLengths()
    for name, value in (
        ("watch.budget", f"{BUDGET:g} incidents a day"),
        ("console.on", "yes"),
        ("console.listen", "127.0.0.1:8443"),
        ("identity.sessions.idle_minutes", f"{lengths.idle // timedelta(minutes=1)}"),
        ("identity.sessions.hours", f"{lengths.absolute // timedelta(hours=1)}"),
        ("retention.default", "everything is kept"),
    ):
        yield InForce(name, value, BUILT_IN)
    if not settings.top.table("database"):
        yield InForce("database.url", "files in the home", BUILT_IN)
    if not settings.top.table("identity").table("oidc"):
        yield InForce("identity.oidc", "nobody signs in from elsewhere", BUILT_IN)


def _fixed() -> Iterator[InForce]:
    cost = passwords.Cost()
    minutes = timedelta(minutes=1)
    for name, value in (
        ("Passwords", f"argon2id, {cost.passes} passes, {cost.kibibytes >> 10} MiB, {cost.lanes} "
         f"lanes; at least {passwords.MIN_LENGTH} characters"),
        ("Second factor", "always: an app's code, a passkey, or that of single sign-on"),
        ("Waiting after failures", f"from {lockout.FIRST_WAIT.seconds} s to "
         f"{lockout.LONGEST_WAIT // minutes} minutes"),
        ("A session's token changes", f"every {sessions.ROTATE // minutes} minutes"),
        ("Adding passkeys and tokens", f"within {sessions.FRESH // minutes} minutes of a sign-in"),
        ("API tokens", f"at most {tokens.MAX_DAYS} days"),
        ("Largest form", f"{MAX_BODY >> 10} KiB"),
        ("Least probability of an incident that is shown", f"{FLOOR:g}"),
    ):  # fmt: skip
        yield InForce(name, value, BUILT_IN)
