"""A whole system under load for a long time, with parts of it killed at random moments.

    python -m benchmarks.soak --minutes 60 --rate 10000 --people 10 --kills 20 --out DIR [--page]

`hauberk up` runs watch and console over followed files, an HTTP and a syslog source, and is started
as systemd would (see `service_manager`); senders and people are processes of their own. At random
moments of the first six tenths watch, console or supervisor are killed (SIGKILL); the rest is
undisturbed, so that memory can be looked at. At the end every record that was sent is looked for in
the lake. DIR has `samples.jsonl` (every 5 s), `pages.jsonl`, `probes.jsonl`, `kills.jsonl`,
`summary.json`, `soak.svg`; --page puts them into docs/soak.md.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hauberk.console import Console, totp
from hauberk.console.passwords import Cost
from hauberk.console.permissions import Role
from hauberk.serve import read_status

from . import soak_people, soak_senders
from .inputs import windows_json
from .service_manager import ServiceManager
from .soak_summary import summarise, write_page

SAMPLE_SECONDS = 5.0
KILLED_UNTIL = 0.6
"""Share of the time in which there are kills."""

VICTIMS = ("watch", "watch", "console", "supervisor")
RUN = "from hauberk.cli import main; main()"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Soak:
    """One soak, as it runs."""

    out: Path
    minutes: float
    rate: int
    people: int
    kills: int
    inputs: Path
    seed: int = 0
    up: "subprocess.Popen[bytes] | None" = None
    ports: dict[str, int] = field(default_factory=dict)
    began: float = 0.0
    ending: threading.Event = field(default_factory=threading.Event)
    manager: ServiceManager = field(default_factory=ServiceManager)

    @property
    def home(self) -> Path:
        """Where all is kept."""
        return self.out / "home"

    @property
    def logs(self) -> Path:
        """What is followed."""
        return self.out / "logs"

    def run(self) -> dict[str, Any]:
        """Run it whole; the summary."""
        self.logs.mkdir(parents=True)
        self.ports = {name: _free_port() for name in ("http", "tcp", "console")}
        self._settings()
        token = self._token()
        self._start()
        self._wait_up(180)
        address, ca = f"https://localhost:{self.ports['console']}", self.home / "console/ca.pem"
        known = self._accounts()
        (lines,) = windows_json(self.inputs, 60_000)
        sending = soak_senders.Config(
            self.rate, str(lines), str(self.logs), str(self.out),
            self.ports["http"], token, self.ports["tcp"],
        )  # fmt: skip
        reading = soak_people.Config(address, str(ca), str(self.out), known)
        self.began = time.time()
        probes = threading.Thread(target=self._hear, daemon=True)
        sampling = threading.Thread(target=self._sample, daemon=True)
        deleting = threading.Thread(target=self._delete, daemon=True)
        senders = self._beside("soak_senders", asdict(sending))
        people = self._beside("soak_people", asdict(reading))
        for one in (probes, sampling, deleting):
            one.start()
        try:
            self._kill_and_wait()
            people.terminate()
            self._keep_up()
            seconds = time.time() - self.began
            senders.terminate()
            senders.wait(120)
            drained = self._drain()
        finally:
            self.ending.set()
            for process in (senders, people):
                process.kill()
                process.wait()
            sampling.join(20)
            self._end()
        probes.join(10)
        return summarise(self.out, {**asdict_of(self), "seconds": round(seconds)}, drained)

    def _settings(self) -> None:
        self.home.mkdir(mode=0o700)
        text = (
            f'[watch]\npaths = ["{self.logs}"]\n'
            f'[sources.app]\nkind = "http"\nlisten = "127.0.0.1:{self.ports["http"]}"\n'
            f'[sources.hosts]\nkind = "syslog"\ntransport = "tcp"\n'
            f'listen = "127.0.0.1:{self.ports["tcp"]}"\n'
        )
        file = self.home / "hauberk.toml"
        file.write_text(text)
        file.chmod(0o600)

    def _token(self) -> str:
        command = [sys.executable, "-c", RUN, "sources", "token", "app", "--home", str(self.home)]
        told = subprocess.run(command, check=True, capture_output=True, text=True)
        return told.stdout.split()[0]

    def _accounts(self) -> dict[str, str]:
        """People who may do everything that is asked here, made a minute ago."""
        console = Console.of(self.home, cost=Cost(1, 8, 1))
        then = datetime.now(UTC) - timedelta(seconds=90)
        made = {}
        for number in range(self.people):
            name = f"person{number}"
            token = console.accounts.invite(name, [Role.ANALYST], "soak", then)
            secret = console.accounts.invitation(token, then).secret
            code = totp.code_at(secret, totp.step_of(then))
            word = soak_people.PASSWORD
            console.accounts.accept(token, "", word, word, code, (), then)
            made[name] = secret.hex()
        return made

    def _start(self) -> None:
        command = [sys.executable, "-c", RUN, "up", "--home", str(self.home), "--listen",
                   f"127.0.0.1:{self.ports['console']}"]  # fmt: skip
        with (self.out / "up.log").open("ab") as out:
            self.up = self.manager.start(command, out)

    def _beside(self, module: str, config: Mapping[str, Any]) -> "subprocess.Popen[bytes]":
        file = self.out / f"{module}.json"
        file.write_text(json.dumps(config))
        file.chmod(0o600)
        with (self.out / f"{module}.log").open("ab") as log:
            command = [sys.executable, "-m", f"benchmarks.{module}", str(file)]
            return subprocess.Popen(command, stdout=log, stderr=log)

    def _wait_up(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.up is not None and self.up.poll() is not None:  # its parts were still ending
                time.sleep(1)
                self._start()
            if read_status(self.home).healthy:
                return True
            time.sleep(0.2)
        return False

    def _kill_and_wait(self) -> None:
        """Kill at random moments, and note how long it took until all was up again."""
        chance = random.Random(self.seed)  # noqa: S311  # of moments, not of keys
        length = self.minutes * 60
        first = min(20.0, length / 6)
        moments = sorted(chance.uniform(first, length * KILLED_UNTIL) for _ in range(self.kills))
        with (self.out / "kills.jsonl").open("a", buffering=1) as log:
            for number, moment in enumerate(moments):
                self._sleep_until(self.began + moment)
                victim = VICTIMS[number % len(VICTIMS)]
                at = time.time()
                if not self._kill(victim):
                    continue
                again = self._wait_up(180)
                told = {"t": at, "victim": victim, "up_after": round(time.time() - at, 2),
                        "up": again}  # fmt: skip
                log.write(json.dumps(told) + "\n")
        self._sleep_until(self.began + length)

    def _sleep_until(self, moment: float) -> None:
        time.sleep(max(0.0, moment - time.time()))

    def _kill(self, victim: str) -> bool:
        if victim == "supervisor":
            assert self.up is not None
            self.up.kill()
            self.up.wait()
            self._start()
            return True
        pids = [one.pid for one in read_status(self.home).parts if one.name == victim and one.pid]
        with contextlib.suppress(ProcessLookupError):
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
        time.sleep(1.5)  # until the supervisor says so
        return bool(pids)

    def _keep_up(self) -> None:
        self._wait_up(180)

    def _drain(self) -> bool:
        """Wait until all that was sent is read."""
        until, quiet = time.monotonic() + 600, 0
        before = -1
        while time.monotonic() < until and quiet < 3:
            time.sleep(3)
            report = self._report()
            records = int(report.get("records") or 0)
            quiet = quiet + 1 if report.get("behind") == 0 and records == before else 0
            before = records
        return quiet >= 3

    def _report(self) -> Mapping[str, Any]:
        parts = [one for one in read_status(self.home).parts if one.name == "watch"]
        return (parts[0].report if parts else None) or {}

    def _end(self) -> None:
        assert self.up is not None
        self.up.terminate()
        try:
            self.up.wait(200)
        except subprocess.TimeoutExpired:
            self.up.kill()

    def _hear(self) -> None:
        """Note when the finding of each probe was told: the supervisor stamps the watch's words."""
        with (self.out / "heard.jsonl").open("a", buffering=1) as log:
            for line in _followed(self.home / "run" / "watch.log", self.ending):
                at = line.find(" on probe")
                if at > 0:
                    number = line[at + 9 :].split(" ", 1)[0]
                    told = datetime.fromisoformat(line.split(" ", 1)[0]).timestamp()
                    if number.isdigit():
                        log.write(json.dumps({"probe": int(number), "heard": told}) + "\n")

    def _sample(self) -> None:
        with (self.out / "samples.jsonl").open("a", buffering=1) as log:
            while not self.ending.wait(SAMPLE_SECONDS):
                log.write(json.dumps(self._sampled()) + "\n")

    def _sampled(self) -> dict[str, Any]:
        status, report = read_status(self.home), self._report()
        pids = {one.name: one.pid for one in status.parts if one.pid}
        if self.up is not None:
            pids["supervisor"] = self.up.pid
        names = ("records", "behind", "findings", "commits", "round_seconds", "troubles")
        return {
            "t": time.time(),
            "state": str(status.state),
            "parts": {name: {"pid": pid, **_use(pid, name)} for name, pid in pids.items()},
            "watch": {name: report.get(name) for name in names},
            "home_mib": shutil.disk_usage(self.home).used >> 20,
        }

    def _delete(self) -> None:
        """Delete followed files that the home holds to their last byte."""
        while not self.ending.wait(10.0):
            with contextlib.suppress(sqlite3.Error, OSError):
                for file in sorted(self.logs.iterdir())[:-1]:
                    if _stored_bytes(self.home, str(file)) >= file.stat().st_size:
                        file.unlink()


