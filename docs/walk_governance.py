"""Write docs/governance.md: every command of the walk is run, and its output is what it printed.

    python docs/walk_governance.py [--check]

With --check nothing is written, and the exit code is 1 where the page differs from what the
commands print now, digests and keys aside, which are new each time.
"""

import io
import os
import re
import runpy
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hauberk.cli import acting, main
from hauberk.models import Rate, Task, watch_canary
from hauberk.store import Home

DOCS = Path(__file__).resolve().parent
PAGE = DOCS / "governance.md"
TEMPLATE = DOCS / "governance.in.md"
MAKING = DOCS.parent / "tests" / "models" / "making.py"
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_COMMAND = re.compile(r"^```run\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_CHANCE = re.compile(r"[0-9a-f]{12,}|[\d,]+ bytes")


class Clock:
    """A minute passes with every command; `later` lets days pass."""

    def __init__(self) -> None:
        self.now = MONDAY

    def __call__(self) -> datetime:
        """The time by this clock."""
        return self.now


def run(command: str, clock: Clock) -> list[str]:
    """A line of the template as the page shows it, followed by what it printed."""
    words = shlex.split(command)
    if words[0] in _STAGED:
        return _STAGED[words[0]](words[1:], clock)
    clock.now += timedelta(minutes=1)
    return [f"$ {command}", *printed(words[1:])]


def printed(words: list[str]) -> list[str]:
    """What a command prints, errors too."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        try:
            main(words)
        except SystemExit as ended:
            if ended.code:
                said.write(f"(exit code {ended.code})\n")
    return said.getvalue().replace(f"{Path.cwd()}{os.sep}", "").splitlines()


def _later(words: list[str], clock: Clock) -> list[str]:
    clock.now += timedelta(days=int(words[0]))
    return ["$ # a day later" if words == ["1"] else f"$ # {words[0]} days later"]


def _tamper(words: list[str], _clock: Clock) -> list[str]:
    path = next(Path().glob(words[0]))
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    return [f"$ # somebody changes a byte of {path.name} of tiny-domains@1.0.0"]


def _save(words: list[str], _clock: Clock) -> list[str]:
    Path(words[0]).write_text("\n".join(printed(["policy", "show", "--text"])) + "\n")
    return [f"$ hauberk policy show --text > {words[0]}"]


def _replace(words: list[str], _clock: Clock) -> list[str]:
    file, was, now = words
    Path(file).write_text(Path(file).read_text().replace(was, now))
    return [f"$ sed -i 's/{was}/{now}/' {file}"]


def _counted(_words: list[str], clock: Clock) -> list[str]:
    counts = {name: (Rate(4, 4000), Rate(40, 36000)) for name in ("error", "flagged", "slow")}
    with Home.open(Path("home"), clock=clock) as home:
        canary = {name: one for name, (one, _) in counts.items()}
        watch_canary(home, Task.DOMAIN, canary, {name: one for name, (_, one) in counts.items()})
    return ["$ # a week in which the canary judged 4,000 names and the live model 36,000"]


_STAGED: dict[str, Callable[[list[str], Clock], list[str]]] = {
    "later": _later, "tamper": _tamper, "save": _save, "replace": _replace, "counted": _counted,
}  # fmt: skip
"""What the walk needs and no command of Hauberk's does."""


@contextmanager
def surroundings(clock: Clock) -> Iterator[None]:
    """An empty folder to work in, with two versions of a small model made beforehand."""
    before, now = Path.cwd(), acting.clock
    environment = {"HAUBERK_HOME": "home", "HAUBERK_KEYS": "keys", "COLUMNS": "100", "TERM": "dumb"}
    kept = {name: os.environ.get(name) for name in environment}
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(environment)
        os.chdir(folder)
        acting.clock = clock
        making = runpy.run_path(str(MAKING))
        making["tiny_model"](Path("candidate"))
        louder = making["model_json"]()["thresholds"] | {"alert": 0.95}
        making["tiny_model"](Path("candidate-2"), version="1.1.0", thresholds=louder)
        try:
            yield
        finally:
            acting.clock = now
            os.chdir(before)
            for name, value in kept.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def page() -> str:
    """The template with each command followed by what it printed."""
    clock = Clock()

    def answered(found: re.Match[str]) -> str:
        lines = [line for command in found[1].splitlines() for line in run(command, clock)]
        return "\n".join(["```console", *(line.rstrip() for line in lines), "```\n"])

    with surroundings(clock):
        return _COMMAND.sub(answered, TEMPLATE.read_text("utf-8"))


def same(one: str, other: str) -> bool:
    """Whether two pages say the same, what chance gives aside."""
    return _CHANCE.sub("*", one) == _CHANCE.sub("*", other)


def write() -> int:
    """Write the page, or check it."""
    made = page()
    if PAGE.exists() and same(PAGE.read_text("utf-8"), made):
        return 0
    if "--check" in sys.argv:
        print("docs/governance.md is not what the commands print: python docs/walk_governance.py")
        return 1
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(write())
