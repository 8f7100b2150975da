"""Scans, guessing and floods, seen in flows alone.

Measures, each a tally a day (a minute, for floods) with its own tail when nothing is wrong:

| measure | key | counts | nothing wrong, P(count >= k) |
|---|---|---|---|
| ports | source, target | distinct ports that did not answer | (k / 4)^-3 |
| hosts | source, port | distinct hosts that did not answer | (k / least)^-3 |
| block | source | distinct internal hosts and ports that did not answer | (k / 16)^-3 |
| sweep | source | distinct internal hosts pinged | (k / 4)^-3 |
| inbound | internal target | distinct Internet sources unanswered | (k / 4)^-3, never below 0.01 |
| guessing | source, target, service | connections of one size | (k / 16)^-3 |
| flood | target, port | connections in a minute, most unanswered | (k / 100)^-3 |

Exponent 3 is that of the tails of failed log-ons in `behaviour`: every doubling is eight times
rarer. `least` is 3 for internal targets and where nobody answers at all; otherwise 6 for Internet
targets, 12 for web ports, 24 for UDP to the Internet (peer-to-peer programs ask many peers that are
gone), and a source that is answered more often than not is no scan.

Internet background noise is always there, so what comes from the Internet never weighs more than
`NOISE`; between two public addresses, where nobody's side is known, never more than `UNSIDED`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl

from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import EventBatch, FindingKind, findings_frame

from .flows import DAY_US, FLOW_COLUMNS, INBOUND, TO_MANY, flows, subject
from .judgement import Case, judged
from .tally import Tally, at_level, power_law
from .telling import Said, bits, finding, lasted

LEVELS = tuple(8 * 2**step for step in range(13))
"""Distinct targets at which a scan is told, again each time it is twice as wide."""

NOISE = 0.01
"""Least p of what an exposed host hears from the Internet every day."""

UNSIDED = 0.001
"""Least p of a scan between two public addresses."""

SERVICES: Mapping[int, str] = {
    21: "ftp", 22: "ssh", 23: "telnet", 110: "pop3", 143: "imap", 389: "ldap", 445: "smb",
    993: "imap", 995: "pop3", 1433: "mssql", 2222: "ssh", 2323: "telnet", 3306: "mysql",
    3389: "rdp", 5432: "postgresql", 5900: "vnc", 5985: "winrm",
}  # fmt: skip
"""Services that ask for a password."""

_WEB = (80, 443, 8080, 8443)
_GUESSES = (24, 96, 384, 1536, 6144)
_FLOODS = tuple(500 * 2**step for step in range(16))
_MINUTE_US = 60_000_000


@dataclass(frozen=True)
class Measure:
    """One row of the table above. `rows` picks and keys the flows; `levels` of `counted` are told.

    `model` is over the counted rows; `about` names the entities, `tell` the sentence.
    """

    name: str
    rows: Callable[[pl.DataFrame], pl.DataFrame]
    counted: str
    levels: tuple[int, ...]
    model: pl.Expr
    say: Callable[[dict[str, object]], tuple[str, str, tuple[str, ...]]]
    about: tuple[str, ...] = ("src", "dst")
    sums: tuple[str, ...] = ("bad",)
    condition: pl.Expr = field(default_factory=lambda: pl.lit(value=True))
    failing: bool = False  # answered rows are watched too, but count as no target


_PROBE = pl.col("proto").is_in(["tcp", "udp"]) & (pl.col("port") > 0) & ~TO_MANY
# A low port that calls a high one is a server that answers; the sensor missed the question.
_REPLY = (pl.col("sport").is_between(1, 1023)) & (pl.col("port") >= 1024)


def _keyed(rows: pl.DataFrame, key: list[str], target: str, window: int = DAY_US) -> pl.DataFrame:
    names = [pl.col(name).cast(pl.String) for name in key]
    return rows.with_columns(
        pl.concat_str(names, separator="|").alias("key"),
        pl.col(target).cast(pl.String).alias("target"),
        (pl.col("us") // window).alias("window"),
    )


def _unanswered(rows: pl.DataFrame, key: list[str], target: str) -> pl.DataFrame:
    """Probes by key; those that were answered have no target of their own."""
    keyed = _keyed(rows.filter(_PROBE & ~_REPLY), key, target)
    return keyed.with_columns(
        pl.when("failed").then("target").otherwise(pl.lit("")).alias("target")
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _say_ports(row: dict[str, object]) -> tuple[str, str, tuple[str, ...]]:
    text = f"{row['src']} tried {row['distinct']:,} ports of {row['dst']} that did not answer"
    outside = ("T1595.001", "T1046") if not row["src_in"] else ("T1046",)
    return "Port scan of one host", text, outside


def _say_hosts(row: dict[str, object]) -> tuple[str, str, tuple[str, ...]]:
    port = _number(row["port"])
    service = SERVICES.get(port, "")
    of = f"{port}/{row['proto']}{f' ({service})' if service else ''}"
    text = f"{row['src']} tried port {of} of {row['distinct']:,} hosts that did not answer"
    if not row["src_in"] and row["dst_in"]:
        return "One port scanned on many hosts", text, ("T1595.001", "T1046")
    inside = ("T1046", "T1018") if row["dst_in"] else ("T1046",)
    return "One port scanned on many hosts", text, inside


def _say_block(row: dict[str, object]) -> tuple[str, str, tuple[str, ...]]:
    text = f"{row['src']} tried {row['distinct']:,} pairs of host and port that did not answer"
    return "Many ports of many hosts scanned", text, ("T1046", "T1018")


def _say_sweep(row: dict[str, object]) -> tuple[str, str, tuple[str, ...]]:
    text = f"{row['src']} pinged {row['distinct']:,} hosts"
    return "Hosts swept with pings", text, ("T1018", "T1046")


def _say_inbound(row: dict[str, object]) -> tuple[str, str, tuple[str, ...]]:
    text = f"{row['distinct']:,} Internet addresses tried {row['dst']} and got no answer"
    return "Scanned from the Internet", text, ("T1595.001", "T1046")


def _say_guessing(row: dict[str, object]) -> tuple[str, str, tuple[str, ...]]:
    service = SERVICES.get(_number(row["port"]), str(row["port"]))
    text = (
        f"{row['src']} made {row['count']:,} short connections of like size to {service} "
        f"({row['port']}) on {row['dst']}"
    )
    return f"Passwords tried against {service}", text, ("T1110",)


def _say_flood(row: dict[str, object]) -> tuple[str, str, tuple[str, ...]]:
    text = (
        f"{row['dst']} port {row['port']}/{row['proto']} got {row['count']:,} connections within "
        f"a minute from {row['distinct']:,} sources, last {row['src']}"
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
    with_size = answered.with_columns(size.alias("size"), (size * size).alias("square"))
    return _keyed(with_size, ["src", "dst", "port"], "size")


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
_SPREAD = (pl.col("sum_square") / pl.col("count") - _MEAN**2).clip(lower_bound=0).sqrt()

MEASURES = (
    Measure(
        "ports",
        lambda rows: _unanswered(rows, ["src", "dst"], "port"),
        "distinct",
        LEVELS,
        pl.max_horizontal(power_law(pl.col("distinct"), 4.0, 3.0), _NOISE),
        _say_ports,
        condition=_SEARCHING,
        failing=True,
    ),
    Measure(
        "hosts",
        lambda rows: _unanswered(rows, ["src", "proto", "port"], "dst"),
        "distinct",
        LEVELS,
        pl.max_horizontal(power_law(pl.col("distinct"), _LEAST, 3.0), _NOISE),
        _say_hosts,
        condition=_SEARCHING,
        failing=True,
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
        LEVELS,
        power_law(pl.col("distinct"), 16.0, 3.0),
        _say_block,
        about=("src",),
        condition=_SEARCHING,
        failing=True,
    ),
    Measure(
        "sweep",
        # Echo requests: Zeek writes type and code as ports, Argus writes 0x0800 or none.
        lambda rows: _keyed(
            rows.filter((pl.col("proto") == "icmp") & (pl.col("sport") == 8) & ~INBOUND),
            ["src"],
            "dst",
        ),
        "distinct",
        LEVELS,
        power_law(pl.col("distinct"), 4.0, 3.0),
        _say_sweep,
        about=("src",),
    ),
    Measure(
        "inbound",
        lambda rows: _keyed(rows.filter(INBOUND & _PROBE & pl.col("failed")), ["dst"], "src"),
        "distinct",
        LEVELS,
        power_law(pl.col("distinct"), 4.0, 3.0).clip(lower_bound=NOISE),
        _say_inbound,
        about=("dst",),
    ),
    Measure(
        "guessing",
        _guesses,
        "count",
        _GUESSES,
        pl.max_horizontal(power_law(pl.col("count"), 12.0, 3.0), _NOISE),
        _say_guessing,
        sums=("bad", "size", "square"),
        condition=_SPREAD < 4.0,
    ),
    Measure(
        "flood",
        lambda rows: _keyed(rows, ["dst", "proto", "port"], "src", _MINUTE_US),
        "count",
        _FLOODS,
        power_law(pl.col("count"), 100.0, 3.0),
        _say_flood,
        about=("src", "dst"),
        condition=_SEARCHING,
    ),
)


class ScanDetector:
    """Judges who searches the network, knocks at its services, or floods them."""

    spec = DetectorSpec(
        name="network-scans",
        version="1",
        kind=FindingKind.NETWORK,
        title="Scans, sweeps, guessing and floods",
        columns=FLOW_COLUMNS,
    )

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of this batch and the state after it."""
        taken = flows(batch, state)
        after: dict[str, pl.DataFrame] = {**state, "connections": taken.seen}
        rows = taken.rows.with_columns(pl.col("failed").cast(pl.Int64).alias("bad"))
        due = []
        for measure in MEASURES:
            chosen, tables = _counted(measure, rows, state)
            due.extend(chosen)
            after.update(tables)
        due.sort(key=lambda one: (one[1]["us"], one[1]["uid"], one[0].name))
        cases = [
            Case(measure.name, str(row[measure.about[0]]), _number(row["window"]),
                 float(str(row["model"])), _number(row["population"]))
            for measure, row, _ in due
        ]  # fmt: skip
        ps, past = judged(cases, state)
        after.update(past)
        found = [
            self._finding(measure, row, evidence, p)
            for (measure, row, evidence), p in zip(due, ps, strict=True)
            if p is not None
        ]
        return findings_frame(found), after

    def _finding(
        self, measure: Measure, row: dict[str, object], evidence: list[str], p: float
    ) -> dict[str, object]:
        title, message, techniques = measure.say(row)
        host = str(row["host"]) if row["host"] else None
        named = [
            subject(str(row[side]), host if side == "src" and row["src_in"] else None)
            for side in measure.about
        ]
        if _from_outside(row):
            named.reverse()
        since, until = _number(row["since"]), _number(row["us"])
        return finding(
            Said(
                rule_uid=f"network.{measure.name}",
                title=title,
                message=f"{message} ({row['count']:,} flows in {lasted((until - since) / 1e6)}).",
                techniques=techniques,
                entities=named,
                evidence=evidence,
                since=since,
                until=until,
                count=_number(row["count"]),
                p=p,
                name=f"{row['key']}\0{row['window']}\0{row[measure.counted]}",
                reasons=[
                    (message, f"{row[measure.counted]:,}", bits(float(str(row["model"])))),
                    (
                        f"{row['population']:,} others were watched before",
                        f"{row['population']:,}",
                        0.0,
                    ),
                ],
            ),
            self.spec,
        )


