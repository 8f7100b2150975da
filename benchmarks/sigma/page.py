"""docs/sigma-speed.md from the figures of one run."""

from collections.abc import Mapping

Figures = Mapping[str, Mapping[str, object]]


def page(found: Figures) -> str:
    """The page: what was measured, beside what, and the ratios."""
    real, sample, hostile = found["real"], found["real, sample"], found["hostile"]
    about = found["about"]
    lines = [
        "# How fast Sigma rules are matched",
        "",
        f"Written by `python -m benchmarks.sigma` at revision {about['revision']}, Python",
        f"{about['python']}. CPU seconds of one core; every side in a process of its own, start-up",
        "that of a second run.",
        "",
        f"{_n(real['rules'])} public rules (`rules/windows`) on {_n(real['events'])} real Windows",
        f"events. {_n(about['once'])} of them are distinct; the rest are they again with other",
        "years, GUIDs, process ids, handles and ports, so that no copy repeats a whole event.",
        "",
        "## Hauberk",
        "",
        "| | |",
        "|---|---|",
        f"| start to first event | {_s(real['startup_s'])} |",
        f"| of which importing | {_s(real['import_s'])} |",
        f"| matching, distinct events (cold) | {_rate(real['cold_events'], real['cold_s'])} |",
        f"| matching, the copies (warm) | {_rate(real['warm_events'], real['warm_s'])} |",
        f"| JSON to hits, start-up included | {_rate(real['events'], real['cpu_s'])} |",
        f"| peak memory, inputs included | {_n(real['memory_mib'])} MiB |",
        f"| twice the rules ({_n(found['half the rules']['rules'])} to "
        f"{_n(found['all rules']['rules'])}) cost | "
        f"{_match(found['all rules']) / _match(found['half the rules']):.2f} times the time |",
        "",
        "## Beside others",
        "",
        "*SQLite* is pySigma's SQLite backend on a table in memory, only the fields that rules",
        "name, indexed by log and event id: kinder than it comes. *All fields* goes the way that",
        "Zircolite describes (every field flattened and stored, an index on the event id, hits",
        "fetched as rows): a stand-in for it and not Zircolite. Both judge a sample; two sizes",
        "show how their cost grows.",
        "",
        "| | events | CPU s | of which matching | events/s | MiB |",
        "|---|---|---|---|---|---|",
        _row("Hauberk", sample, _match(sample)),
        *(_row(name, figures, _f(figures["match_s"])) for name, figures in found.items()
          if name.startswith(("sqlite", "all-fields"))),
        _row("Hauberk, hostile", hostile, _match(hostile)),
        *(_row(name, figures, _f(figures["match_s"])) for name, figures in found.items()
          if name.startswith("hostile ")),
        "",
        "Hostile: process creations only, every command line unique, keys of a third in random",
        "case, a tenth in channels with made-up names.",
        "",
        "| Hauberk's CPU time is less by | whole run | matching alone |",
        "|---|---|---|",
        *_ratios(found, "sqlite", "SQLite", "real"),
        *_ratios(found, "all-fields", "all fields (stand-in for Zircolite)", "real"),
        *_ratios(found, "hostile sqlite", "SQLite, hostile", "hostile"),
        *_ratios(found, "hostile all-fields", "all fields, hostile", "hostile"),
        "",
        *_zircolite(found),
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _ratios(found: Figures, prefix: str, title: str, mine: str) -> list[str]:
    peers = [figures for name, figures in found.items() if name.rpartition(" ")[0] == prefix]
    largest = max(peers, key=lambda figures: _f(figures["events"]))
    own = found[mine]
    whole = _each(largest, "cpu_s") / _each(own, "cpu_s")
    alone = _f(largest["match_s"]) / _f(largest["events"]) / (_match(own) / _f(own["events"]))
    return [f"| {title} | {whole:.1f} times | {alone:.0f} times |"]


def _zircolite(found: Figures) -> list[str]:
    figures = found["zircolite"]
    if "skipped" in figures:
        return [f"Zircolite itself was not measured: {figures['skipped']}."]
    ratio = _each(figures, "cpu_s") / _each(found["real, sample"], "cpu_s")
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
