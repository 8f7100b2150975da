"""Hauberk's Sigma matching beside its peers, on the same events and rules, in one run.

    python -m benchmarks.sigma [--events N] [--hostile N] [--inputs DIR] [--zircolite DIR]
                               [--peer-python PYTHON] [--oracle] [--quick]

CPU seconds, not wall seconds, are compared, each side in a process of its own, and start-up is that
of a second run: rules compiled, queries converted. Every side judges every event; the peers a tenth
of them as well, which shows how their cost grows. That takes half an hour, and the peers' tables
6 KiB of memory an event; `--quick` takes three minutes. With `--oracle`, hits are compared one by
one instead and docs/sigma-differences.md is written.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.captures import unpack
from benchmarks.run import revision

from .events import diverse_events, hostile_events, real_events
from .oracle import compare
from .page import page
from .queries import queries
from .zircolite import run_zircolite

ROOT = Path(__file__).resolve().parents[2]
PEER = Path(__file__).with_name("sqlite_peer.py")
PAGE = ROOT / "docs" / "sigma-speed.md"
DIFFERENCES = ROOT / "docs" / "sigma-differences.md"

PAIRS = 5
"""Runs with half of the rules and with all of them, by turns."""

TWICE = 60_000
"""Events of each of those runs."""

ZIRCOLITE = 20_000
"""Events that Zircolite itself judges, where a checkout is given."""

Figures = dict[str, object]


def said(command: list[str]) -> Figures:
    """What a process prints as its last line."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def hauberk(cache: Path, events: Path, count: int, once: int, rules: str, *how: str) -> Figures:
    """Hauberk's second run over a file of events."""
    where = [str(cache), str(events), str(count), str(once), rules]
    return said([sys.executable, "-m", "benchmarks.sigma.hauberk_run", *where, *how])


def peer(python: str, asked: Path, events: Path, count: int, *more: str) -> Figures:
    """The queries on SQLite over the first events of a file."""
    return said([python, str(PEER), str(asked), str(events), str(count), *more])


def main() -> None:
    """Measure or compare, as asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--events", type=int, default=600_000)
    parser.add_argument("--hostile", type=int, default=60_000, help="hostile events")
    parser.add_argument("--inputs", type=Path, help="keep the inputs here, and use what is there")
    parser.add_argument("--zircolite", type=Path, help="a checkout of Zircolite (and .venv)")
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--oracle", action="store_true", help="compare hits; measure nothing")
    parser.add_argument("--quick", action="store_true", help="small inputs; writes no page")
    asked = parser.parse_args()
    if asked.quick:
        asked.events, asked.hostile = 40_000, 5_000
    with ExitStack() as stack:
        folder = asked.inputs or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        every = unpack("sigma-rules", folder)
        if asked.oracle:
            text = compare(every, diverse_events(folder, 25_000), folder, asked.peer_python)
            DIFFERENCES.write_text(text, "utf-8")
            return
        figures = measured(asked, folder, every)
        print(page(figures))
        if not asked.quick:
            PAGE.write_text(page(figures), "utf-8")


def measured(asked: argparse.Namespace, folder: Path, every: Path) -> dict[str, Figures]:
    """Every figure of the page."""
    windows = str(every / "rules" / "windows")
    events, once = real_events(folder, asked.events)
    cache = folder / "cache"
    hauberk(cache, events, 1, 1, windows)  # the first run compiles
    found: dict[str, Figures] = {
        "about": {"revision": revision(), "once": once, "python": sys.version.split()[0]},
        "real": hauberk(cache, events, asked.events, once, windows, "--again"),
        "real, pure": hauberk(cache, events, asked.events, once, windows, "--again", "--pure"),
    }
    sql = queries(Path(windows), folder, keywords=False)
    every_sql = queries(Path(windows), folder, keywords=True)
    left_out = len(_rules_of(every_sql)) - len(_rules_of(sql))
    found["about"] |= {"keyword_rules": left_out}

    def beside(events: Path, count: int, prefix: str = "") -> None:
        """All peers over the first events of a file."""
        for name, asked_for, *how in (
            ("SQLite", every_sql),
            ("SQLite, no keywords", sql),
            ("every field", sql, "--all-fields"),
        ):
            ran = peer(asked.peer_python, Path(asked_for), events, count, *map(str, how))
            found[f"{prefix}{name} {count}"] = ran

    for count in (asked.events // 10, asked.events):
        beside(events, count)
    count = asked.hostile
    hostile = hostile_events(folder, max(20_000, count))
    found["hostile"] = hauberk(cache, hostile, count, count, windows)
    found["hostile, pure"] = hauberk(cache, hostile, count, count, windows, "--pure")
    beside(hostile, count, "hostile ")
    halves = str(_halves(every / "rules" / "windows", folder))
    for rules in (halves, windows):
        hauberk(cache, events, 1, 1, rules)
    for pair in range(PAIRS):
        for name, rules in (("half", halves), ("all", windows)):
            found[f"{name} {pair}"] = hauberk(cache, events, TWICE, TWICE, rules)
    few = min(ZIRCOLITE, count)
    found["zircolite"] = run_zircolite(asked.zircolite, sql, events, folder, ZIRCOLITE)
    found["zircolite, hostile"] = run_zircolite(asked.zircolite, sql, hostile, folder, few)
    if asked.zircolite:  # compared over as many events
        found["real, sample"] = hauberk(cache, events, ZIRCOLITE, ZIRCOLITE, windows)
        found["hostile, sample"] = hauberk(cache, hostile, few, few, windows)
    return found


def _rules_of(asked: Path) -> set[str]:
    """Rules that queries were made of."""
    return {uid for uid, _ in json.loads(asked.read_text())["sql"]}


def _halves(rules: Path, folder: Path) -> Path:
    """Every second rule."""
    target = folder / "half-rules"
    if not target.exists():
        target.mkdir()
        for path in sorted(rules.rglob("*.yml"))[::2]:
            (target / path.name).write_bytes(path.read_bytes())
    return target


if __name__ == "__main__":
    main()
