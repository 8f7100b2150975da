"""Scans, guessing and floods, seen in flows alone.

Measures, each a tally a day (less, where it says so) with its own tail when nothing is wrong:

| measure | key | counts | nothing wrong, P(count >= k) |
|---|---|---|---|
| ports | source, target | distinct ports that did not answer | (k / 4)^-3 |
| hosts | source, port | distinct hosts that did not answer | (k / least)^-3 |
| haste | source, port, a minute | distinct hosts that did not answer | (k / 2)^-3, at least 0.004 |
| block | source | distinct internal hosts and ports that did not answer | (k / 16)^-3 |
| sweep | source | distinct internal hosts pinged | (k / 4)^-3 |
| inbound | our target | distinct Internet sources and ports in vain | (k / 4)^-3, at least 0.01 |
| flood | target, port | unanswered connections in a minute | (k / 100)^-3 |

Exponent 3 is that of the tails of failed log-ons in `behaviour`: every doubling is eight times
rarer. `least` is 3 for internal targets and where nobody answers at all; otherwise 6 for Internet
targets, 12 for web ports, 24 for UDP to the Internet (peer-to-peer programs ask many peers that are
gone), and a source that is answered more often than not is no scan. Except in haste: who meets so
many dead hosts within one minute did not get their addresses from anybody who knows them, however
many of the others answer. That also happens when a line goes down, so it weighs little.

What comes from the Internet has a floor (`noise`). Guessing is in `guessing`.
"""

import polars as pl

from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import EventBatch, FindingKind

from .flows import FLOW_COLUMNS, INBOUND, REPLY, TO_MANY, flows
from .guessing import GUESSING, SERVICES, attempted
from .measures import DOUBLING, Measure, Row, both, judged_measures, keyed, source, target, whole
from .noise import NOISE, NOISY
from .tally import power_law

HASTE = 0.004
"""Least p of many dead hosts within a minute."""

_WEB = (80, 443, 8080, 8443)
_FLOODS = tuple(500 * 2**step for step in range(16))
_MINUTE_US = 60_000_000
_DAY_OF_MINUTES = 24 * 60


_PROBE = pl.col("proto").is_in(["tcp", "udp"]) & (pl.col("port") > 0) & ~TO_MANY


def _unanswered(rows: pl.DataFrame, key: list[str], target: str) -> pl.DataFrame:
    """Probes by key; those that were answered have no target of their own."""
    probes = keyed(rows.filter(_PROBE & ~REPLY), key, target)
    return probes.with_columns(
        pl.when("failed").then("target").otherwise(pl.lit("")).alias("target")
    )