def _from_outside(row: Mapping[str, object]) -> bool:
    return not row["src_in"] and bool(row["dst_in"])


def _counted(
    measure: Measure, rows: pl.DataFrame, state: State
) -> tuple[list[tuple[Measure, dict[str, object], list[str]]], dict[str, pl.DataFrame]]:
    """The rows of a measure that are due, with their evidence; and its tables after all."""
    tally = Tally(measure.name, measure.sums)
    counted, tables = tally.count(measure.rows(rows), state)
    counted = counted.with_columns((pl.col("count") == 1).cum_sum().alias("population"))
    watched = f"{measure.name}.watched"
    before = state.get(watched, pl.DataFrame({"keys": [0]}))
    keys = int(before["keys"][0])
    if counted.height:
        tables[watched] = pl.DataFrame({"keys": [keys + int(counted["population"][-1])]})
    fresh = pl.col("new") if measure.counted == "distinct" else pl.lit(value=True)
    if measure.failing:
        # All answered rows together were one target more.
        answered = (pl.col("sum_bad") < pl.col("count")).cast(pl.Int64)
        counted = counted.with_columns(pl.col("distinct") - answered)
        fresh &= pl.col("failed")
    due = counted.filter(fresh & at_level(measure.counted, measure.levels)).filter(
        measure.condition
    )
    due = due.with_columns(
        measure.model.alias("model"), pl.col("population").cast(pl.Int64) + keys - 1
    )
    evidence = tally.evidence(due, counted, state)
    return [(measure, row, evidence[row["uid"]]) for row in due.iter_rows(named=True)], tables


def detector() -> ScanDetector:
    """The detector `network-scans`."""
    return ScanDetector()
