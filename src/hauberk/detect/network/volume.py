"""Data that leaves, and programs that arrive.

| measure | key, a day | counts | nothing wrong |
|---|---|---|---|
| upload | source, target | bytes sent, twice what came back or more | (b / 5 MB)^-1, or by habit |
| icmp-data | source, target | bytes in pings | (b / 32 kB)^-1 |
| direct | source | servers asked by address instead of name | (k / 2)^-2, at least 0.002 |
| payload | source | programs fetched over plain HTTP | 0.04 / k^0.5 by name, 0.002 / k by address |

Sizes of transfers have a tail of exponent about 1: ten times the bytes, a tenth of the hosts. What
this environment's own hosts send weighs in by `judgement`. Of a source that was met on
`KNOWN_DAYS` or more days before, its own largest day H is the measure instead: the next of n + 1
days is the largest with 1 / (n + 1), and of b bytes or more with H / b of that. So a nightly backup
is no news, and one session of a host that hardly sends is.
"""

import polars as pl

from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import EventBatch, EventClass, FindingKind

from .flows import DAY_US, FLOW_COLUMNS, TO_MANY, flows
from .habits import habits_of
from .measures import DOUBLING, Measure, Row, both, judged_measures, keyed
from .tally import power_law
from .telling import sized

HTTP_COLUMNS = (
    *FLOW_COLUMNS[EventClass.HTTP_ACTIVITY], "http_request.url.path", "http_request.user_agent",
    "file.mime_type",
)  # fmt: skip

MEGABYTE = 1_000_000

KNOWN_DAYS = 3
"""Days after which a source's own largest day says more than what hosts send in general."""

_PROGRAM = (
    r"(?i)\.(exe|dll|scr|sh|elf|ps1|hta|vbs|bat|msi|jar|apk|arm[0-9]?|mips|mpsl|x86|sh4|ppc)"
    r"(\?|$)"
)
_PROGRAM_TYPE = (
    r"(?i)dosexec|x-executable|x-elf|x-sharedlib|msdownload|x-msdos|x-mach|x-shellscript"
)
_LITERAL = r"^\[?[0-9a-fA-F.:]*[.:][0-9a-fA-F.:]*\]?$"


def _sent(rows: pl.DataFrame) -> pl.DataFrame:
    outward = rows.filter(~pl.col("dst_in") & ~TO_MANY & (pl.col("proto") != "icmp"))
    return _bytes(outward)


