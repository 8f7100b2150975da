"""Names that a program made up, and data carried in names.

| measure | key, window | counts | nothing wrong, P(count >= k) |
|---|---|---|---|
| generated | source, hour | distinct registered domains that do not exist | (k / least)^-3 |
| made-up | source, hour | distinct registered domains that look made up | (k / 8)^-3 |
| tunnel | source and domain, day | distinct long names, or of data types | (k / least)^-2 |

`least` of `generated` is 3 where at least half of the names look made up, else 8 (search suffixes
and dead links). `made-up` needs three in ten of a source's queries to look so. `least` of `tunnel`
is 8 where names carry 30 characters or more, or data types (TXT, NULL) prevail, else 24; its tail
is heavier, since reputation services put digests into names.
"""

import polars as pl

from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import EntityKind, EventBatch, EventClass, FindingKind, entity

from .flows import HOUR_US
from .measures import DOUBLING, Measure, Row, judged_measures, keyed, source
from .names import split_names
from .tally import power_law

COLUMNS = (
    "time", "metadata.uid", "device.hostname", "src_endpoint.ip", "dst_endpoint.port",
    "query.hostname", "query.type", "rcode",
)  # fmt: skip

_BESIDE = (137, 5353, 5355)  # names of the neighbourhood: NetBIOS, mDNS, LLMNR
_PURE_DATA = ("TXT", "NULL", "KEY", "16", "10")
_FAILED = ("NXDOMAIN", "3", "NAME ERROR")


def _by_source(rows: pl.DataFrame, chosen: str) -> pl.DataFrame:
    """Queries by source and hour; those not chosen have no domain of their own."""
    asked = keyed(rows, ["src"], "domain", HOUR_US).with_columns(
        pl.col(chosen).alias("failed"), pl.col(chosen).cast(pl.Int64).alias("bad")
    )
    return asked.with_columns(
        pl.when("failed").then("target").otherwise(pl.lit("")).alias("target")
    )


def _below(rows: pl.DataFrame) -> pl.DataFrame:
    return keyed(rows.filter(pl.col("sub") != ""), ["src", "domain"], "sub")


def _say_generated(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = (
        f"{row['src']} asked within an hour for {row['distinct']:,} domains that do not exist, "
        f"last {row['domain']}"
    )
    return "Generated domain names", text, ("T1568.002",)


def _say_made_up(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = (
        f"{row['src']} asked within an hour for {row['distinct']:,} domains that look made up by "
        f"a program, last {row['domain']}"
    )
    return "Generated domain names", text, ("T1568.002",)


def _say_tunnel(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = (
        f"{row['src']} asked for {row['distinct']:,} different names below {row['domain']}, last "
        f"{str(row['sub'])[:60]}"
    )
    return "Data carried in DNS names", text, ("T1071.004", "T1572", "T1048")


def _source(row: Row) -> list[str | None]:
    return [source(row)]


def _source_and_domain(row: Row) -> list[str | None]:
    return [*_source(row), entity(EntityKind.DOMAIN, str(row["domain"]))]


_LOOKS = pl.col("sum_made_up") * 2 >= pl.col("sum_bad")
_LENGTH = pl.col("sum_length") / pl.col("count")
_MOSTLY_DATA = pl.col("sum_data") * 2 > pl.col("count")
_DENSE = (_LENGTH >= 30) | _MOSTLY_DATA

MEASURES = (
    Measure(
        "generated",
        lambda rows: _by_source(rows, "nowhere"),
        "distinct",
        DOUBLING,
        power_law(pl.col("distinct"), pl.when(_LOOKS).then(3.0).otherwise(8.0), 3.0),
        _say_generated,
        _source,
        sums=("bad", "made_up"),
        failing=True,
    ),
    Measure(
        "made-up",
        lambda rows: _by_source(rows, "random"),
        "distinct",
        DOUBLING,
        power_law(pl.col("distinct"), 8.0, 3.0),
        _say_made_up,
        _source,
        condition=pl.col("sum_bad") * 10 >= pl.col("count") * 3,
        failing=True,
    ),
    Measure(
        "tunnel",
        _below,
        "distinct",
        DOUBLING,
        power_law(pl.col("distinct"), pl.when(_DENSE).then(8.0).otherwise(24.0), 2.0),
        _say_tunnel,
        _source_and_domain,
        sums=("length", "data"),
        condition=(_LENGTH >= 16) | _MOSTLY_DATA,
    ),
)


class DnsDetector:
    """Judges what a host asks the DNS for."""

    spec = DetectorSpec(
        name="network-dns",
        version="2",
        kind=FindingKind.NETWORK,
        title="Generated domains and tunnels in DNS",
        columns={EventClass.DNS_ACTIVITY: COLUMNS},
    )

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of this batch and the state after it."""
        found, tables = judged_measures(MEASURES, {"": queries(batch)}, state, self.spec)
        return found, {**state, **tables}


def detector() -> DnsDetector:
    """The detector `network-dns`."""
    return DnsDetector()


def queries(batch: EventBatch) -> pl.DataFrame:
    """Queries for registered domains in time order, with what their names are made of."""
    raw = batch.events(EventClass.DNS_ACTIVITY, COLUMNS).filter(
        pl.col("time").is_not_null()
        & pl.col("src_endpoint.ip").is_not_null()
        & ~pl.col("dst_endpoint.port").is_in(_BESIDE).fill_null(value=False)
    )
    kind = pl.col("query.type").str.to_uppercase()
    rows = raw.select(
        pl.col("time").dt.timestamp("us").alias("us"),
        pl.col("metadata.uid").alias("uid"),
        pl.col("device.hostname").alias("host"),
        pl.col("src_endpoint.ip").alias("src"),
        pl.col("query.hostname").alias("query"),
        pl.col("rcode").str.to_uppercase().is_in(_FAILED).fill_null(value=False).alias("nowhere"),
        kind.is_in(_PURE_DATA).fill_null(value=False).cast(pl.Int64).alias("data"),
    )
    split = split_names(rows["query"])
    return (
        rows.join(split, on="query", how="inner", maintain_order="left")
        .with_columns(
            pl.col("sub").str.len_chars().cast(pl.Int64).alias("length"),
            (pl.col("random") & pl.col("nowhere")).cast(pl.Int64).alias("made_up"),
        )
        .sort("us", "uid")
    )
