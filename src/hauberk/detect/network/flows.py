"""Flows: each connection once, in one frame, whatever the sensor wrote.

Flow records (Zeek conn, Suricata flow and netflow, Argus) are connections by themselves. Records of
an application (HTTP requests, TLS handshakes) stand in for a connection that no flow record tells
of: a record whose connection id a flow record named before is that connection again, and is left
out. A flow record carries the time at which its connection began, so it comes first.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from hauberk.detect.interface import State
from hauberk.events import (
    LATEST,
    EntityKind,
    EventBatch,
    EventClass,
    Status,
    entity,
    is_internal,
)

from .ours import tables_of_ours, with_ours

_TRAFFIC = 6
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US

_COLUMNS = (
    "time", "metadata.uid", "activity_id", "status_id", "device.hostname", "src_endpoint.ip",
    "src_endpoint.port", "dst_endpoint.ip", "dst_endpoint.port", "connection_info.uid",
    "connection_info.protocol_name", "app_name", "duration", "traffic.bytes_out",
    "traffic.bytes_in", "traffic.packets_out", "traffic.packets_in", "tls.sni",
)  # fmt: skip
_HTTP = (
    "time", "metadata.uid", "device.hostname", "src_endpoint.ip", "src_endpoint.port",
    "dst_endpoint.ip", "dst_endpoint.port", "connection_info.uid", "traffic.bytes_out",
    "traffic.bytes_in", "http_request.url.hostname",
)  # fmt: skip

FLOW_COLUMNS: Mapping[EventClass, tuple[str, ...]] = {
    EventClass.NETWORK_ACTIVITY: _COLUMNS,
    EventClass.HTTP_ACTIVITY: _HTTP,
}
"""What `flows` reads of the lake."""

MAX_CONNECTIONS = 200_000
"""Connection ids of flow records that are remembered, the latest."""

_SEEN = pl.Schema({"connection": pl.String(), "us": pl.Int64()})
_NO_CONNECTIONS = pl.DataFrame(schema=_SEEN)


@dataclass(frozen=True, slots=True)
class Flows:
    """Connections in time order, and what to remember: `tables`, for the state.

    Columns of `rows`: `us`, `uid`, `host`, `src`, `sport`, `dst`, `port`, `proto`, `app`, `failed`
    (no answer, or refused), `bad` (the same as a number), `duration` (s), `out`, `back` (bytes),
    `packets_out`, `packets_back`, `name` (TLS or HTTP name of the destination), `src_in`, `dst_in`
    (internal addresses, and public ones that are `ours`), `to_many` (to a multicast or broadcast
    address: nobody answers, and nobody should), `reply` (a low port calls a high one: a server
    answers, and the sensor missed the question).
    """

    rows: pl.DataFrame
    tables: Mapping[str, pl.DataFrame]


def flows(batch: EventBatch, state: State) -> Flows:
    """The batch's connections; rows without time or both addresses are left out.

    Detectors that remember the same share what is made here: whoever is asked first makes it.
    """
    seen = state.get("connections", _NO_CONNECTIONS)
    return batch.derived(_flows, seen, *tables_of_ours(state))


def _flows(batch: EventBatch, seen: pl.DataFrame, *ours: pl.DataFrame) -> Flows:
    network = _named(batch, EventClass.NETWORK_ACTIVITY, _COLUMNS)
    traffic = (network["activity_id"] == _TRAFFIC).fill_null(value=False)
    own = network if traffic.all() else network.filter(traffic)
    others = [network.clear() if traffic.all() else network.filter(~traffic)]
    http = _named(batch, EventClass.HTTP_ACTIVITY, _HTTP)
    if http.height:
        others.append(http.with_columns(pl.lit("http").alias("app_name")))
    known = pl.concat(
        [
            seen,
            own.filter(pl.col("app_name").str.contains("http|ssl|tls")).select(
                pl.col("connection_info.uid").alias("connection"),
                pl.col("time").dt.timestamp("us").alias("us"),
            ),
        ]
    ).drop_nulls("connection")
    if any(frame.height for frame in others):
        lone = pl.concat(others, how="diagonal_relaxed").join(
            known.select("connection"),
            left_on="connection_info.uid",
            right_on="connection",
            how="anti",
        )
        own = pl.concat([own, lone], how="diagonal_relaxed")
    rows, tables = with_ours(_shaped(own), *ours)
    # Long connections are named again late; a day covers nearly all of them.
    if known.height:
        latest = known["us"].max()
        assert isinstance(latest, int)
        known = known.filter(pl.col("us") > latest - DAY_US).tail(MAX_CONNECTIONS)
    return Flows(rows, {**tables, "connections": known})


def _named(batch: EventBatch, event_class: EventClass, columns: tuple[str, ...]) -> pl.DataFrame:
    return batch.events(event_class, columns).filter(
        (pl.col("time") < LATEST)
        & pl.col("src_endpoint.ip").is_not_null()
        & pl.col("dst_endpoint.ip").is_not_null()
    )


def _shaped(rows: pl.DataFrame) -> pl.DataFrame:
    name = pl.col("tls.sni")
    if "http_request.url.hostname" in rows.columns:
        name = pl.coalesce(name, "http_request.url.hostname")
    rows = rows.with_columns(_protocols(rows["connection_info.protocol_name"]).alias("proto"))
    proto = pl.col("proto")
    back = pl.col("traffic.bytes_in")
    # A handshake without a byte of data in either direction asked only whether the port is open.
    bare = (proto == "tcp") & (pl.col("traffic.bytes_out") == 0) & (back == 0)
    spoken = proto.is_in(["tcp", "udp"]) & (pl.col("status_id") != int(Status.SUCCESS))
    silent = spoken & (pl.coalesce("traffic.packets_in", back) == 0)
    failed = (pl.col("status_id") == int(Status.FAILURE)) | bare | silent
    shaped = rows.select(
        pl.col("time").dt.timestamp("us").alias("us"),
        pl.col("metadata.uid").alias("uid"),
        pl.col("device.hostname").alias("host"),
        pl.col("src_endpoint.ip").alias("src"),
        pl.col("src_endpoint.port").fill_null(-1).alias("sport"),
        pl.col("dst_endpoint.ip").alias("dst"),
        pl.col("dst_endpoint.port").fill_null(-1).alias("port"),
        proto,
        pl.col("app_name").alias("app"),
        failed.fill_null(value=False).alias("failed"),
        failed.fill_null(value=False).cast(pl.Int64).alias("bad"),
        pl.col("duration"),
        pl.col("traffic.bytes_out").alias("out"),
        back.alias("back"),
        pl.col("traffic.packets_out").alias("packets_out"),
        pl.col("traffic.packets_in").alias("packets_back"),
        name.alias("name"),
    )
    us, uid = pl.col("us"), pl.col("uid")
    before = (us > us.shift(1)) | ((us == us.shift(1)) & (uid >= uid.shift(1)))
    in_order = bool(shaped.select(before.all(ignore_nulls=True)).item())
    return sided(shaped if in_order else shaped.sort("us", "uid"))


def _protocols(names: pl.Series) -> pl.Series:
    """Lower-case names of protocols, every ICMP one of them; TCP where nothing is said."""
    distinct = names.unique().drop_nulls()
    lower = distinct.str.to_lowercase()
    plain = lower.to_frame().select(
        pl.when(pl.first().str.contains("icmp", literal=True))
        .then(pl.lit("icmp"))
        .otherwise(pl.first())
    )
    changed = distinct != plain.to_series()
    if changed.any():
        names = names.replace(distinct.filter(changed), plain.to_series().filter(changed))
    return names.fill_null("tcp") if names.null_count() else names


_V4 = r"^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$"
# What `is_internal` says of IPv4, as one pattern: it is asked of every distinct address.
_TO_MANY = r"^(22[4-9]|23\d)\.|\.255$|^[fF][fF]"
_V4_INTERNAL = (
    r"^(0|10|127|22[4-9]|23\d|24\d|25[0-5])\.|^169\.254\.|^172\.(1[6-9]|2\d|3[01])\.|^192\.168\."
    r"|^192\.0\.0\.([0-7]|17[01])$|^198\.1[89]\."
)


def sided(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with `src_in`, `dst_in`, `to_many` and `reply`; each address is looked at once."""
    distinct = pl.concat([rows["src"].unique(), rows["dst"].unique()]).unique()
    plain = distinct.str.contains(_V4)
    others = [text for text in distinct.filter(~plain) if is_internal(text)]
    inside = distinct.filter(plain & distinct.str.contains(_V4_INTERNAL)).append(
        pl.Series(others, dtype=pl.String)
    )
    many = distinct.filter(distinct.str.contains(_TO_MANY))
    return rows.with_columns(
        *(pl.col(side).is_in(inside.implode()).alias(f"{side}_in") for side in ("src", "dst")),
        pl.col("dst").is_in(many.implode()).alias("to_many"),
        (pl.col("sport").is_between(1, 1023) & (pl.col("port") >= 1024)).alias("reply"),
    )


INBOUND = ~pl.col("src_in") & pl.col("dst_in")
"""From the Internet to an address of ours. Between two public addresses nobody's side is known
until `ours` has learned it; those are judged as if the source were ours."""


CALLING = (
    25, 53, 67, 68, 80, 110, 123, 143, 443, 465, 500, 587, 853, 993, 995, 1194, 1883, 3478, 4500,
    5222, 5223, 5228, 8080, 8443, 8883, 51820,
)  # fmt: skip
"""Ports of services on the Internet that ordinary programs call, keep open, and call again."""

TO_MANY, REPLY = pl.col("to_many"), pl.col("reply")


def subject(address: str, host: str | None) -> str | None:
    """The entity of an address: its host's name where the record gives one."""
    named = entity(EntityKind.HOST, host) if host else None
    return named or entity(EntityKind.IP, address)
