"""What scans make of the emulated company: its campaigns and its quiet weeks.

The detectors know nothing of the emulator, but both were written by the same people: this measures
that the parts work together, and what quiet life costs, and no more.
"""

import bisect
import json
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hauberk.emulate import emulate
from hauberk.pipeline import Scan, ScanOptions, scan

CAMPAIGNS = {"ransomware": 1, "intrusion": 1, "cloud-keys": 1, "password-spray": 3}
"""Campaigns and the days that each is given."""

SEEDS = (101,)
"""Seeds that were not looked at while detectors were written."""

QUIET_DAYS = 5
USERS = 25


@dataclass(frozen=True, slots=True)
class EmulatedOutcome:
    """One emulated run: where its campaign was found, or what its quiet days raised."""

    campaign: str
    seed: int
    days: int
    records: int
    steps: int
    steps_met: int  # steps of which the best incident holds a record
    rank: int | None  # of the first incident that holds any record of the campaign
    shown: int
    shown_per_day: float
    most_probable: float
    seconds: float


def run(campaign: str | None, seed: int, days: int) -> EmulatedOutcome:
    """Emulate and scan, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "company"
        made = emulate(
            out, seed=seed, users=USERS, days=days, campaigns=[campaign] if campaign else ()
        )
        began = time.perf_counter()
        answer = scan(ScanOptions(paths=[out / "logs"], home=Path(folder) / "home"))
        seconds = time.perf_counter() - began
        steps = _truth(out / "truth" / "truth.jsonl") if campaign else {}
        met = _met(answer, out / "logs", steps)
    rank = next((place for place, found in enumerate(met, start=1) if found), None)
    return EmulatedOutcome(
        campaign or "quiet", seed, days, made.records, len(_names(steps)),
        len(met[rank - 1]) if rank else 0, rank, len(answer.above), len(answer.above) / days,
        max((one.probability for one in answer.incidents), default=0.0), seconds,
    )  # fmt: skip


def _truth(path: Path) -> dict[tuple[str, int], str]:
    """Step of each labelled record, by file and line."""
    steps: dict[tuple[str, int], str] = {}
    for line in path.read_text("utf-8").splitlines():
        entry = json.loads(line)
        for records in entry["records"]:
            for number in records.get("numbers", ()):
                steps[records["file"], number] = entry["step"]
    return steps


def _names(steps: dict[tuple[str, int], str]) -> set[str]:
    return set(steps.values())


def _met(answer: Scan, logs: Path, steps: dict[tuple[str, int], str]) -> list[set[str]]:
    """Steps that each incident's evidence holds records of, in order of rank."""
    rows = {str(row["uid"]): row["evidence"] for row in answer.findings.iter_rows(named=True)}
    lines: dict[str, list[int]] = {}
    return [
        {
            step
            for uid in incident.findings
            for event in rows[uid]
            if (step := _step(answer.evidence.get(event, {}), logs, steps, lines))
        }
        for incident in answer.incidents
    ]


def _step(
    event: object, logs: Path, steps: dict[tuple[str, int], str], lines: dict[str, list[int]]
) -> str | None:
    """The step whose record an event came from; documents count their records from one."""
    if not isinstance(event, dict) or not event:
        return None
    source, offset = str(event["record.source"]), int(event["record.offset"])
    name = Path(source).relative_to(logs).as_posix()
    if name.endswith(".gz"):
        ordinal = int(str(event["metadata.uid"]).rsplit(":", 1)[-1])
        return steps.get((name, ordinal + 1))
    if source not in lines:
        lines[source] = list(_starts(Path(source)))
    return steps.get((name, bisect.bisect_right(lines[source], offset)))


def _starts(path: Path) -> Iterable[int]:
    at = 0
    with path.open("rb") as file:
        for line in file:
            yield at
            at += len(line)


def measure(quick: bool = False) -> list[EmulatedOutcome]:
    """All campaigns and a quiet week, for every seed."""
    outcomes = []
    for seed in SEEDS:
        outcomes += [run(campaign, seed, days) for campaign, days in CAMPAIGNS.items()]
        outcomes.append(run(None, seed, 1 if quick else QUIET_DAYS))
    return outcomes


def page(outcomes: list[EmulatedOutcome]) -> str:
    """The outcomes as a part of docs/results.md."""
    lines = [
        "## The emulated company\n",
        f"{USERS} people, seeds not used in development; no baseline. *Steps met*: steps of the",
        "campaign that the first incident with any of its records holds a record of.\n",
        "| run | seed | days | records | rank | steps met | shown a day | s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in outcomes:
        quiet = one.campaign == "quiet"
        steps = "" if quiet else f"{one.steps_met} of {one.steps}"
        rank = "" if quiet else (one.rank or "missed")
        lines.append(
            f"| {one.campaign} | {one.seed} | {one.days} | {one.records:,} | {rank} | {steps} "
            f"| {one.shown_per_day:.1f} | {one.seconds:.0f} |"
        )
    return "\n".join(lines) + "\n"
