"""Running systems in tests: real processes in homes of their own, and none left behind."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE = 240.0  # of a machine that does much else


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


def wait(done: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state not in "ZX"
    return False


def hauberk(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hauberk.cli", *map(str, arguments)],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


@dataclass
class System:
    """`hauberk up` of one home; `out` is what it says."""

    home: Path
    logs: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    seen: set[int] = field(default_factory=set)

    @property
    def out(self) -> Path:
        return self.home.parent / "out"

    def start(self, *arguments: object, watch: bool = True, **environment: str) -> None:
        """Start it, and wait until all is up; without `watch` there is the console alone."""
        followed = [self.logs] if watch else []
        given = [*followed, "--home", self.home, "--listen", f"127.0.0.1:{self.port}", *arguments]
        with self.out.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hauberk.cli", "up", *map(str, given)],
                stdout=out, stderr=out, env={**os.environ, **environment},
            )  # fmt: skip
        wait(lambda: self.status().get("state") == "up", "everything to be up")

    def status(self) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads((self.home / "run" / "status.json").read_bytes())
            self.seen.update(one["pid"] for one in found["parts"] if one["pid"])
            return found
        return {}

    def part(self, name: str) -> dict[str, Any]:
        found = [one for one in self.status().get("parts", []) if one["name"] == name]
        return found[0] if found else {}

    def said(self) -> str:
        return self.out.read_text()

    def end(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def left(self) -> list[int]:
        """Processes of this system that still run."""
        self.status()
        return [one for one in self.seen if alive(one)]


@contextlib.contextmanager
def system(folder: Path) -> Iterator[System]:
    logs = folder / "logs"
    logs.mkdir()
    made = System(folder / "home", logs)
    try:
        yield made
    finally:
        made.status()
        if made.process is not None and made.process.poll() is None:
            made.process.kill()
            made.process.wait()
        with contextlib.suppress(AssertionError):
            wait(lambda: not made.left(), "the parts to end", 20)
        for pid in made.left():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
