"""What a soak showed: everything counted in the lake, latencies, slopes, and the page of it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from hauberk.store import Home, verify

PAGE = Path(__file__).resolve().parents[1] / "docs" / "soak.md"
CHART = PAGE.with_name("soak.svg")
WARM_UP = 60.0
"""Seconds of a process's life that say nothing of its slope."""

WAYS = ("file", "http", "tcp")
_LANES = ((100, "memory (MiB)"), (300, "behind (MB)"), (500, "latency (s)"))


def read(path: Path) -> list[dict[str, Any]]:
    """JSON lines; the last may be cut."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def counted(home: Path, sent: Mapping[str, int]) -> dict[str, npt.NDArray[np.uint8]]:
    """How often each record of each way is in the lake, file by file so that memory is bounded."""
    times = {way: np.zeros(sent[way], dtype=np.uint8) for way in WAYS}
    with Home.open(home, read_only=True) as opened:
        for event_class in opened.lake.event_classes():
            for file in opened.lake.files(event_class.table):
                raw = pl.scan_parquet(file).select(pl.col("raw_data").cast(pl.String)).collect()
                for way in WAYS:
                    numbers = (
                        raw["raw_data"].str.extract(f"soak-{way}-(\\d+)", 1).drop_nulls()
                        .cast(pl.Int64).to_numpy()
                    )  # fmt: skip
                    known = numbers[numbers < len(times[way])]
                    np.add.at(times[way], known, 1)
    return times


def ways(out: Path, home: Path) -> dict[str, dict[str, int]]:
    """By way: sent, lost, doubled; doubled by the sender's own sending again apart."""
    told = json.loads((out / "sent.json").read_text())
    found = {}
    for way, times in counted(home, told["sent"]).items():
        unsure = np.zeros(len(times), dtype=np.bool_)
        if way == "http":
            for first, many in told["unsure"]:
                unsure[first : first + many] = True
        doubled = times > 1
        found[way] = {
            "sent": len(times),
            "lost": int((times == 0).sum()),
            "doubled": int((doubled & ~unsure).sum()),
            "sent_again": int((doubled & unsure).sum()),
        }
    found["tcp"]["broken"] = told["broken"]
    return found


def latencies(out: Path) -> pl.DataFrame:
    """Each probe that was heard: when it was sent (s), its wait (s), and whether all was well.

    Not well is a probe that waited at any time between a kill of the watch or the supervisor and
    the moment when all was up again and the backlog read.
    """
    sent = {one["probe"]: one["sent"] for one in read(out / "probes.jsonl")}
    heard: dict[int, float] = {}
    for one in read(out / "heard.jsonl"):
        heard.setdefault(one["probe"], one["heard"])
    rows = [(at, heard[number] - at) for number, at in sorted(sent.items()) if number in heard]
    frame = pl.DataFrame(rows, schema={"sent": pl.Float64, "wait": pl.Float64}, orient="row")
    disturbed = pl.lit(value=False)
    for begin, end in _disturbances(out):
        waited = pl.col("sent") + pl.col("wait")
        disturbed = disturbed | ((pl.col("sent") <= end) & (waited >= begin))
    return frame.with_columns(disturbed.alias("disturbed"))


def _disturbances(out: Path) -> Iterator[tuple[float, float]]:
    samples = read(out / "samples.jsonl")
    for kill in read(out / "kills.jsonl"):
        if kill["victim"] == "console":
            continue
        up = kill["t"] + kill["up_after"]
        caught_up = [
            one["t"]
            for one in samples
            if one["t"] > up and (one["watch"]["behind"] or 0) < 8 << 20 and one["state"] == "up"
        ]
        yield kill["t"] - 1, caught_up[0] + 5 if caught_up else float("inf")


