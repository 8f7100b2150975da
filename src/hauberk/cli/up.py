"""`hauberk up`: everything on one machine, by one command."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hauberk import __version__
from hauberk.errors import ExitCode, HauberkError, UsageError
from hauberk.reports import plain
from hauberk.serve import (
    PARTS,
    PartStatus,
    Plan,
    Report,
    Supervisor,
    make_run_folder,
    plan_of,
    write_first_settings,
)

from . import output
from .home import Home, home_or_default

HELP = """Run everything on this machine: watch and console, kept alive.

Each part is a process of its own; one that dies is started again. The first run makes keys, a
private CA, settings (hauberk.toml in the home) and a link by which the first administrator signs
in. Needs the extra `console` unless the settings turn it off. Ctrl-C, SIGTERM or `hauberk down`
end all parts in order; should this process be killed, they end too.

Examples:

  hauberk up /var/log/zeek/current --home /srv/hauberk

  hauberk up --home /srv/hauberk --detach

  hauberk up --init --home /srv/hauberk

Exit codes: 0 ended, 2 usage or settings, 4 this home is up already, 5 home damaged, 6 disk full.
"""

_READY = "HAUBERK_READY_FD"


def command(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", help="Files and folders to follow."),
    ] = None,
    home: Home = None,
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen",
            metavar="HOST:PORT",
            help="Where the console listens.",
            show_default="127.0.0.1:8443, or as the settings say",
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="HOST", help="A name that browsers reach the console by."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return once everything is up.")] = False,
    init: Annotated[
        bool, typer.Option("--init", help="Write commented settings, and run nothing.")
    ] = False,
) -> ExitCode:
    """Run until ended."""
    path = home_or_default(home).absolute()
    for one in paths or ():
        if not one.exists():
            raise UsageError("there is no such file or folder", where=str(one))
    made = write_first_settings(path)
    screen = output.screen()
    if init:
        said = "are in" if made else "were there already: nothing is changed in"
        screen.print(f"Settings {said} {plain(str(path))}/hauberk.toml", soft_wrap=True)
        return ExitCode.OK
    plan = plan_of(path, paths=paths or (), listen=listen, names=name or ())
    if plan.console:
        _check_console()
    if detach:
        return _detach(plan, screen)
    Supervisor(plan, PARTS, _Told(plan, screen)).run()
    return ExitCode.OK


def _check_console() -> None:
    try:
        import hauberk.console  # noqa: F401, PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("hauberk"):
            raise
        raise UsageError(
            f"the console needs {error.name}, which is not installed",
            hint="pip install 'hauberk[console]', or set `on = false` in [console] of hauberk.toml",
        ) from error


def _detach(plan: Plan, screen: Console) -> ExitCode:
    """Start this command again, away from the terminal; tell what it tells once all is up."""
    log = make_run_folder(plan.home) / "up.log"
    reading, writing = os.pipe()
    given = [one for one in sys.argv[1:] if one != "--detach"]
    if "--home" not in given:
        given += ["--home", str(plan.home)]
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        process = subprocess.Popen(  # noqa: S603  # our own command, without a shell
            [sys.executable, "-m", "hauberk.cli", *given],
            stdin=subprocess.DEVNULL, stdout=handle, stderr=handle,
            start_new_session=True, pass_fds=[writing],
            env={**os.environ, _READY: str(writing)},
        )  # fmt: skip
    finally:
        os.close(handle)
        os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    if not said:
        code = process.wait()
        words = log.read_text("utf-8", "replace").strip().splitlines()[-3:]
        raise _NotUpError(code, words, log)
    ready = json.loads(said)
    _print_ready(screen, plan, ready["parts"], ready["console"])
    screen.print(f"It runs as process {process.pid}; its words are in {plain(str(log))}.",
                 style="dim", soft_wrap=True)  # fmt: skip
    return ExitCode.OK


class _NotUpError(HauberkError):
    """What was started away from the terminal ended before everything was up."""

    def __init__(self, code: int, words: Sequence[str], log: Path) -> None:
        known = {int(one) for one in ExitCode}
        self.exit_code = ExitCode(code) if code in known and code else ExitCode.INTERNAL
        said = " ".join(one.strip().removeprefix("error: ") for one in words)
        super().__init__(said or "it ended before everything was up", hint=f"More is in {log}")


class _Told:
    """Tells people, and whoever started us away from their terminal."""

    def __init__(self, plan: Plan, screen: Console) -> None:
        self._plan = plan
        self._screen = screen
        self._ready = os.environ.pop(_READY, None)

    def ready(self, parts: Sequence[PartStatus], report: Mapping[str, Report]) -> None:
        rows = [{"name": one.name, "about": one.about} for one in parts]
        console = dict(report.get("console", {}))
        if self._ready is not None:
            with os.fdopen(int(self._ready), "w", encoding="utf-8") as pipe:
                json.dump({"parts": rows, "console": console}, pipe)
            self._ready = None
            console.pop("setup", None)  # it is for whoever started us, and in no log
        _print_ready(self._screen, self._plan, rows, console)
        self._print("Ctrl-C ends it in order.", style="dim")

    def died(self, part: str, how: str, words: Sequence[str], again: float) -> None:
        self._print(f"{part} {how}; it is started again in {again:.0f} s", style="red")
        for one in words[-2:]:
            self._print(f"  {plain(one)}", style="dim")

    def stuck(self, part: str, silent: float) -> None:
        self._print(f"{part} gave no sign of life for {silent:.0f} s and is ended", style="red")

    def back(self, part: str) -> None:
        self._print(f"{part} is up again", style="green")

    def ending(self, parts: Sequence[str]) -> None:
        if parts:
            self._print(f"ending {', then '.join(parts)}", style="dim")

    def forced(self, part: str) -> None:
        self._print(f"{part} did not end in time and was killed", style="red")

    def ended(self) -> None:
        self._print("everything has ended; what was committed is kept", style="dim")

    def _print(self, said: str, style: str = "") -> None:
        self._screen.print(said, style=style, soft_wrap=True, markup=False, highlight=False)
        output.flush()


def _print_ready(
    screen: Console, plan: Plan, parts: Sequence[Mapping[str, Any]], console: Mapping[str, Any]
) -> None:
    def line(said: str, style: str = "") -> None:
        screen.print(said, style=style, soft_wrap=True, markup=False, highlight=False)

    line(f"Hauberk {__version__} is up in {plain(str(plan.home))}", "bold")
    for one in parts:
        about = console.get("address") if one["name"] == "console" else one["about"]
        line(f"  {one['name']:<9}{plain(str(about))}")
    if not any(one["name"] == "watch" for one in parts):
        line(f"  watch    nothing is followed: name a PATH, or paths in {plan.home}/hauberk.toml",
             "yellow")  # fmt: skip
    if console:
        line(f"  CA       {plain(str(console['ca']))}")
        line(f"           SHA-256 {console['fingerprint']}", "dim")
    if console.get("setup"):
        line("Set up the first administrator here, once, within a day:")
        line(f"  {console['setup']}", "bold")
    output.flush()
