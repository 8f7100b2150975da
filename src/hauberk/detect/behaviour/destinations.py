"""Which program or host talks to what: relations over connections and name look-ups."""

import polars as pl

from hauberk.events import EntityKind, EventClass

from .names import domain, image
from .rarity import RarityDetector, rarity_detector
from .relation import Relation
from .scopes import ADMIN_PORTS, address, host, inside, port_name

_ADMIN_TECHNIQUES = {
    22: "T1021.004",
    445: "T1021.002",
    3389: "T1021.001",
    5985: "T1021.006",
    5986: "T1021.006",
}


def _program_port(rows: pl.DataFrame) -> pl.DataFrame:
    internal = inside(address(rows, "dst_endpoint.ip"))
    side = pl.when(internal).then(pl.lit("inside")).otherwise(pl.lit("outside"))
    return rows.with_columns(
        host(rows, "device.hostname").fill_null("").alias("scope"),
        image(rows, "actor.process.file.path").alias("context"),
        pl.when(internal.is_not_null())
        .then(pl.lit("port ") + port_name("dst_endpoint.port") + pl.lit(" ") + side)
        .alias("object"),
    )


def _program_domain(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        host(rows, "device.hostname").fill_null("").alias("scope"),
        image(rows, "actor.process.file.path").alias("context"),
        domain(rows, "query.hostname").alias("object"),
    )


def _host_host(rows: pl.DataFrame) -> pl.DataFrame:
    source, target = address(rows, "src_endpoint.ip"), address(rows, "dst_endpoint.ip")
    both = inside(source) & inside(target) & (source != target)
    port = pl.col("dst_endpoint.port")
    service = port.replace_strict(ADMIN_PORTS, default=None, return_dtype=pl.String)
    technique = port.replace_strict(_ADMIN_TECHNIQUES, default=None, return_dtype=pl.String)
    return rows.with_columns(
        source.alias("scope"),
        pl.when(both).then(source).alias("context"),
        (target + " by " + pl.Series(rows.select(service).to_series())).alias("object"),
        technique.alias("technique"),
    )


_PROGRAM = ("device.hostname", "actor.process.file.path", "actor.user.name")
_ENTITIES = ((EntityKind.HOST, "device.hostname"), (EntityKind.USER, "actor.user.name"))


def detector() -> RarityDetector:
    """The detector `rarity-network`."""
    has_program = pl.col("actor.process.file.path").is_not_null()
    return rarity_detector(
        "rarity-network",
        "Destinations that are new for a program or a host",
        (
            Relation(
                rule_uid="rarity.program-port",
                title="Program connects to a kind of service that is new to it",
                event_class=EventClass.NETWORK_ACTIVITY,
                columns=(*_PROGRAM, "dst_endpoint.ip", "dst_endpoint.port"),
                where=has_program,
                read=_program_port,
                verb="connected to",
                unit="connections",
                entities=(*_ENTITIES, (EntityKind.IP, "dst_endpoint.ip")),
            ),
            Relation(
                rule_uid="rarity.program-domain",
                title="Program looks up a domain that is new to it",
                event_class=EventClass.DNS_ACTIVITY,
                columns=(*_PROGRAM, "query.hostname"),
                where=has_program,
                read=_program_domain,
                verb="looked up",
                unit="look-ups",
                entities=(*_ENTITIES, (EntityKind.DOMAIN, "query.hostname")),
            ),
            Relation(
                rule_uid="rarity.host-host",
                title="Host administers another for the first time",
                event_class=EventClass.NETWORK_ACTIVITY,
                columns=("src_endpoint.ip", "dst_endpoint.ip", "dst_endpoint.port"),
                where=pl.col("dst_endpoint.port").is_in(list(ADMIN_PORTS)),
                read=_host_host,
                verb="connected to",
                unit="connections",
                entities=(
                    (EntityKind.IP, "src_endpoint.ip"),
                    (EntityKind.IP, "dst_endpoint.ip"),
                ),
            ),
        ),
    )
