"""A watch in a process of its own, and what it says of itself."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hauberk.errors import HauberkError
from hauberk.store import Home

PATIENCE = 60.0  # of a machine that does much else

IMPATIENT = (
    "import hauberk.pipeline.bounded as b, hauberk.pipeline.behind as h;"
    "b.HANG_SECONDS = b.ENDING_SECONDS = 2.0; h.STUCK_SECONDS = 2.0;"
    "from hauberk.cli import main; main()"
)
"""The command line, with bounds that a test can wait for."""


def wait(done: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)


def line(number: int, second: int = 0) -> str:
    """A failed sign-in that no other is equal to."""
    return (
        f"Mar  1 12:{number // 60 % 60:02}:{number % 60:02} web1 sshd[{number}]: Failed password"
        f" for root from 192.0.2.{number % 250} port {1000 + number} ssh2\n"
    )


def write(log: Path, numbers: range) -> None:
    with log.open("a") as file:
        file.writelines(map(line, numbers))


def lines_of(home: Path) -> Counter[str]:
    """Every record of the lake, and how often it is there; Hauberk's own are left out."""
    with Home.open(home, read_only=True) as opened:
        stored = Counter(
            text.decode()
            for event_class in opened.lake.event_classes()
            for text in opened.lake.scan(event_class, ["raw_data"]).collect()["raw_data"]
        )
    return Counter({text: n for text, n in stored.items() if '"hauberk"' not in text})


def expected(numbers: range) -> Counter[str]:
    return Counter(line(one).rstrip("\n") for one in numbers)


def records(home: Path) -> int:
    """Records that are stored; 0 while there is no home, or its server is gone."""
    if not home.exists():
        return 0
    try:
        with Home.open(home, read_only=True) as opened:
            return sum(one.records for one in opened.records.accounting())
    except HauberkError:
        return 0


@dataclass
class Watch:
    """`hauberk watch`; `within` goes before the command (a namespace)."""

    home: Path
    paths: Sequence[Path]
    out: Path
    program: str = "from hauberk.cli import main; main()"
    environment: Mapping[str, str] = field(default_factory=dict)
    within: Sequence[str] = ()
    process: "subprocess.Popen[bytes] | None" = None

    def start(self, *more: object) -> None:
        command = [*self.within, sys.executable, "-c", self.program, "watch", *self.paths,
                   "--home", self.home, "--every", "1", "--status", "1", *more]  # fmt: skip
        with self.out.open("ab") as out:
            self.process = subprocess.Popen(
                [str(one) for one in command], stdout=out, stderr=out,
                env={**os.environ, **self.environment},
            )  # fmt: skip

    def said(self) -> str:
        return self.out.read_text("utf-8", "replace") if self.out.exists() else ""

    def pace(self) -> dict[str, Any]:
        """Its newest report."""
        for one in reversed(self.said().splitlines()):
            if one.startswith('{"pace"'):
                with contextlib.suppress(ValueError):
                    found: dict[str, Any] = json.loads(one)["pace"]
                    return found
        return {}

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait(self, done: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        """Wait for something that cannot come once it has died."""

        def ended() -> object:
            found = done()
            assert found or self.alive, f"it died before {what}: {self.said()[-2000:]}"
            return found

        wait(ended, what, seconds)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def watching(folder: Path, home: Path, *paths: Path, **given: Any) -> Iterator[Watch]:
    made = Watch(home, paths, folder / "out", **given)
    try:
        yield made
    finally:
        if made.alive:
            made.kill()
