"""Alerts into tiles: one row is one analytic of one product, on one entity, in one hour.

Every judgement is made on tiles of the clock's own hours, so that it does not matter how the
alerts were cut into batches on their way.
"""

import polars as pl

from hauberk.events import MAX_EVIDENCE, TIME, EventBatch, EventClass, is_internal, is_plausible

MAX_NAMES = 20
"""Addresses, users and techniques that a tile keeps."""

COLUMNS = (
    "time",
    "severity_id",
    "metadata.uid",
    "metadata.product.name",
    "device.hostname",
    "device.ip",
    "actor.user.name",
    "src_endpoint.ip",
    "dst_endpoint.ip",
    "finding_info.title",
    "finding_info.analytic.uid",
    "finding_info.attacks",
    "finding_info.count",
)
"""What the detector reads of a detection finding."""

KEYS = ("product", "analytic", "entity")

TILE_SCHEMA = pl.Schema(
    {
        "product": pl.String(),
        "analytic": pl.String(),  # the product's id of the rule, or what it said
        "entity": pl.String(),  # the host it is about, else an address or a user, else ""
        "hour": pl.Int64(),  # whole hours since 1970
        "count": pl.Int64(),
        "first": TIME,
        "last": TIME,
        "title": pl.String(),
        "severity": pl.Int32(),
        "evidence": pl.List(pl.String()),
        "hosts": pl.List(pl.String()),
        "addresses": pl.List(pl.String()),
        "users": pl.List(pl.String()),
        "techniques": pl.List(pl.String()),
        "tellings": pl.Int64(),  # findings that were made of it so far
        "told": pl.Float64(),  # the surprise of the last of them, null before
        "told_count": pl.Int64(),  # the alerts that the last of them rests on
    }
)

MAX_ANALYTIC = 300
"""Characters of an analytic that tell it from others."""

_PARTICULARS = r"[0-9A-Fa-f]{8,}|\d+"  # what makes titles of one rule differ
_HOUR_US = 3_600_000_000
_LISTS = {
    "evidence": MAX_EVIDENCE,
    "hosts": MAX_NAMES,
    "addresses": MAX_NAMES,
    "users": MAX_NAMES,
    "techniques": MAX_NAMES,
}


def tiles(batch: EventBatch) -> pl.DataFrame:
    """The batch's alerts as tiles (TILE_SCHEMA), in order of hour and key.

    Alerts without a plausible time are left out.
    """
    alerts = batch.events(EventClass.DETECTION_FINDING, COLUMNS).filter(
        is_plausible(pl.col("time"))
    )
    if alerts.is_empty():
        return pl.DataFrame(schema=TILE_SCHEMA)
    title = pl.coalesce(_text("finding_info.title"), _text("finding_info.analytic.uid"), pl.lit(""))
    alerts = alerts.with_columns(_inner_address(alerts).alias("inner"))
    return (
        alerts.with_columns(
            pl.coalesce(_text("metadata.product.name"), pl.lit("unknown")).alias("product"),
            pl.coalesce(
                _text("finding_info.analytic.uid"), title.str.replace_all(_PARTICULARS, "#")
            ).str.slice(0, MAX_ANALYTIC).alias("analytic"),
            pl.coalesce(
                _text("device.hostname"), _text("device.ip"), "inner",
                _text("src_endpoint.ip"), _text("actor.user.name"), pl.lit(""),
            ).str.to_lowercase().alias("entity"),
            (pl.col("time").cast(pl.Int64) // _HOUR_US).alias("hour"),
            title.alias("title"),
        )
        .group_by([*KEYS, "hour"])
        .agg(
            pl.col("finding_info.count").fill_null(1).clip(1, 1_000_000).sum().alias("count"),
            pl.col("time").min().alias("first"),
            pl.col("time").max().alias("last"),
            pl.col("title").first(),
            pl.col("severity_id").max().fill_null(0).alias("severity"),
            pl.col("metadata.uid").drop_nulls().head(MAX_EVIDENCE).alias("evidence"),
            _names("device.hostname").alias("hosts"),
            _names("device.ip", "src_endpoint.ip", "dst_endpoint.ip").alias("addresses"),
            _names("actor.user.name").alias("users"),
            pl.col("finding_info.attacks").explode().drop_nulls().unique(maintain_order=True)
            .head(MAX_NAMES).alias("techniques"),
        )
        .with_columns(tellings=pl.lit(0), told=pl.lit(None), told_count=pl.lit(0))
        .select(pl.col(name).cast(dtype) for name, dtype in TILE_SCHEMA.items())
        .sort("hour", *KEYS)
    )  # fmt: skip


def join_tiles(earlier: pl.DataFrame, later: pl.DataFrame) -> pl.DataFrame:
    """Tiles of the same key and hour as one, sorted by hour and key."""
    if earlier.is_empty() or later.is_empty():
        return (later if earlier.is_empty() else earlier).sort("hour", *KEYS)
    return (
        pl.concat([earlier, later])
        .group_by([*KEYS, "hour"], maintain_order=True)
        .agg(
            pl.col("count").sum(),
            pl.col("first").min(),
            pl.col("last").max(),
            pl.col("title").first(),
            pl.col("severity").max(),
            pl.col("tellings").max(),
            pl.col("told").min(),
            pl.col("told_count").max(),
            *(
                pl.col(name).explode().drop_nulls().unique(maintain_order=True).head(limit)
                for name, limit in _LISTS.items()
            ),
        )
        .select(TILE_SCHEMA.names())
        .sort("hour", *KEYS)
    )


def _text(name: str) -> pl.Expr:
    """The column, null where it is empty."""
    column = pl.col(name).str.strip_chars()
    return pl.when(column != "").then(column)


def _names(first: str, *others: str) -> pl.Expr:
    """The first few distinct values of the columns."""
    column = pl.col(first)
    for other in others:
        column = column.append(pl.col(other))
    return column.drop_nulls().unique(maintain_order=True).head(MAX_NAMES)


def _inner_address(alerts: pl.DataFrame) -> pl.Series:
    """The address of the two that is ours; the destination where both are."""
    inner: list[pl.Series] = []
    for name in ("dst_endpoint.ip", "src_endpoint.ip"):
        distinct = alerts[name].unique()
        ours = [text if text and is_internal(text) else None for text in distinct]
        inner.append(
            alerts[name].replace_strict(
                distinct, pl.Series(ours, dtype=pl.String), return_dtype=pl.String
            )
        )
    destination, source = inner
    return destination.fill_null(source)
