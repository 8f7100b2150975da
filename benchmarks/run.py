"""How fast Hauberk scans, and in how much memory, beside a bare parse of the same bytes.

    python -m benchmarks.run [--quick] [--large] [--only NAME ...] [--runs N] [--inputs DIR]

Every run is a process of its own with a fresh home. One line of JSON a benchmark is appended to
benchmarks/history.jsonl, and docs/performance.md is written from the newest line of each.
"""

import argparse
import atexit
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

from .captures import SHARED
from .inputs import alerts, windows_copies, windows_json, zeek_conn
from .performance_page import page

ROOT = Path(__file__).resolve().parents[1]
HISTORY = Path(__file__).with_name("history.jsonl")
PAGE = ROOT / "docs" / "performance.md"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One claim: what is scanned, how much of it, and the bare parse beside it."""

    name: str
    title: str
    data_set: str
    make: Callable[[Path, int], list[Path]]
    records: int
    quick_records: int
    peer: str | None  # of `measured`
    large: bool = False  # measured only when asked for: minutes and gigabytes


BENCHMARKS = (
    Benchmark("windows-json", "Windows events, JSON lines", "win-otrf-atomic",
              windows_json, 300_000, 50_000, "json"),
    Benchmark("zeek-conn", "Zeek connections, tab-separated", "zeek-iot23",
              zeek_conn, 2_000_000, 200_000, "tsv"),
    Benchmark("alerts-csv", "Alerts of other products, CSV", "soc-ait-ads",
              alerts, 500_000, 50_000, "csv"),
    Benchmark("zeek-conn-large", "Zeek connections, ten million", "zeek-iot23",
              zeek_conn, 10_000_000, 1_000_000, None, large=True),
    Benchmark("windows-json-large", "Windows events, three million", "win-otrf-atomic",
              windows_copies, 3_000_000, 500_000, None, large=True),
    Benchmark("one-record", "One record: what every scan costs", "zeek-iot23",
              zeek_conn, 1, 1, None),
)  # fmt: skip


@cache
def _environment() -> dict[str, str]:
    """The environment of a run: modules are compiled once, as they are where Hauberk is installed.

    A checkout may be told to keep none compiled, and then pays a second and a half at every start.
    """
    compiled = tempfile.mkdtemp(prefix="hauberk-compiled-")
    atexit.register(shutil.rmtree, compiled, ignore_errors=True)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": compiled}


def timed(kind: str, paths: Sequence[Path]) -> dict[str, object]:
    """One run in a process of its own: its wall and CPU seconds, peak memory, and what it says."""
    command = [sys.executable, "-m", "benchmarks.measured", kind, *map(str, paths)]
    began = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, env=_environment())
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        out.seek(0)
        said: dict[str, object] = json.loads(out.read())
    if "home" in said:
        shutil.rmtree(str(said.pop("home")))
    return {
        "wall_s": round(wall, 3),
        "cpu_s": round(used.ru_utime + used.ru_stime, 3),
        "memory_mib": round(used.ru_maxrss / 1024),
        **said,
    }


def measure(
    benchmark: Benchmark, folder: Path, runs: int, *, quick: bool
) -> dict[str, object] | None:
    """Runs of the scan and of its peer in turn; None where the data set is absent."""
    if not (SHARED / f"{benchmark.data_set}.tar.gz").exists():
        print(f"{benchmark.name}: skipped, there is no {benchmark.data_set}.tar.gz in {SHARED}")
        return None
    wanted = benchmark.quick_records if quick else benchmark.records
    paths = benchmark.make(folder, wanted)
    scans, peers = [], []
    for number in range(1 if benchmark.large else runs):
        scans.append(timed("scan", paths))
        if benchmark.peer is not None:
            peers.append(timed(benchmark.peer, paths))
        print(f"{benchmark.name} {number + 1}: {_line(scans[-1])}", flush=True)
    return {
        "benchmark": benchmark.name,
        "title": benchmark.title,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": revision(),
        "machine": machine(),
        "quick": quick,
        "bytes": sum(path.stat().st_size for path in paths),
        "peer": benchmark.peer,
        "scans": scans,
        "peers": peers,
    }


def _line(run: dict[str, object]) -> str:
    rate = int(str(run["records"])) / float(str(run["wall_s"]))
    return (
        f"{run['records']:,} records in {run['wall_s']} s ({rate:,.0f}/s), "
        f"CPU {run['cpu_s']} s, {run['memory_mib']:,} MiB"
    )


def revision() -> str:
    """The commit that is measured, marked where its files have been changed since."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def machine() -> dict[str, object]:
    """What it ran on, without a name."""
    try:
        facts = Path("/proc/cpuinfo").read_text("utf-8")
        names = [
            line.split(":", 1)[1].strip() for line in facts.splitlines() if "model name" in line
        ]
    except OSError:
        names = []
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": names[0] if names else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "polars": version("polars"),
    }


def main() -> None:
    """Measure, append to the history, write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="small inputs, one run, no history")
    parser.add_argument("--large", action="store_true", help="also the runs of minutes")
    parser.add_argument("--only", nargs="+", choices=[one.name for one in BENCHMARKS])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--inputs", type=Path, help="keep the inputs here, and use what is there")
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = asked.inputs or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        _warm(folder)
        for one in BENCHMARKS:
            if one.name not in asked.only if asked.only else one.large and not asked.large:
                continue
            figures = measure(one, folder, 1 if asked.quick else asked.runs, quick=asked.quick)
            if figures is not None and not asked.quick:
                with HISTORY.open("a", encoding="utf-8") as history:
                    history.write(json.dumps(figures, sort_keys=True) + "\n")
    if not asked.quick and HISTORY.exists():
        lines = HISTORY.read_text("utf-8").splitlines()
        PAGE.write_text(page([json.loads(line) for line in lines]), "utf-8")


def _warm(folder: Path) -> None:
    """Scan one line, so that the rules are compiled before anything is timed."""
    line = folder / "one.json"
    line.write_text('{"EventID": 1, "Channel": "Security", "@timestamp": "2024-01-01T00:00:00Z"}\n')
    timed("scan", [line])


if __name__ == "__main__":
    main()
