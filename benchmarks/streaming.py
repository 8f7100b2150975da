"""How long from a record's arrival to its finding, while `hauberk watch` keeps up with a rate.

    python -m benchmarks.streaming [--rate 20000] [--seconds 60] [--rules DIR] [--inputs DIR]

A writer appends real Windows events to a file, a twentieth of a second's worth at a time. Twenty
times a second one of them is a probe: an event that a shipped rule fires on, on a host of its own.
The time from the write of a probe to the line with its finding on the watch's standard output is
what is measured, start-up left out. One line of JSON is appended to benchmarks/history.jsonl.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import numpy as np

from .captures import unpack
from .inputs import windows_json

HISTORY = Path(__file__).with_name("history.jsonl")
SLICES = 20
WARM_UP = 10.0
"""Seconds at the rate that are not counted: the first second of any process is its slowest."""

RUN = "from hauberk.cli import main; main()"


def probe(number: int) -> bytes:
    """An event on which the rule for deleted shadow copies fires."""
    data = {
        "Image": r"C:\Windows\System32\vssadmin.exe",
        "CommandLine": "vssadmin delete shadows /all /quiet",
        "User": r"CORP\kim",
    }
    record = {
        "@timestamp": datetime.now(UTC).isoformat(),
        "winlog": {
            "channel": "Microsoft-Windows-Sysmon/Operational",
            "event_id": 1,
            "computer_name": f"probe{number}",
            "event_data": data,
        },
    }
    return json.dumps(record).encode() + b"\n"


class Writer(threading.Thread):
    """Appends events at a rate; `sent` holds the time of each probe's write."""

    def __init__(self, target: Path, lines: list[bytes], rate: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self.sent: dict[str, float] = {}
        self.written = 0
        self.late = 0.0
        self._target, self._rate, self._seconds = target, rate, seconds
        self._pieces = self._cut(lines, rate // SLICES)

    @staticmethod
    def _cut(lines: list[bytes], each: int) -> Iterator[bytes]:
        cut = [b"".join(lines[at : at + each]) for at in range(0, len(lines) - each + 1, each)]
        return cycle(cut)

    def run(self) -> None:
        """Write until the time is over."""
        began = time.perf_counter()
        with self._target.open("ab", buffering=0) as file:
            for number in range(int(self._seconds * SLICES)):
                due = began + number / SLICES
                time.sleep(max(0.0, due - time.perf_counter()))
                self.late = max(self.late, time.perf_counter() - due)
                self.sent[f"probe{number}"] = time.perf_counter()
                file.write(next(self._pieces) + probe(number))
                self.written += self._rate // SLICES + 1


def measure(rate: int, seconds: float, rules: list[Path], root: Path) -> dict[str, object]:
    """Run a watch beside a writer and give the latencies of its probes."""
    (source,) = windows_json(root, 300_000)
    lines = source.read_bytes().splitlines(keepends=True)
    heard: dict[str, float] = {}
    ready = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder, "logs")
        logs.mkdir()
        target = logs / "events.json"
        target.write_bytes(probe(-1))
        command = [sys.executable, "-c", RUN, "watch", str(logs), "--json"]
        command += ["--home", str(Path(folder, "home")), "--every", "600"]
        command += [part for one in rules for part in ("--rules", str(one))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as watch:
            assert watch.stdout is not None
            listening = threading.Thread(
                target=_listen, args=(watch.stdout, heard, ready), daemon=True
            )
            listening.start()
            ready.wait()
            writer = Writer(target, lines, rate, seconds + WARM_UP)
            writer.start()
            writer.join()
            ended = time.perf_counter()
            while len(heard) <= len(writer.sent) and time.perf_counter() - ended < 60:
                time.sleep(0.1)
            peak = _peak(watch.pid)
            watch.terminate()
            watch.wait()
    counted = [name for name in writer.sent if int(name[5:]) >= WARM_UP * SLICES]
    waits = np.array([heard[name] - writer.sent[name] for name in counted if name in heard])
    return {
        "benchmark": "streaming",
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "rate": rate,
        "seconds": seconds,
        "written": writer.written,
        "probes": len(counted),
        "heard": len(waits),
        "p50": round(float(np.quantile(waits, 0.5)), 3),
        "p99": round(float(np.quantile(waits, 0.99)), 3),
        "max": round(float(waits.max()), 3),
        "writer_late": round(writer.late, 3),
        "peak_mib": peak,
    }


def _listen(lines: Iterator[bytes], heard: dict[str, float], ready: threading.Event) -> None:
    for line in lines:
        now = time.perf_counter()
        if b"probe" not in line:
            continue
        ready.set()
        for one in json.loads(line)["observables"]:
            if one["value"].startswith("probe"):
                heard.setdefault(one["value"], now)


def _peak(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) >> 10
    return 0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=int, default=20_000, help="records a second")
    parser.add_argument("--seconds", type=float, default=60.0, help="measured, after a warm-up")
    parser.add_argument("--rules", type=Path, help="a rule tree; SigmaHQ's Windows rules without")
    parser.add_argument("--inputs", type=Path, default=Path(tempfile.gettempdir(), "hauberk-bench"))
    parser.add_argument("--record", action="store_true", help="append to history.jsonl")
    given = parser.parse_args()
    given.inputs.mkdir(parents=True, exist_ok=True)
    rules = given.rules or unpack("sigma-rules", given.inputs)
    found = measure(given.rate, given.seconds, [rules], given.inputs)
    print(json.dumps(found, indent=2))
    if given.record:
        with HISTORY.open("a") as history:
            history.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
