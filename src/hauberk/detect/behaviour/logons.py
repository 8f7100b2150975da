"""Who logs on where, and from where: relations over successful log-ons."""

import polars as pl

from hauberk.events import EntityKind, EventClass, Status

from .names import clean
from .rarity import RarityDetector, rarity_detector
from .relation import Relation
from .scopes import address, host, user

_COLUMNS = (
    "device.hostname",
    "dst_endpoint.ip",
    "src_endpoint.ip",
    "src_endpoint.hostname",
    "user.name",
    "logon_type_id",
)

_LOGOFF = 2
_SERVICE_TICKETS = (4, 5)
_BY_THEMSELVES = (4, 5)  # batch and service log-ons: no one chose them

_SUCCESS = (
    (pl.col("status_id") == Status.SUCCESS)
    & ~pl.col("activity_id").fill_null(1).is_in([_LOGOFF, *_SERVICE_TICKETS])
    & ~pl.col("logon_type_id").fill_null(0).is_in(_BY_THEMSELVES)
)

_REMOTE = {10: "T1021.001", 3: "T1021", 8: "T1021"}


def _remote_technique() -> pl.Expr:
    return pl.col("logon_type_id").replace_strict(_REMOTE, default=None, return_dtype=pl.String)


def _frame(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        host(rows, "device.hostname", "dst_endpoint.ip").alias("target"),
        address(rows, "src_endpoint.ip")
        .fill_null(host(rows, "src_endpoint.hostname"))
        .alias("source"),
        user(rows, "user.name").alias("account"),
    ).filter(pl.col("source").is_null() | (pl.col("source") != pl.col("target")))


def _user_host(rows: pl.DataFrame) -> pl.DataFrame:
    return _frame(rows).with_columns(
        pl.col("target").alias("scope"),
        pl.col("account").alias("context"),
        pl.col("target").alias("object"),
    )


def _user_source(rows: pl.DataFrame) -> pl.DataFrame:
    return _frame(rows).with_columns(
        pl.col("target").alias("scope"),
        pl.col("account").alias("context"),
        pl.col("source").alias("object"),
    )


def _source_host(rows: pl.DataFrame) -> pl.DataFrame:
    return _frame(rows).with_columns(
        pl.col("target").alias("scope"),
        pl.col("source").alias("context"),
        pl.col("target").alias("object"),
        _remote_technique().alias("technique"),
    )


def _user_protocol(rows: pl.DataFrame) -> pl.DataFrame:
    named = _frame(rows)
    kind = pl.concat_str(
        pl.col("logon_type_id").cast(pl.String).fill_null("?"),
        clean(named, "auth_protocol").fill_null("?"),
        separator=" ",
    )
    return named.with_columns(
        pl.col("target").alias("scope"),
        pl.col("account").alias("context"),
        (pl.lit("log-on type ") + kind).alias("object"),
    )


_ENTITIES = (
    (EntityKind.HOST, "target"),
    (EntityKind.USER, "account"),
    (EntityKind.IP, "src_endpoint.ip"),
)


def detector() -> RarityDetector:
    """The detector `rarity-logon`."""
    columns = ("status_id", "activity_id", *_COLUMNS)
    return rarity_detector(
        "rarity-logon",
        "Log-ons that are new for an account or a host",
        (
            Relation(
                rule_uid="rarity.user-host",
                title="Account on a host that is new to it",
                event_class=EventClass.AUTHENTICATION,
                columns=columns,
                where=_SUCCESS,
                read=_user_host,
                verb="logged on to",
                unit="log-ons",
                entities=_ENTITIES,
                techniques=("T1078",),
            ),
            Relation(
                rule_uid="rarity.user-source",
                title="Account from a source that is new to it",
                event_class=EventClass.AUTHENTICATION,
                columns=columns,
                where=_SUCCESS,
                read=_user_source,
                verb="logged on from",
                unit="log-ons",
                entities=_ENTITIES,
                techniques=("T1078",),
            ),
            Relation(
                rule_uid="rarity.source-host",
                title="Log-on between two hosts that had none",
                event_class=EventClass.AUTHENTICATION,
                columns=columns,
                where=_SUCCESS,
                read=_source_host,
                verb="opened a session on",
                unit="sessions",
                entities=_ENTITIES,
            ),
            Relation(
                rule_uid="rarity.user-protocol",
                title="Account by a kind of log-on that is new to it",
                event_class=EventClass.AUTHENTICATION,
                columns=(*columns, "auth_protocol"),
                where=_SUCCESS,
                read=_user_protocol,
                verb="used",
                unit="log-ons",
                entities=_ENTITIES,
            ),
        ),
    )
