"""Leases: who asks the DHCP for more addresses than one client needs.

| measure | key | counts | nothing wrong, P(count >= k) |
|---|---|---|---|
| leases | client, an hour | distinct addresses asked for | (k / 2)^-4, at least 0.0005 |
| clients | server, a minute | distinct hardware addresses that ask | (k / 8)^-2, at least 0.001 |

A client asks for the address it had, and for another where that is refused; one that roams does so
in each network. Who asks for address after address finds out which are free, or takes them all, so
that the next answer can be its own. Remote-access servers take a handful for their callers, which
is why little of it weighs little. Many clients at once are a morning, or a power cut: only what is
`NEWS` times what the same server was ever asked in a minute before is told.
"""

import polars as pl

from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import LATEST, EventBatch, EventClass, FindingKind

from .flows import HOUR_US
from .habits import with_habits
from .measures import DOUBLING, Measure, Row, judged_measures, keyed, source, target
from .tally import power_law

COLUMNS = (
    "time", "metadata.uid", "device.hostname", "src_endpoint.ip", "src_endpoint.hostname",
    "src_endpoint.mac", "dst_endpoint.ip", "lease.requested",
)  # fmt: skip

NEWS = 4
"""Times what a server was asked in a minute before."""

_MINUTE_US = 60_000_000
_CLIENTS = tuple(64 * 2**step for step in range(10))


def _asked(rows: pl.DataFrame) -> pl.DataFrame:
    asked = rows.filter(pl.col("requested").is_not_null() & (pl.col("client") != ""))
    return keyed(asked, ["client"], "requested", HOUR_US)


def _say_leases(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = (
        f"{row['src'] or row['client']} asked for {row['distinct']:,} different addresses within "
        f"an hour, last {row['requested']}"
    )
    return "Address after address asked of the DHCP", text, ("T1557.003", "T1018", "T1499.002")


def _say_clients(row: Row) -> tuple[str, str, tuple[str, ...]]:
    server = row["dst"] or "the DHCP"
    text = f"{row['distinct']:,} different hardware addresses asked {server} within a minute"
    return "Addresses asked for by too many clients", text, ("T1499.002", "T1557.003")


def _client(row: Row) -> list[str | None]:
    # A client that has no address yet is told by the server that it asks.
    return [source(row) if row["src"] else target(row) if row["dst"] else None]


def _server(row: Row) -> list[str | None]:
    return [target(row) if row["dst"] else None]


MEASURES = (
    Measure(
        "leases",
        _asked,
        "distinct",
        (4, *DOUBLING),
        power_law(pl.col("distinct"), 2.0, 4.0).clip(lower_bound=5e-4),
        _say_leases,
        _client,
        sums=(),
    ),
    Measure(
        "clients",
        lambda rows: rows,
        "distinct",
        _CLIENTS,
        power_law(pl.col("distinct"), 8.0, 2.0).clip(lower_bound=0.001),
        _say_clients,
        _server,
        sums=(),
        condition=pl.col("count") >= NEWS * pl.col("habit"),
        table="clients",
        told_a=24 * 60,
    ),
)


class LeaseDetector:
    """Judges who asks for addresses, and for how many."""

    spec = DetectorSpec(
        name="network-leases",
        version="1",
        kind=FindingKind.NETWORK,
        title="Addresses taken from the DHCP",
        columns={EventClass.DHCP_ACTIVITY: COLUMNS},
    )

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of this batch and the state after it."""
        rows = _requests(batch)
        told = keyed(rows.filter(pl.col("client") != ""), ["server"], "client", _MINUTE_US)
        clients, habits = with_habits("clients", told, state)
        found, tables = judged_measures(MEASURES, {"": rows, "clients": clients}, state, self.spec)
        return found, {**state, **tables, **habits}


def detector() -> LeaseDetector:
    """The detector `network-leases`."""
    return LeaseDetector()


def _requests(batch: EventBatch) -> pl.DataFrame:
    """Requests in time order: `client` is a hardware address, else an address, else nothing."""
    raw = batch.events(EventClass.DHCP_ACTIVITY, COLUMNS).filter(pl.col("time") < LATEST)
    client = pl.coalesce(pl.col("src_endpoint.mac").str.to_lowercase(), "src_endpoint.ip")
    return raw.select(
        pl.col("time").dt.timestamp("us").alias("us"),
        pl.col("metadata.uid").alias("uid"),
        pl.coalesce("src_endpoint.hostname", "device.hostname").alias("host"),
        pl.col("src_endpoint.ip").alias("src"),
        pl.col("dst_endpoint.ip").alias("dst"),
        pl.col("dst_endpoint.ip").fill_null("").alias("server"),
        client.fill_null("").alias("client"),
        pl.col("lease.requested").alias("requested"),
    ).sort("us", "uid")
