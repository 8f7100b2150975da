"""Which principal calls what, from where: relations over cloud API calls."""

import polars as pl

from hauberk.events import EntityKind, EventClass

from .names import clean, varying
from .rarity import RarityDetector, rarity_detector
from .relation import Relation

_COLUMNS = ("actor.user.uid", "actor.user.name", "cloud.account.uid", "src_endpoint.ip")


def _principal(rows: pl.DataFrame) -> pl.Expr:
    # The last part of an assumed role's ARN names the session, which differs each time.
    return (
        pl.coalesce(varying(rows, "actor.user.uid"), varying(rows, "actor.user.name"))
        .str.replace(r"(:assumed-role/[^/]+)/.*$", "$1")
        .alias("context")
    )


def _operations(rows: pl.DataFrame) -> pl.DataFrame:
    operation = pl.concat_str(
        clean(rows, "api.service.name").fill_null("?"), clean(rows, "api.operation"), separator=" "
    )
    error = clean(rows, "api.response.error")
    return rows.with_columns(
        clean(rows, "cloud.account.uid").fill_null("").alias("scope"),
        _principal(rows),
        pl.when(error.is_not_null())
        .then(operation + " (refused)")
        .otherwise(operation)
        .alias("object"),
    )


def _agents(rows: pl.DataFrame) -> pl.DataFrame:
    agent = clean(rows, "http_request.user_agent").str.extract(r"^([^/\s(\[]+)")
    return rows.with_columns(
        clean(rows, "cloud.account.uid").fill_null("").alias("scope"),
        _principal(rows),
        agent.alias("object"),
    )


_ENTITIES = (
    (EntityKind.PRINCIPAL, "context"),
    (EntityKind.USER, "actor.user.name"),
    (EntityKind.IP, "src_endpoint.ip"),
)


def detector() -> RarityDetector:
    """The detector `rarity-cloud`."""
    return rarity_detector(
        "rarity-cloud",
        "Calls and clients that are new for a cloud principal",
        (
            Relation(
                rule_uid="rarity.principal-operation",
                title="Cloud principal calls an operation that is new to it",
                event_class=EventClass.API_ACTIVITY,
                columns=(*_COLUMNS, "api.service.name", "api.operation", "api.response.error"),
                read=_operations,
                verb="called",
                unit="calls",
                entities=_ENTITIES,
                techniques=("T1078.004",),
            ),
            Relation(
                rule_uid="rarity.principal-agent",
                title="Cloud principal works with a client that is new to it",
                event_class=EventClass.API_ACTIVITY,
                columns=(*_COLUMNS, "http_request.user_agent"),
                read=_agents,
                verb="used",
                unit="calls",
                entities=_ENTITIES,
                techniques=("T1078.004",),
            ),
        ),
    )
