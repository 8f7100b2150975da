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
| guessing | source, target, service, ten minutes | log-ons in a hurry | (k / 12)^-3 |
| flood | target, port | unanswered connections in a minute | (k / 100)^-3 |

Exponent 3 is that of the tails of failed log-ons in `behaviour`: every doubling is eight times
rarer. `least` is 3 for internal targets and where nobody answers at all; otherwise 6 for Internet
targets, 12 for web ports, 24 for UDP to the Internet (peer-to-peer programs ask many peers that are
gone), and a source that is answered more often than not is no scan. Except in haste: who meets so
many dead hosts within one minute did not get their addresses from anybody who knows them, however
many of the others answer. That also happens when a line goes down, so it weighs little.

Guessing looks like polling: both are short, alike, and carry little. Who guesses does so in a
hurry: the next attempt begins when the last has ended, where a monitor or an application sleeps in
between. So attempts count within ten minutes, their durations have to fill `BUSY` of the time that
they took (or they come at `RATE`), the server says no more than a handshake and a refusal need
(`REFUSAL` bytes), and it has to be `NEWS` times what the same source ever did to the same service
in ten minutes before. Databases are opened anew for every request by many an application: never
below `POOLED`.

Internet background noise is always there, so what comes from the Internet never weighs more than
`NOISE`; between two public addresses, where nobody's side is known, never more than `UNSIDED`.
"""

from collections.abc import Mapping

import polars as pl

from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import EventBatch, FindingKind

from .flows import FLOW_COLUMNS, INBOUND, REPLY, TO_MANY, flows
from .habits import with_habits
from .measures import DOUBLING, Measure, Row, both, judged_measures, keyed, source, target, whole
from .tally import power_law

NOISE = 0.01
"""Least p of what an exposed host hears from the Internet every day."""

UNSIDED = 0.001
"""Least p of a scan between two public addresses."""

BUSY, RATE = 0.3, 0.5
"""Share of the time that attempts fill, or attempts a second, from which on they are in a hurry."""

REFUSAL = 6_000
"""Most bytes a server sends, on average, to somebody it does not let in: keys, certificate, no."""

NEWS = 4
"""Times its own habit that a source has to exceed."""

HASTE = 0.004
"""Least p of many dead hosts within a minute."""

POOLED = 0.004
"""Least p of log-ons to a database."""

SERVICES: Mapping[int, str] = {
    21: "ftp", 22: "ssh", 23: "telnet", 110: "pop3", 143: "imap", 389: "ldap", 445: "smb",
    993: "imap", 995: "pop3", 1433: "mssql", 2222: "ssh", 2323: "telnet", 3306: "mysql",
    3389: "rdp", 5432: "postgresql", 5900: "vnc", 5985: "winrm",
}  # fmt: skip
"""Services that ask for a password."""

_DATABASES = (389, 1433, 3306, 5432)
_WEB = (80, 443, 8080, 8443)
_GUESSES = tuple(24 * 2**step for step in range(12))
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


def _say_guessing(row: Row) -> tuple[str, str, tuple[str, ...]]:
    service = SERVICES.get(whole(row["port"]), str(row["port"]))
    text = (
        f"{row['src']} made {row['count']:,} short connections of like size, one upon the other, "
        f"to {service} ({row['port']}) on {row['dst']}"
    )
    return f"Passwords tried against {service}", text, ("T1110",)


def _say_flood(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = (
        f"{row['dst']} port {row['port']}/{row['proto']} got {row['count']:,} unanswered "
        f"connections within a minute, last from {row['src']}"
    )
    return "Flood of connections", text, ("T1498", "T1499")


def _guesses(rows: pl.DataFrame) -> pl.DataFrame:
    answered = rows.filter(
        pl.col("port").is_in(list(SERVICES))
        & (pl.col("proto") == "tcp")
        & ~pl.col("failed")
        & (pl.col("duration").fill_null(0.0) < 60)
    )
    # Sizes by powers of 2^(1/4): attempts that differ by the length of a password are alike.
    size = (pl.col("out").fill_null(0) + 1).log(2).mul(4).round().cast(pl.Int64)
    lasting = (pl.col("duration").fill_null(0.0) * 1e6).cast(pl.Int64, strict=False)
    with_size = answered.with_columns(
        size.alias("size"),
        (size * size).alias("square"),
        lasting.alias("lasting"),
        pl.col("back").fill_null(0).clip(0, 1 << 44).alias("said"),
    )
    return keyed(with_size, ["src", "dst", "port"], "size", 10 * _MINUTE_US)


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
_NOISE = (
    pl.when(INBOUND).then(NOISE)
    .when(~pl.col("src_in") & ~pl.col("dst_in")).then(UNSIDED)
    .otherwise(0.0)
)  # fmt: skip
_MEAN = pl.col("sum_size") / pl.col("count")
_TOOK = (pl.col("us") - pl.col("since") + 1).cast(pl.Float64)
_HURRIED = (pl.col("sum_lasting") > BUSY * _TOOK) | (pl.col("count") * 1e6 > RATE * _TOOK)
_SPREAD = (pl.col("sum_square") / pl.col("count") - _MEAN**2).clip(lower_bound=0).sqrt()


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
        pl.max_horizontal(power_law(pl.col("distinct"), 4.0, 3.0), _NOISE),
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
        pl.max_horizontal(power_law(pl.col("distinct"), _LEAST, 3.0), _NOISE),
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
        pl.max_horizontal(power_law(pl.col("distinct"), 2.0, 3.0).clip(lower_bound=HASTE), _NOISE),
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
        "guessing",
        lambda rows: rows,
        "count",
        _GUESSES,
        pl.max_horizontal(
            power_law(pl.col("count"), 12.0, 3.0),
            _NOISE,
            pl.when(pl.col("port").is_in(_DATABASES)).then(POOLED).otherwise(0.0),
        ),
        _say_guessing,
        both,
        sums=("size", "square", "lasting", "said"),
        condition=(_SPREAD < 4.0)
        & _HURRIED
        & (pl.col("sum_said") < REFUSAL * pl.col("count"))
        & (pl.col("count") >= NEWS * pl.col("habit")),
        table="guesses",
        told_a=_DAY_OF_MINUTES // 10,
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
        version="2",
        kind=FindingKind.NETWORK,
        title="Scans, sweeps, guessing and floods",
        columns=FLOW_COLUMNS,
    )

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of this batch and the state after it."""
        taken = flows(batch, state)
        guesses, habits = with_habits("guessing", _guesses(taken.rows), state)
        tables = {
            "": taken.rows.drop("app", "name", "packets_out", "packets_back"),
            "guesses": guesses,
        }
        found, tables = judged_measures(MEASURES, tables, state, self.spec)
        return found, {**state, **tables, **habits, **taken.tables}


def detector() -> ScanDetector:
    """The detector `network-scans`."""
    return ScanDetector()
