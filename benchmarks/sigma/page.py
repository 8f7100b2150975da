"""docs/sigma-speed.md from the figures of one run."""

from collections.abc import Callable, Mapping
from statistics import median

Run = Mapping[str, object]
Figures = Mapping[str, Run]


def page(found: Figures) -> str:
    """The page: what was measured, beside what, and the ratios."""
    real, pure, about = found["real"], found["real, pure"], found["about"]
    lines = [
        "# How fast Sigma rules are matched",
        "",
        f"Written by `make bench-sigma` at revision {about['revision']}, Python {about['python']}.",
        "CPU seconds of one core; every side in a process of its own, start-up that of a second",
        "run.",
        "",
        f"{_n(real['rules'])} public rules (`rules/windows`) on {_n(real['events'])} real Windows",
        f"events. {_n(about['once'])} of them are distinct; the rest are they again with other",
        "years, GUIDs, process ids, handles and ports, so that no copy repeats a whole event.",
        "",
        "## Hauberk",
        "",
        "| | with `fast` (Vectorscan) | without |",
        "|---|---|---|",
        _two("start to first event", real, pure, lambda run: _s(run["startup_s"])),
        _two("of which importing", real, pure, lambda run: _s(run["import_s"])),
        _two("matching, distinct events (cold)", real, pure,
             lambda run: _rate(run["cold_events"], run["cold_s"])),
        _two("matching, the copies (warm)", real, pure,
             lambda run: _rate(run["warm_events"], run["warm_s"])),
        _two("matching, the distinct events once more", real, pure,
             lambda run: _rate(run["again_events"], run["again_s"])),
        _two("JSON to hits, start-up included", real, pure,
             lambda run: _rate(run["events"], run["cpu_s"])),
        _two("peak memory, inputs included", real, pure,
             lambda run: f"{_n(run['memory_mib'])} MiB"),
        "",
        "*Cold*: each event is met for the first time. *Once more*: the same engine judges the",
        "same events, read anew, a second time: a bound for a service that has run for a while and",
        "met most values before, which no real stream reaches.",
        "",
        "## Beside others",
        "",
        "Every side judges the same events. *SQLite* is pySigma's SQLite backend on a table in",
        "memory, only the fields that rules name, indexed by log and event id: kinder than it",
        "comes. Keywords, which rules look for in any field, it searches in a column made of all;",
        f"*no keywords* spares it {_n(about['keyword_rules'])} rules that need that, which Hauberk",
        "is not spared. *Every field* goes the way that Zircolite describes (every field flattened",
        "and stored, an index on the event id, hits fetched as rows), without keywords: a stand-in",
        "for it and not Zircolite, whose newest version also sorts events out beforehand. A tenth",
        "of the events shows how their cost grows.",
        "",
        "| | events | CPU s | of which matching | events/s | MiB |",
        "|---|---|---|---|---|---|",
        _row("Hauberk", real, _match(real)),
        *(_row(name, figures, _f(figures["match_s"])) for name, figures in found.items()
          if name.startswith(("SQLite", "every field"))),
        "",
        "| Hauberk's CPU time is less by | whole run | matching alone |",
        "|---|---|---|",
        *_every_ratio(found, "", "real"),
        "",
        *_zircolite(found, "zircolite", "real, sample"),
        "",
        "## Twice the rules",
        "",
        *_twice(found),
        "",
        "## Hostile",
        "",
        "Process creations only, every command line unique, keys of a third in random case, a",
        "tenth in channels with made-up names, everything cold.",
        "",
        "| | events | CPU s | of which matching | events/s | MiB |",
        "|---|---|---|---|---|---|",
        _row("Hauberk", found["hostile"], _match(found["hostile"])),
        _row("Hauberk without `fast`", found["hostile, pure"], _match(found["hostile, pure"])),
        *(_row(name, figures, _f(figures["match_s"])) for name, figures in found.items()
          if name.startswith("hostile ")),
        "",
        "| Hauberk's CPU time is less by | whole run | matching alone |",
        "|---|---|---|",
        *_every_ratio(found, "hostile ", "hostile"),
        *_zircolite(found, "zircolite, hostile", "hostile, sample"),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _two(title: str, one: Run, other: Run, told: Callable[[Run], str]) -> str:
    return f"| {title} | {told(one)} | {told(other)} |"


def _twice(found: Figures) -> list[str]:
    """Each pair of runs, with half of the rules and with all."""
    pairs = [
        (found[name.replace("all ", "half ")], figures)
        for name, figures in found.items()
        if name.startswith("all ")
    ]
    half, every = pairs[0]
    times = sorted(_match(more) / _match(less) for less, more in pairs)
    whole = sorted(_f(more["cpu_s"]) / _f(less["cpu_s"]) for less, more in pairs)
    return [
        f"{_n(half['rules'])} rules (every second one) against all {_n(every['rules'])} on the",
        f"first {_n(every['events'])} events, everything cold, {len(pairs)} pairs of runs:",
        f"matching takes **{times[0]:.2f} to {times[-1]:.2f} times** as long (median",
        f"{median(times):.2f}), the whole run {whole[0]:.2f} to {whole[-1]:.2f} times.",
    ]


def _every_ratio(found: Figures, prefix: str, mine: str) -> list[str]:
    """How many times less Hauberk takes than each of the peers."""
    return [
        *_ratios(found, f"{prefix}SQLite", "SQLite", mine),
        *_ratios(found, f"{prefix}SQLite, no keywords", "SQLite, no keywords", mine),
        *_ratios(found, f"{prefix}every field", "every field (stand-in for Zircolite)", mine),
    ]


def _ratios(found: Figures, prefix: str, title: str, mine: str) -> list[str]:
    peers = [figures for name, figures in found.items() if name.rpartition(" ")[0] == prefix]
    largest = max(peers, key=lambda figures: _f(figures["events"]))
    own = found[mine]
    whole = _each(largest, "cpu_s") / _each(own, "cpu_s")
    alone = _f(largest["match_s"]) / _f(largest["events"]) / (_match(own) / _f(own["events"]))
    return [f"| {title} | {whole:.1f} times | {alone:.0f} times |"]


def _zircolite(found: Figures, name: str, mine: str) -> list[str]:
    figures = found[name]
    if "skipped" in figures:
        told = f"Zircolite itself was not measured: {figures['skipped']}."
        return [told] if name == "zircolite" else []
    ratio = _each(figures, "cpu_s") / _each(found[mine], "cpu_s")
    return [f"Zircolite itself: {_rate(figures['events'], figures['cpu_s'])}, {ratio:.0f} times."]


def _row(name: str, figures: Mapping[str, object], match: float) -> str:
    rate = _f(figures["events"]) / _f(figures["cpu_s"])
    title = name.rpartition(" ")[0] if name[-1].isdigit() else name
    return (
        f"| {title} | {_n(figures['events'])} | {_f(figures['cpu_s']):.2f} | {match:.2f} "
        f"| {rate:,.0f} | {_n(figures['memory_mib'])} |"
    )


def _match(figures: Mapping[str, object]) -> float:
    return _f(figures["cold_s"]) + _f(figures["warm_s"])


def _each(figures: Mapping[str, object], name: str) -> float:
    return _f(figures[name]) / _f(figures["events"])


def _f(value: object) -> float:
    return float(str(value))


def _n(value: object) -> str:
    return f"{int(_f(value)):,}"


def _s(value: object) -> str:
    return f"{_f(value):.2f} s"


def _rate(events: object, seconds: object) -> str:
    if not _f(events):
        return "none"
    each = _f(seconds) / _f(events)
    return f"{1 / each:,.0f} events/s ({each * 1e6:.1f} µs an event)"