def slope(out: Path, part: str) -> dict[str, float | int | None]:
    """Growth of a part's memory in MiB an hour, with a 95 % interval.

    Least squares with an intercept for each process that it was; minutes are averaged, so that
    neighbours are nearly independent.
    """
    minutes: dict[tuple[int, int], list[tuple[float, float]]] = {}
    born: dict[int, float] = {}
    peak = cpu = 0.0
    last: dict[int, float] = {}
    for one in read(out / "samples.jsonl"):
        use = one["parts"].get(part)
        if use is None or not use["rss"]:
            continue
        pid = use["pid"]
        born.setdefault(pid, one["t"])
        peak = max(peak, use["rss"])
        last[pid] = use["cpu"]
        if one["t"] - born[pid] >= WARM_UP:
            minutes.setdefault((pid, int(one["t"] // 60)), []).append((one["t"], use["rss"]))
    cpu = sum(last.values())
    found: dict[str, float | int | None] = {
        "peak_mib": round(peak), "cpu_s": round(cpu, 1), "processes": len(born),
        "mib_per_hour": None, "interval": None,
    }  # fmt: skip
    x, y = _within(minutes)
    spare = len(x) - len({pid for pid, _ in minutes}) - 1
    if spare >= 3 and float((x * x).sum()) > 0:
        rise = float((x * y).sum() / (x * x).sum())
        rest = y - rise * x
        error = float(np.sqrt((rest * rest).sum() / spare / (x * x).sum()))
        found["mib_per_hour"] = round(rise, 1)
        found["interval"] = round(1.96 * error, 1)
    return found


def _within(
    minutes: Mapping[tuple[int, int], Sequence[tuple[float, float]]],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Hours and MiB of each minute, less the means of its process."""
    by_pid: dict[int, list[tuple[float, float]]] = {}
    for (pid, _), found in minutes.items():
        means = np.array(found).mean(axis=0)
        by_pid.setdefault(pid, []).append((means[0] / 3600, means[1]))
    parts = [np.array(one) - np.array(one).mean(axis=0) for one in by_pid.values()]
    joined = np.concatenate(parts) if parts else np.zeros((0, 2))
    return joined[:, 0], joined[:, 1]


def pages(out: Path) -> dict[str, dict[str, float | int]]:
    """Times of each page while the console answered, and how often it did not."""
    told = read(out / "pages.jsonl")
    found = {}
    for page in sorted({one["page"] for one in told}):
        mine = [one for one in told if one["page"] == page]
        took = [one["seconds"] for one in mine if one["status"] in (200, 303)]
        found[page] = {
            "asked": len(mine),
            "failed": sum(one["status"] >= 500 for one in mine),
            "unanswered": sum(one["status"] == 0 for one in mine),
            **_quantiles(took),
        }
    return found


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    if not len(values):
        return {}
    p50, p99 = np.quantile(np.array(values), [0.5, 0.99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3),
            "max": round(float(max(values)), 3)}  # fmt: skip


def summarise(out: Path, asked: Mapping[str, Any], drained: bool) -> dict[str, Any]:
    """Count, fit, and write `summary.json` and `soak.svg`."""
    home = out / "home"
    told = json.loads((out / "sent.json").read_text())
    by_way, waits = ways(out, home), latencies(out)
    well = waits.filter(~pl.col("disturbed"))["wait"].to_list()
    samples, kills = read(out / "samples.jsonl"), read(out / "kills.jsonl")
    rounds = [one["watch"]["round_seconds"] for one in samples if one["watch"]["round_seconds"]]
    found = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        **asked,
        "sent_per_second": round(sum(told["sent"].values()) / asked["seconds"]),
        "sender_late": told["late"],
        "ways": by_way,
        "drained": drained,
        "verified": verify(home).ok,
        "exact": drained and all(one["lost"] == one["doubled"] == 0 for one in by_way.values()),
        "probes": {"sent": len(read(out / "probes.jsonl")), "heard": waits.height},
        "latency": _quantiles(well),
        "latency_with_kills": _quantiles(waits["wait"].to_list()),
        "kills_done": len(kills),
        "up_after": _quantiles([one["up_after"] for one in kills]),
        "round_first_last": [rounds[0], rounds[-1]] if rounds else [],
        "parts": {name: slope(out, name) for name in ("watch", "console", "supervisor")},
        "pages": pages(out),
        "troubles": sorted({t for one in samples for t in one["watch"]["troubles"] or ()})[:10],
    }  # fmt: skip
    (out / "summary.json").write_text(json.dumps(found, indent=2))
    (out / "soak.svg").write_text(chart(samples, waits, kills))
    return found


def chart(
    samples: Sequence[Mapping[str, Any]], waits: pl.DataFrame, kills: Sequence[Mapping[str, Any]]
) -> str:
    """Memory, backlog and latency over time; a thin line is a kill."""
    if not samples:
        return '<svg xmlns="http://www.w3.org/2000/svg"/>'
    began, ended = samples[0]["t"], samples[-1]["t"]

    def x(at: float) -> float:
        return float(60 + 720 * (at - began) / max(1.0, ended - began))

    lanes: list[list[tuple[str, list[tuple[float, float]]]]] = [
        [
            (part, [(one["t"], one["parts"][part]["rss"]) for one in samples
                    if part in one["parts"]])
            for part in ("watch", "console", "supervisor")
        ],
        [("behind", [(one["t"], (one["watch"]["behind"] or 0) / 1e6) for one in samples])],
        [("wait", list(waits.select("sent", "wait").iter_rows()))],
    ]  # fmt: skip
    drawn = []
    for (bottom, name), curves in zip(_LANES, lanes, strict=True):
        base = bottom + 80
        top = max([1e-9, *(v for _, points in curves for _, v in points)])
        drawn.append(f'<text x="60" y="{base - 150}">{name}, at most {top:,.1f}</text>')
        drawn.append(f'<line x1="60" x2="780" y1="{base}" y2="{base}" class="axis"/>')
        for number, (label, points) in enumerate(curves):
            at = " ".join(f"{x(t):.1f},{base - 140 * v / top:.1f}" for t, v in points)
            drawn.append(f'<polyline points="{at}" class="c{number}"><title>{label}</title>'
                         "</polyline>")  # fmt: skip
    for kill in kills:
        where = x(kill["t"])
        drawn.append(f'<line x1="{where:.1f}" x2="{where:.1f}" y1="30" y2="580" class="kill"/>')
    style = (
        "text{font:13px sans-serif;fill:#777}polyline{fill:none;stroke-width:1.3}"
        ".axis{stroke:#999}.kill{stroke:#c33;stroke-width:.6;opacity:.5}"
        ".c0{stroke:#2a78c8}.c1{stroke:#d27b1e}.c2{stroke:#3d9a50}"
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 600" role="img" '
        f'aria-label="Memory, backlog and latency over time"><style>{style}</style>'
        f"{''.join(drawn)}</svg>\n"
    )


def write_page(out: Path, found: Mapping[str, Any], page: Path = PAGE) -> None:
    """Put the measured part of docs/soak.md, between its marks, in the place of what is there."""
    (page.parent / CHART.name).write_text((out / "soak.svg").read_text())
    text = page.read_text("utf-8")
    begin, end = "<!-- measured -->", "<!-- end -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    fresh = f"{begin}\n{measured(found)}\n{end}"
    page.write_text(pattern.sub(lambda _: fresh, text), "utf-8")


def measured(found: Mapping[str, Any]) -> str:
    """The tables of the page."""
    lines = [
        f"{found['time'][:10]}: {found['seconds'] / 60:.1f} minutes at {found['sent_per_second']:,}"
        f" records a second (asked: {found['rate']:,}), {found['people']} people, "
        f"{found['kills_done']} kills; seed {found['seed']}.",
        "",
        "| way | sent | lost | doubled | doubled by sending again |",
        "|---|---|---|---|---|",
    ]
    for way, one in found["ways"].items():
        lines.append(f"| {way} | {one['sent']:,} | {one['lost']:,} | {one['doubled']:,} "
                     f"| {one['sent_again']:,} |")  # fmt: skip
    broken = found["ways"]["tcp"]["broken"]
    lines += ["", f"Of TCP, {broken:,} records were in writes that failed.", "",
              "| from write to finding | half within | 99 % within | longest |",
              "|---|---|---|---|"]  # fmt: skip
    for name, key in (("undisturbed", "latency"), ("kills included", "latency_with_kills")):
        lines.append(f"| {name} | {_row(found[key])} |")
    lines += ["", f"{found['probes']['heard']:,} of {found['probes']['sent']:,} probes were heard; "
              f"after a kill all was up again within {found['up_after'].get('p50', '-')} s (half), "
              f"{found['up_after'].get('max', '-')} s (longest). The first round of behaviour and "
              f"triage took {_ends(found['round_first_last'])} s.",
              "", "| part | most memory | growth an hour | CPU |", "|---|---|---|---|"]  # fmt: skip
    for name, one in found["parts"].items():
        rise = "too short to say" if one["mib_per_hour"] is None else (
            f"{one['mib_per_hour']:+,.1f} ± {one['interval']:,.1f} MiB")  # fmt: skip
        lines.append(f"| {name} | {one['peak_mib']:,} MiB | {rise} | {one['cpu_s']:,.0f} s |")
    lines += ["", "| page | asked | failed | no answer | half within | 99 % within | longest |",
              "|---|---|---|---|---|---|---|"]  # fmt: skip
    for name, one in found["pages"].items():
        lines.append(f"| {name} | {one['asked']:,} | {one['failed']:,} | {one['unanswered']:,} "
                     f"| {_row(one)} |")  # fmt: skip
    return "\n".join(lines)


def _row(one: Mapping[str, Any]) -> str:
    return " | ".join(f"{one[key]:.2f} s" if key in one else "-" for key in ("p50", "p99", "max"))


def _ends(rounds: Sequence[float]) -> str:
    return f"{rounds[0]:.1f}, the last {rounds[-1]:.1f}" if rounds else "-"
