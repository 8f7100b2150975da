"""Sessions with one place on the Internet: long ones, repeated ones, ones that never come about.

| measure | key, a day | counts | nothing wrong |
|---|---|---|---|
| long | source, target, port | seconds connected | (s / least)^-exponent |
| odd-port | source, target, port | answered connections with data | (k / 3)^-3, at least 0.001 |
| retries | source, target, port | connections in vain | (k / 8)^-2, at least `CALLS_HOME` |
| mismatch | source, target, port | connections whose protocol is not at home there | 0.02 / k^0.5 |

`least` and exponent of `long` are 10 minutes and 1.5 on odd ports; on ports that ordinary programs
keep open they are an hour and 1, and the tail is never below 0.02. A program that calls a server in
vain all day is mostly an old one: `CALLS_HOME` is 0.004 on ports of known services, 0.00005 on
others, as for beacons. Where others use the same place or port, no tail is below their share
(`crowds`). The port is odd when no usual service on the Internet has it (`CALLING`).
"""

import polars as pl

from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import EventBatch, FindingKind

from .crowds import MAX_USERS, ORDINARY, users_after, with_crowds
from .flows import CALLING, FLOW_COLUMNS, REPLY, TO_MANY, flows
from .measures import DOUBLING, Measure, Row, both, judged_measures, keyed
from .tally import power_law
from .telling import lasted

_AT_HOME: dict[str, tuple[int, ...]] = {
    "http": (80, 81, 591, 3128, 8000, 8008, 8080, 8081, 8888),
    "ssl": (
        443,
        465,
        563,
        587,
        636,
        853,
        989,
        990,
        992,
        993,
        994,
        995,
        5061,
        5223,
        5228,
        8443,
        8883,
    ),
    "ssh": (22, 2222),
    "ftp": (20, 21),
    "smtp": (25, 465, 587),
    "irc": (6665, 6666, 6667, 6668, 6669, 6697, 7000),
}
_KEY = ["src", "dst", "proto", "port"]
_OUTWARD = (
    ~pl.col("dst_in")
    & ~TO_MANY
    & pl.col("proto").is_in(["tcp", "udp"])
    & (pl.col("port") > 0)
    & ~REPLY
)
_USUAL = pl.col("port").is_in(CALLING)
_FLOOR = pl.max_horizontal(pl.when("src_in").then(0.0).otherwise(0.01), ORDINARY)


def _long(rows: pl.DataFrame) -> pl.DataFrame:
    lasting = rows.filter((pl.col("duration") >= 60) & ~pl.col("failed"))
    seconds = pl.col("duration").clip(0, 7 * 86_400).cast(pl.Int64)
    return keyed(lasting.with_columns(seconds.alias("seconds")), _KEY, "port")


def _odd(rows: pl.DataFrame) -> pl.DataFrame:
    talking = pl.col("out").fill_null(0) + pl.col("back").fill_null(0) > 0
    return keyed(
        rows.filter(~_USUAL & ~pl.col("failed") & (pl.col("proto") == "tcp") & talking),
        _KEY,
        "port",
    )


def _retries(rows: pl.DataFrame) -> pl.DataFrame:
    return keyed(rows.filter(pl.col("proto") == "tcp"), _KEY, "port")


def _mismatched(rows: pl.DataFrame) -> pl.DataFrame:
    away = pl.any_horizontal(
        (pl.col("app") == app) & ~pl.col("port").is_in(ports) for app, ports in _AT_HOME.items()
    )
    return keyed(rows.filter(away), _KEY, "port")


def _place(row: Row) -> str:
    name = f" ({row['name']})" if row["name"] else ""
    return f"{row['dst']} port {row['port']}/{row['proto']}{name}"


def _command(row: Row) -> tuple[str, ...]:
    odd = row["port"] not in CALLING
    if row["app"]:
        return ("T1071", "T1571") if odd else ("T1071",)
    return ("T1571", "T1095", "T1071") if odd else ("T1071",)


def _say_long(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = (
        f"{row['src']} was connected to {_place(row)} for {lasted(float(str(row['sum_seconds'])))} "
        "in one day"
    )
    return "Long connection to one place", text, (*_command(row), "T1572")


def _say_odd(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = (
        f"{row['src']} talked {row['count']:,} times with {_place(row)}, a port of no usual service"
    )
    return "Repeated sessions on an odd port", text, _command(row)


def _say_retries(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = f"{row['src']} tried {_place(row)} again and again, {row['sum_bad']:,} times in vain"
    return "Calls in vain to one place", text, _command(row)


def _say_mismatch(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = f"{row['src']} spoke {row['app']} with {_place(row)}, where that protocol is not at home"
    return "Protocol on a port of another", text, ("T1571", "T1071")


MEASURES = (
    Measure(
        "long",
        _long,
        "sum_seconds",
        tuple(1800 * 2**step for step in range(10)),
        pl.max_horizontal(
            pl.when(_USUAL)
            .then(power_law(pl.col("sum_seconds"), 3600.0, 1.0).clip(lower_bound=0.02))
            .otherwise(power_law(pl.col("sum_seconds"), 600.0, 1.5)),
            _FLOOR,
        ),
        _say_long,
        both,
        sums=("seconds",),
    ),
    Measure(
        "odd-port",
        _odd,
        "count",
        DOUBLING,
        pl.max_horizontal(power_law(pl.col("count"), 3.0, 3.0).clip(lower_bound=0.001), _FLOOR),
        _say_odd,
        both,
    ),
    Measure(
        "retries",
        _retries,
        "count",
        tuple(32 * 2**step for step in range(16)),
        pl.max_horizontal(
            power_law(pl.col("count"), 8.0, 2.0),
            pl.when(_USUAL).then(0.004).otherwise(5e-5),
            _FLOOR,
        ),
        _say_retries,
        both,
        condition=pl.col("sum_bad") * 10 >= pl.col("count") * 9,
    ),
    Measure(
        "mismatch",
        _mismatched,
        "count",
        (1, *DOUBLING),
        pl.max_horizontal(0.02 * power_law(pl.col("count"), 1.0, 0.5), _FLOOR),
        _say_mismatch,
        both,
    ),
)


class SessionDetector:
    """Judges how long, how often and how much in vain a host talks with one place."""

    spec = DetectorSpec(
        name="network-long",
        version="3",
        kind=FindingKind.NETWORK,
        title="Long, repeated and futile sessions",
        columns=FLOW_COLUMNS,
    )

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of this batch and the state after it."""
        taken = flows(batch, state)
        rows = taken.rows.filter(_OUTWARD)
        users = users_after(rows, state)
        found, tables = judged_measures(
            MEASURES, {"": rows}, state, self.spec, lambda due: with_crowds(due, users)
        )
        kept = {"users": users.tail(MAX_USERS), **taken.tables}
        return found, {**state, **tables, **kept}


def detector() -> SessionDetector:
    """The detector `network-long`."""
    return SessionDetector()
