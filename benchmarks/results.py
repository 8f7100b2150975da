"""How well Hauberk finds what is in the captures: every set, one command, misses shown as misses.

    python -m benchmarks.results [--sets NAME ...] [--rules DIR] [--limit N] [--no-write]

Each capture is scanned alone, in a fresh home, without a baseline and without any setting. It
counts as found when an incident ranked first to third names its technique. Raw outcomes go to
docs/results.jsonl, the table to docs/results.md.
"""

import argparse
import json
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import polars as pl

from hauberk.errors import HauberkError
from hauberk.pipeline import Scan, ScanOptions, scan
from hauberk.pipeline.surrounding import each_around
from hauberk.store import Home
from hauberk.triage import Incident, evidence_bits

from . import emulated
from .captures import SETS, Capture, named, unpack
from .outcomes import TOP, TOP_OF_ESTATE, WORTH, EstateOutcome, Outcome
from .results_page import page

ROOT = Path(__file__).resolve().parents[1]
ESTATES = "soc-ait-ads"


def run(capture: Capture, rules: Sequence[Path] = ()) -> Outcome:
    """Scan one capture in a home of its own."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        paths = list(capture.paths)
        if capture.clean is not None:
            paths = [_cleaned(path, Path(folder) / "in", capture) for path in paths]
        try:
            answer = scan(ScanOptions(paths=paths, home=Path(folder) / "home", rules=rules))
        except HauberkError as error:
            return _failed(capture, error.what, time.perf_counter() - began)
        except Exception as error:  # noqa: BLE001  # one capture's fault must not hide the others
            return _failed(capture, f"{type(error).__name__}: {error}", time.perf_counter() - began)
    return _outcome(capture, answer, time.perf_counter() - began)


def _cleaned(path: Path, folder: Path, capture: Capture) -> Path:
    folder.mkdir(exist_ok=True)
    target = folder / path.name
    target.write_bytes(capture.clean(path.read_bytes()) if capture.clean else path.read_bytes())
    return target


def _failed(capture: Capture, error: str, seconds: float) -> Outcome:
    return Outcome(
        capture.data_set, capture.name, capture.techniques or capture.tactics, capture.note,
        capture.quiet, None, None, False, False, 0, 0, (), 0, 0, 0.0, seconds, error,
    )  # fmt: skip


def _outcome(capture: Capture, answer: Scan, seconds: float) -> Outcome:
    exact = family = None
    for place, incident in enumerate(answer.incidents, start=1):
        techniques = list(incident.techniques)
        if capture.techniques:
            hit = named(capture.techniques, techniques)
            near = named(capture.techniques, techniques, family=True)
        elif capture.tactics:
            hit = near = bool(set(capture.tactics) & set(incident.tactics))
        else:
            hit = near = bool(techniques)
        exact = exact or (place if hit else None)
        family = family or (place if near else None)
    best = answer.incidents[exact - 1] if exact else None
    headline = bool(
        best and (not capture.techniques or named(capture.techniques, list(best.techniques[:3])))
    )
    reading = answer.accounting
    days = (
        (reading.last - reading.first).total_seconds() / 86400
        if reading.first and reading.last
        else 0.0
    )
    return Outcome(
        capture.data_set,
        capture.name,
        capture.techniques or capture.tactics,
        capture.note,
        capture.quiet,
        exact,
        family,
        headline,
        bool(best and best.above_budget),
        len(answer.incidents),
        len(answer.above),
        tuple(dict.fromkeys(t for one in answer.incidents[:TOP] for t in one.techniques))[:20],
        reading.events,
        reading.rejected,
        days,
        seconds,
    )


def run_estate(path: Path) -> EstateOutcome:
    """Scan the alerts of one estate; labels are read from the raw records of the evidence only."""
    import resource  # noqa: PLC0415  # not on every platform

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        answer = scan(ScanOptions(paths=[path], home=home))
        around = [_around(home, incident) for incident in answer.incidents[:TOP_OF_ESTATE]]
    stages, caused = _stages(path)
    ranks: dict[str, int | None] = dict.fromkeys(stages)
    story_ranks: dict[str, int | None] = dict.fromkeys(stages)
    caused_ranks: dict[str, int | None] = dict.fromkeys(caused)
    telling = answer.findings.filter(evidence_bits(pl.col("surprise")) >= WORTH)
    evidence = dict(answer.findings.select("uid", "evidence").iter_rows())
    for place, incident in enumerate(answer.incidents, start=1):
        counting = set(telling["uid"]).intersection(incident.findings) - set(incident.context)
        for uid in incident.findings:
            for event in evidence[uid]:
                stage, cause = _labels(answer.evidence.get(event, {}).get("raw_data"))
                _first(story_ranks, stage, place)
                if uid in counting:
                    _first(ranks, stage, place)
                    _first(caused_ranks, _caused(stage, cause), place)
    for place, beside in enumerate(around, start=1):
        for stage in beside:
            if stage in stages:
                story_ranks[stage] = min(place, story_ranks[stage] or place)
    reading = answer.accounting
    days = (
        (reading.last - reading.first).total_seconds() / 86400
        if reading.first and reading.last
        else 0.0
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return EstateOutcome(
        path.stem.split("_")[0], reading.records, len(answer.incidents), len(answer.above),
        ranks, days, time.perf_counter() - began, peak, story_ranks, caused_ranks,
    )  # fmt: skip


def _around(home: Path, incident: Incident) -> set[str]:
    """Stages of the alerts that are shown beside an incident without being findings."""
    with Home.open(home, read_only=True) as opened:
        alerts = each_around(opened, incident, ["raw_data"]).collect()
    return {_labels(raw)[0] for raw in alerts["raw_data"]}


def _first(ranks: dict[str, int | None], stage: str, place: int) -> None:
    if stage in ranks and ranks[stage] is None:
        ranks[stage] = place


def _labels(raw: object) -> tuple[str, str]:
    """The stage in whose interval an alert lies, and the step of the attack that caused it."""
    fields = raw.decode("utf-8", "replace").strip().rsplit(",", 2) if isinstance(raw, bytes) else []
    return (fields[1], fields[2]) if len(fields) == 3 else ("", "")


def _caused(stage: str, cause: str) -> str:
    """The stage that an alert was caused by: that of its interval, outside of all its own step."""
    return "" if cause == "-" else cause if stage == "false_positive" else stage


def _stages(path: Path) -> tuple[list[str], list[str]]:
    """Stages in whose intervals there are alerts, and those that any alert was caused by."""
    found: dict[str, None] = {}
    caused: dict[str, None] = {}
    with path.open(encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            stage, cause = line.rstrip("\n").rsplit(",", 2)[1:]
            if stage != "false_positive":
                found[stage] = None
            if cause != "-":
                caused[_caused(stage, cause)] = None
    return list(found), list(caused)


def _work(task: tuple[Capture, tuple[Path, ...]]) -> Outcome:
    return run(*task)


def measure(sets: Iterable[str], rules: tuple[Path, ...], limit: int | None) -> list[Outcome]:
    """Scan every capture of the sets, in as many processes as there are cores."""
    root = Path(tempfile.gettempdir()) / "hauberk-captures"
    root.mkdir(exist_ok=True)
    captures = [one for name in sets for one in list(SETS[name](root))[:limit]]
    outcomes: list[Outcome] = []
    context = multiprocessing.get_context("spawn")
    with context.Pool(maxtasksperchild=200) as pool:
        tasks = ((capture, rules) for capture in captures)
        for outcome in pool.imap_unordered(_work, tasks, chunksize=4):
            outcomes.append(outcome)
            print(f"\r{len(outcomes)}/{len(captures)}", end="", flush=True)
    print()
    return sorted(outcomes, key=lambda one: (one.data_set, one.name))


def measure_estates() -> list[EstateOutcome]:
    """Scan the four estates of the alert set, each in a process of its own for its memory."""
    root = Path(tempfile.gettempdir()) / "hauberk-captures"
    root.mkdir(exist_ok=True)
    paths = sorted(unpack(ESTATES, root).rglob("*_alerts.txt"))
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, maxtasksperchild=1) as pool:
        return pool.map(run_estate, paths, chunksize=1)


def _kept(
    measured: Sequence[str],
) -> tuple[list[Outcome], list[EstateOutcome], list[emulated.EmulatedOutcome]]:
    """What docs/results.jsonl holds of sets that were not measured anew."""
    path = ROOT / "docs" / "results.jsonl"
    rows = (
        [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    )
    outcomes = [Outcome(**row) for row in rows if row.get("data_set", measured[0]) not in measured]
    estates = [EstateOutcome(**row) for row in rows if "estate" in row]
    return outcomes, estates, [emulated.EmulatedOutcome(**row) for row in rows if "campaign" in row]


def main() -> None:
    """Measure, print, and write what was measured; of other sets, what was measured before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", default=[*SETS, ESTATES, "emulated"])
    parser.add_argument("--rules", nargs="*", type=Path, default=[])
    parser.add_argument("--limit", type=int)
    parser.add_argument("--no-write", action="store_true")
    parser.add_argument("--misses", action="store_true", help="print every miss")
    chosen = parser.parse_args()
    known = [name for name in chosen.sets if name in SETS]
    outcomes = measure(known, tuple(chosen.rules), chosen.limit)
    estates = measure_estates() if ESTATES in chosen.sets else []
    companies = (
        emulated.measure(quick=chosen.limit is not None) if "emulated" in chosen.sets else []
    )
    if not chosen.no_write:
        kept = _kept(chosen.sets)
        outcomes = sorted([*outcomes, *kept[0]], key=lambda one: (one.data_set, one.name))
        estates, companies = estates or kept[1], companies or kept[2]
    text = page(outcomes, estates, companies)
    print(text)
    if chosen.misses:
        for one in outcomes:
            if not one.found and not one.quiet and one.expected:
                print(one.data_set, one.name, one.expected, "->", one.techniques, one.error)
    if not chosen.no_write:
        (ROOT / "docs" / "results.md").write_text(text, encoding="utf-8")
        with (ROOT / "docs" / "results.jsonl").open("w", encoding="utf-8") as lines:
            for row in [*map(asdict, outcomes), *map(asdict, estates), *map(asdict, companies)]:
                lines.write(json.dumps(row) + "\n")
    shutil.rmtree(Path(tempfile.gettempdir()) / "hauberk-captures", ignore_errors=True)


if __name__ == "__main__":
    main()