def asdict_of(soak: Soak) -> dict[str, Any]:
    """What was asked of it."""
    return {
        "minutes": soak.minutes, "rate": soak.rate, "people": soak.people, "kills": soak.kills,
        "began": soak.began, "seed": soak.seed,
    }  # fmt: skip


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


def _use(pid: int, name: str) -> dict[str, float]:
    """Memory (MiB) of a part, and CPU seconds with those of its children (EVTX)."""
    used = {"rss": 0.0, "cpu": 0.0}
    children = [] if name == "supervisor" else _children(pid)  # they are parts themselves
    for one in (pid, *children):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            used["cpu"] += (int(fields[11]) + int(fields[12])) / _TICKS
            if one == pid:
                used["rss"] = int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
    return used


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _stored_bytes(home: Path, source: str) -> int:
    with contextlib.closing(
        sqlite3.connect(f"file:{home}/records.sqlite3?mode=ro", uri=True)
    ) as db:
        query = "SELECT coalesce(sum(length), 0) FROM batches WHERE source = ?"
        return int(db.execute(query, (source,)).fetchone()[0])


def _followed(path: Path, ending: threading.Event) -> Iterator[str]:
    """Lines of a log that is turned, as they come."""
    file = None
    rest = ""
    while not ending.is_set():
        if file is None:
            with contextlib.suppress(OSError):
                file = path.open("r", encoding="utf-8", errors="replace")
        data = file.read(1 << 16) if file is not None else ""
        if data:
            *lines, rest = (rest + data).split("\n")
            yield from lines
            continue
        with contextlib.suppress(OSError):
            if file is not None and os.fstat(file.fileno()).st_ino != path.stat().st_ino:
                file, rest = None, ""
                continue
        ending.wait(0.05)


def main() -> None:
    """Soak, and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=10_000, help="records a second, in all")
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--out", type=Path, help="a folder that is not there yet")
    parser.add_argument("--inputs", type=Path, default=Path(tempfile.gettempdir(), "hauberk-bench"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", action="store_true", help="write docs/soak.md")
    given = parser.parse_args()
    out = given.out or Path(tempfile.mkdtemp(prefix="soak-")) / "out"
    given.inputs.mkdir(parents=True, exist_ok=True)
    soak = Soak(
        out.absolute(), given.minutes, given.rate, given.people, given.kills, given.inputs,
        given.seed,
    )  # fmt: skip
    with soak.manager:
        found = soak.run()
    print(json.dumps(found, indent=2))
    if given.page:
        write_page(out, found)
    sys.exit(0 if found["exact"] else 1)


if __name__ == "__main__":
    main()