def _say_ports(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = f"{row['src']} tried {row['distinct']:,} ports of {row['dst']} that did not answer"
    outside = ("T1595.001", "T1046") if not row["src_in"] else ("T1046",)
    return "Port scan of one host", text, outside


def _say_hosts(row: Row) -> tuple[str, str, tuple[str, ...]]:
    port = whole(row["port"])
    service = SERVICES.get(port, "")
    of = f"{port}/{row['proto']}{f' ({service})' if service else ''}"
    text = f"{row['src']} tried port {of} of {row['distinct']:,} hosts that did not answer"
    if not row["src_in"] and row["dst_in"]:
        return "One port scanned on many hosts", text, ("T1595.001", "T1046")
    inside = ("T1046", "T1018") if row["dst_in"] else ("T1046",)
    return "One port scanned on many hosts", text, inside


def _say_haste(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = (
        f"{row['src']} met {row['distinct']:,} hosts that did not answer at port "
        f"{row['port']}/{row['proto']} within a minute"
    )
    return (
        "Many dead hosts within a minute",
        text,
        ("T1046", "T1018") if row["dst_in"] else ("T1046",),
    )


def _say_block(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = f"{row['src']} tried {row['distinct']:,} pairs of host and port that did not answer"
    return "Many ports of many hosts scanned", text, ("T1046", "T1018")


def _say_sweep(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = f"{row['src']} pinged {row['distinct']:,} hosts"
    return "Hosts swept with pings", text, ("T1018", "T1046")


def _say_inbound(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = (
        f"{row['distinct']:,} times another Internet address or port knocked at {row['dst']} in "
        f"vain, last {row['src']} at {row['port']}/{row['proto']}"
    )
    return "Scanned from the Internet", text, ("T1595.001", "T1046")


def _say_flood(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = (
        f"{row['dst']} port {row['port']}/{row['proto']} got {row['count']:,} unanswered "
        f"connections within a minute, last from {row['src']}"
    )
    return "Flood of connections", text, ("T1498", "T1499")


def _knocks(rows: pl.DataFrame) -> pl.DataFrame:
    knocks = rows.filter(INBOUND & _PROBE & ~REPLY & pl.col("failed"))
    at = pl.concat_str([pl.col("src"), pl.col("port").cast(pl.String)], separator=" ")
    return keyed(knocks.with_columns(at.alias("at")), ["dst"], "at")


_UDP_OUT = (pl.col("proto") == "udp") & ~pl.col("dst_in")
_SEARCHING = pl.col("sum_bad") * 2 > pl.col("count")
_NOBODY = pl.col("sum_bad") * 10 >= pl.col("count") * 9
_LEAST = (
    pl.when(pl.col("dst_in")).then(3.0)
    .when(_NOBODY & _UDP_OUT).then(8.0)
    .when(_NOBODY).then(3.0)
    .when(_UDP_OUT).then(24.0)
    .when(pl.col("port").is_in(_WEB)).then(12.0)
    .otherwise(6.0)
)  # fmt: skip


def _sources(row: Row) -> list[str | None]:
    return [source(row)]


def _targets(row: Row) -> list[str | None]:
    return [target(row)]


MEASURES = (
    Measure(
        "ports",
        lambda rows: _unanswered(rows.filter(~INBOUND), ["src", "dst"], "port"),
        "distinct",
        DOUBLING,
        pl.max_horizontal(power_law(pl.col("distinct"), 4.0, 3.0), NOISY),
        _say_ports,
        both,
        condition=_SEARCHING,
        failing=True,
    ),
    Measure(
        "hosts",
        lambda rows: _unanswered(rows, ["src", "proto", "port"], "dst"),
        "distinct",
        DOUBLING,
        pl.max_horizontal(power_law(pl.col("distinct"), _LEAST, 3.0), NOISY),
        _say_hosts,
        both,
        condition=_SEARCHING,
        failing=True,
    ),
    Measure(
        "haste",
        lambda rows: keyed(
            rows.filter(~INBOUND & _PROBE & ~REPLY & pl.col("failed") & ~_UDP_OUT),
            ["src", "proto", "port"],
            "dst",
            _MINUTE_US,
        ),
        "distinct",
        DOUBLING,
        pl.max_horizontal(power_law(pl.col("distinct"), 2.0, 3.0).clip(lower_bound=HASTE), NOISY),
        _say_haste,
        both,
        told_a=_DAY_OF_MINUTES,
    ),
    Measure(
        "block",
        lambda rows: _unanswered(
            rows.filter(~INBOUND & pl.col("dst_in")).with_columns(
                pl.concat_str(pl.col("dst"), pl.lit(" "), pl.col("port").cast(pl.String)).alias(
                    "at"
                )
            ),
            ["src"],
            "at",
        ),
        "distinct",
        DOUBLING,
        power_law(pl.col("distinct"), 16.0, 3.0),
        _say_block,
        about=_sources,
        condition=_SEARCHING,
        failing=True,
    ),
    Measure(
        "sweep",
        # Echo requests: Zeek writes type and code as ports, Argus writes 0x0800 or none.
        lambda rows: keyed(
            rows.filter((pl.col("proto") == "icmp") & (pl.col("sport") == 8) & ~INBOUND),
            ["src"],
            "dst",
        ),
        "distinct",
        DOUBLING,
        power_law(pl.col("distinct"), 4.0, 3.0),
        _say_sweep,
        about=_sources,
    ),
    Measure(
        "inbound",
        _knocks,
        "distinct",
        DOUBLING,
        power_law(pl.col("distinct"), 4.0, 3.0).clip(lower_bound=NOISE),
        _say_inbound,
        about=_targets,
    ),
    Measure(
        "flood",
        lambda rows: keyed(rows.filter("failed"), ["dst", "proto", "port"], "src", _MINUTE_US),
        "count",
        _FLOODS,
        power_law(pl.col("count"), 100.0, 3.0),
        _say_flood,
        about=both,
        told_a=_DAY_OF_MINUTES,
    ),
)


class ScanDetector:
    """Judges who searches the network, knocks at its services, or floods them."""

    spec = DetectorSpec(
        name="network-scans",
        version="3",
        kind=FindingKind.NETWORK,
        title="Scans, sweeps, guessing and floods",
        columns=FLOW_COLUMNS,
    )

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of this batch and the state after it."""
        taken = flows(batch, state)
        rows = taken.rows.drop("app", "name", "packets_out", "packets_back")
        attempts, habits = attempted(rows, state)
        measures = (*MEASURES, *GUESSING)
        found, tables = judged_measures(measures, {"": rows, **attempts}, state, self.spec)
        return found, {**state, **tables, **habits, **taken.tables}


def detector() -> ScanDetector:
    """The detector `network-scans`."""
    return ScanDetector()