def _with_habits(due: pl.DataFrame, habits: pl.DataFrame) -> pl.DataFrame:
    """The due rows with `habit` and `windows` of their sources' days."""
    days = due.with_columns((pl.col("us") // DAY_US).alias("_day"))
    return days.join(
        habits,
        left_on=["src", "_day"],
        right_on=["key", "window"],
        how="left",
        maintain_order="left",
    ).drop("_day")


def _pings(rows: pl.DataFrame) -> pl.DataFrame:
    echo = (pl.col("proto") == "icmp") & pl.col("sport").is_in([0, 8, -1])
    return keyed(_bytes(rows.filter(echo & ~TO_MANY)), ["src", "dst"], "port")


def _bytes(rows: pl.DataFrame) -> pl.DataFrame:
    # A counter that wrapped or lies must not overflow the sum.
    return rows.with_columns(
        pl.col("out").fill_null(0).clip(0, 1 << 44), pl.col("back").fill_null(0).clip(0, 1 << 44)
    )


def _direct(rows: pl.DataFrame) -> pl.DataFrame:
    return keyed(rows.filter(pl.col("literal") & ~pl.col("dst_in")), ["src"], "name")


def _programs(rows: pl.DataFrame) -> pl.DataFrame:
    return keyed(rows.filter("program"), ["src"], "url")


def _say_upload(row: Row) -> tuple[str, str, tuple[str, ...]]:
    name = f" ({row['name']})" if row["name"] else ""
    text = (
        f"{row['src']} sent {sized(float(str(row['sum_out'])))} to {row['dst']}{name} in one day "
        f"and got {sized(float(str(row['sum_back'])))} back"
    )
    web = row["port"] in (80, 443)
    return "Much data sent to one place", text, ("T1048", "T1041", *(("T1567",) if web else ()))


def _say_pings(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = f"{row['src']} sent {sized(float(str(row['sum_out'])))} in pings to {row['dst']}"
    return "Data carried in pings", text, ("T1095", "T1048")


def _say_direct(row: Row) -> tuple[str, str, tuple[str, ...]]:
    agent = str(row["agent"] or "none")[:60]
    text = (
        f"{row['src']} asked {row['distinct']:,} web servers by address instead of name, last "
        f"{row['name']}{str(row['path'] or '')[:60]} (user agent: {agent})"
    )
    return "Web servers asked by address", text, ("T1071.001",)


def _say_program(row: Row) -> tuple[str, str, tuple[str, ...]]:
    by = " by address instead of name" if row["literal"] else ""
    text = (
        f"{row['src']} fetched {row['distinct']:,} programs over plain HTTP{by}, last "
        f"{str(row['url'])[:100]}"
    )
    return "Program fetched over plain HTTP", text, ("T1105", "T1071.001")


_LARGEST = pl.max_horizontal(pl.col("habit"), MEGABYTE // 2).cast(pl.Float64)
_OWN = power_law(pl.col("sum_out"), _LARGEST, 1.0) / (pl.col("windows") + 1)
_BY_ADDRESS = pl.col("sum_by_address") > 0

MEASURES = (
    Measure(
        "upload",
        lambda rows: keyed(rows, ["src", "dst"], "port"),
        "sum_out",
        tuple(20 * MEGABYTE * 2**step for step in range(24)),
        pl.when(pl.col("windows") >= KNOWN_DAYS)
        .then(_OWN)
        .otherwise(power_law(pl.col("sum_out"), 5.0 * MEGABYTE, 1.0))
        .clip(lower_bound=1e-4),
        _say_upload,
        both,
        sums=("out", "back"),
        table="sent",
        condition=pl.col("sum_out") > 2 * pl.col("sum_back"),
    ),
    Measure(
        "icmp-data",
        _pings,
        "sum_out",
        tuple(64_000 * 2**step for step in range(24)),
        power_law(pl.col("sum_out"), 32_000.0, 1.0).clip(lower_bound=1e-4),
        _say_pings,
        both,
        sums=("out",),
        condition=pl.col("sum_out") > 200 * pl.col("count"),
    ),
    Measure(
        "direct",
        _direct,
        "distinct",
        (4, *DOUBLING),
        power_law(pl.col("distinct"), 2.0, 2.0).clip(lower_bound=0.002),
        _say_direct,
        both,
        sums=(),
        table="http",
    ),
    Measure(
        "payload",
        _programs,
        "distinct",
        (1, 2, 4, *DOUBLING),
        pl.when(_BY_ADDRESS)
        .then(0.002 * power_law(pl.col("distinct"), 1.0, 1.0))
        .otherwise(0.04 * power_law(pl.col("distinct"), 1.0, 0.5))
        .clip(lower_bound=1e-4),
        _say_program,
        both,
        sums=("by_address",),
        table="http",
    ),
)


class VolumeDetector:
    """Judges what leaves the network and what programs come in."""

    spec = DetectorSpec(
        name="network-volume",
        version="3",
        kind=FindingKind.NETWORK,
        title="Data sent out and programs fetched",
        columns={**FLOW_COLUMNS, EventClass.HTTP_ACTIVITY: HTTP_COLUMNS},
    )

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of this batch and the state after it."""
        taken = flows(batch, state)
        sent = _sent(taken.rows)
        # Habits are of all that a source of ours sends to the Internet in a day.
        ours = sent.filter("src_in")
        days = ours.select(pl.col("src").alias("key"), pl.col("us") // DAY_US, "out")
        habits, kept = habits_of("upload", days.rename({"us": "window"}), state, pl.col("out"))
        tables = {"": taken.rows, "sent": sent, "http": requests(batch)}
        found, after = judged_measures(
            MEASURES, tables, state, self.spec, lambda due: _with_habits(due, habits)
        )
        return found, {**state, **after, **kept, **taken.tables}


def detector() -> VolumeDetector:
    """The detector `network-volume`."""
    return VolumeDetector()


def requests(batch: EventBatch) -> pl.DataFrame:
    """HTTP requests in time order, as flows with `url`, `path`, `agent`, `literal`, `program`."""
    raw = batch.events(EventClass.HTTP_ACTIVITY, HTTP_COLUMNS)
    rows = flows(EventBatch(batch.batch_id, {EventClass.HTTP_ACTIVITY: raw}), {}).rows
    extra = raw.select(
        pl.col("metadata.uid").alias("uid"),
        pl.col("http_request.url.path").alias("path"),
        pl.col("http_request.user_agent").alias("agent"),
        pl.col("file.mime_type").alias("mime"),
    )
    host = pl.coalesce("name", "dst").str.replace(r":\d+$", "")
    literal = host.str.contains(_LITERAL).fill_null(value=False)
    program = pl.col("path").str.contains(_PROGRAM) | pl.col("mime").str.contains(_PROGRAM_TYPE)
    return (
        rows.join(extra, on="uid", how="left", maintain_order="left")
        .with_columns(
            host.alias("name"),
            literal.alias("literal"),
            literal.cast(pl.Int64).alias("by_address"),
            program.fill_null(value=False).alias("program"),
        )
        .with_columns(
            pl.concat_str([pl.lit("http://"), "name", pl.col("path").fill_null("/")]).alias("url")
        )
    )
