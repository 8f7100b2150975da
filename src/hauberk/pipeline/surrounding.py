"""What other products said of an incident's hosts about its time: context, and no evidence.

Routine alerts become no findings. Who investigates reads them all the same: was the host updated,
who logged on. They are looked up where they are asked for and change no incident.
"""

from collections.abc import Iterable
from datetime import timedelta

import polars as pl

from hauberk.events import TIME, EventClass
from hauberk.store import Home
from hauberk.triage import Incident

AROUND = timedelta(days=1)
"""How long before an incident's start and after its end is looked at."""

MAX_ALERTS = 200
"""Kinds of alerts that are given, the rarest first: what comes all day says least."""

ALERTS_SCHEMA = pl.Schema(
    {
        "product": pl.String(),
        "title": pl.String(),
        "host": pl.String(),
        "count": pl.Int64(),
        "first": TIME,
        "last": TIME,
    }
)
"""One row is one title of one product on one host, rarest first."""


def alerts_around(home: Home, incident: Incident) -> pl.DataFrame:
    """Alerts of other products on the incident's hosts about its time (ALERTS_SCHEMA)."""
    columns = ("metadata.product.name", "finding_info.title", "finding_info.count")
    found = (
        each_around(home, incident, columns)
        .group_by(
            pl.col("metadata.product.name").fill_null("").alias("product"),
            pl.col("finding_info.title").fill_null("").alias("title"),
            "host",
        )
        .agg(
            pl.col("finding_info.count").fill_null(1).cast(pl.Int64).sum().alias("count"),
            pl.col("time").min().alias("first"),
            pl.col("time").max().alias("last"),
        )
        .sort("count", "first", "product", "title", "host")
        .head(MAX_ALERTS)
        .collect()
    )
    return found.select(ALERTS_SCHEMA.names()).cast(ALERTS_SCHEMA)


def each_around(home: Home, incident: Incident, columns: Iterable[str]) -> pl.LazyFrame:
    """The alerts one by one: `columns` of detection findings, with `time` and `host`."""
    hosts, addresses = (
        [one.partition(":")[2] for one in incident.entities if one.startswith(kind)]
        for kind in ("host:", "ip:")
    )
    wanted = list(dict.fromkeys(["time", "device.hostname", "device.ip", *columns]))
    name = pl.col("device.hostname").str.to_lowercase()
    return (
        home.lake.scan(
            EventClass.DETECTION_FINDING,
            wanted,
            since=incident.start - AROUND,
            until=incident.end + AROUND,
        )
        .filter(name.is_in(hosts) | pl.col("device.ip").is_in(addresses))
        .with_columns(pl.coalesce(name, "device.ip").alias("host"))
    )
