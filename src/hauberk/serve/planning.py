"""What is asked of a running system: the home's settings, and what the command line says."""

import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from hauberk.errors import UsageError
from hauberk.ingest.receivers import read_sources
from hauberk.store import SETTINGS, Settings, Table, load_settings

from .inference import read_inference
from .interface import STUCK_SECONDS, Plan

LISTEN = "127.0.0.1:8443"


def plan_of(
    home: Path,
    *,
    paths: Sequence[Path] = (),
    listen: str | None = None,
    names: Sequence[str] = (),
) -> Plan:
    """The plan for a home; what is given here adds to its settings, `listen` goes before them.

    Raises UsageError naming file, line, key and what was expected.
    """
    home = home.absolute()
    settings = load_settings(home)
    watch, console = settings.table("watch"), settings.table("console")
    watch.only("paths", "rules", "budget", "every")
    console.only("on", "listen", "names")
    system = settings.table("up")
    system.only("stuck")
    named = any(one in settings.top for one in ("source", "sources"))
    sources = settings.path if named else None
    return Plan(
        home=home,
        settings=settings,
        paths=tuple(
            dict.fromkeys([*_existing(watch, "paths"), *(one.absolute() for one in paths)])
        ),
        sources_file=sources,
        sources=len(read_sources(sources).sources) if sources is not None else 0,
        rules=tuple(_existing(watch, "rules")),
        budget=watch.number("budget") if "budget" in watch else None,
        every=watch.number("every", least=1) if "every" in watch else None,
        console=console.flag("on", default=True),
        listen=read_listen(listen, "--listen") if listen else _listen(console),
        names=(*console.texts("names"), *names),
        inference=read_inference(settings),
        patience=system.number("stuck", STUCK_SECONDS, least=10, most=86_400),
    )


def _existing(table: Table, key: str) -> list[Path]:
    found = [table.file.parent / Path(one).expanduser() for one in table.texts(key)]
    for path in found:
        if not path.exists():
            raise UsageError(f"{key}: there is no file or folder {path}", where=table.where(key))
    return found


def _listen(console: Table) -> tuple[str, int]:
    text = console.text("listen", "HOST:PORT", LISTEN)
    return read_listen(text, console.where("listen"))


def read_listen(text: str, where: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`. Raises UsageError."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not host or not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise UsageError(f"{text!r} is no address", where=where, hint="Expected HOST:PORT")
    return host, int(port)


def write_first_settings(home: Path) -> Path | None:
    """Write a commented settings file where there is none; its path. Raises UsageError."""
    path = home / SETTINGS
    text = resources.files(__package__).joinpath(SETTINGS).read_bytes()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return None
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(path)) from error
    with os.fdopen(handle, "wb") as out:
        out.write(text)
    return path


def known_settings(home: Path) -> Settings:
    """The home's settings, once what this room reads of them was checked. Raises UsageError."""
    return plan_of(home).settings
