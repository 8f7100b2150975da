"""Log-on attempts: one row is one try of one account from one source, that failed or succeeded."""

import polars as pl

from hauberk.events import TIME, EventBatch, EventClass, Status

from .bursts import DAY_US
from .echoes import heard_once
from .scopes import address, host, user

COLUMNS = (
    "time",
    "metadata.uid",
    "metadata.product.name",
    "activity_id",
    "status_id",
    "device.hostname",
    "dst_endpoint.ip",
    "src_endpoint.ip",
    "src_endpoint.hostname",
    "user.name",
    "logon_type_id",
)

_LOGOFF = 2
_SERVICE_TICKETS = (4, 5)
_OTHER = 99
_MAX_NAME = 128


ATTEMPT_SCHEMA = pl.Schema(
    {
        "number": pl.Int64(),  # ordinal among all attempts ever judged
        "us": pl.Int64(),  # microseconds since 1970, never before an earlier attempt
        "time": TIME,
        "uid": pl.String(),
        "source": pl.String(),  # address or name; `on HOST` for attempts made on the host itself
        "account": pl.String(),
        "host": pl.String(),  # `?` where the record names none
    }
)


def attempts(
    batch: EventBatch, clock_us: int, number: int, voices: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Attempts in the order of their events, and the table of voices (see `echoes`) after them.

    Columns of ATTEMPT_SCHEMA and `fail`; `us` begins at `clock_us` at least, `number` at `number`.
    A batch that begins more than a day before the clock is older data, judged at its own time.
    Attempts of machines and of accounts that name nobody are left out.
    """
    raw = batch.events(EventClass.AUTHENTICATION, COLUMNS)
    activity = pl.col("activity_id").fill_null(1)
    # Daemons of Unix say one failure in several lines; all but one of them are of activity Other.
    echo = (activity == _OTHER) & (pl.col("metadata.product.name").fill_null("") != "windows")
    raw = raw.filter(
        pl.col("time").is_not_null()
        & pl.col("status_id").is_in([Status.SUCCESS, Status.FAILURE])
        & ~activity.is_in([_LOGOFF, *_SERVICE_TICKETS])
        & ~echo
    )
    target = host(raw, "device.hostname", "dst_endpoint.ip").fill_null("?")
    source = address(raw, "src_endpoint.ip").fill_null(host(raw, "src_endpoint.hostname"))
    named = raw.select(
        pl.col("time").dt.timestamp("us").alias("us"),
        "time",
        pl.col("metadata.uid").alias("uid"),
        pl.coalesce(source, "on " + target).str.slice(0, _MAX_NAME).alias("source"),
        user(raw, "user.name").str.slice(0, _MAX_NAME).alias("account"),
        target.alias("host"),
        (pl.col("status_id") == Status.FAILURE).alias("fail"),
        pl.col("metadata.product.name").fill_null("").alias("product"),
    ).filter(pl.col("account").is_not_null())
    if named.height and named["us"].head(1).item() < clock_us - DAY_US:
        clock_us = 0
    ordered = named.with_columns(pl.col("us").cum_max().clip(lower_bound=clock_us))
    heard, after = heard_once(ordered, voices)
    numbered = heard.drop("product").select(
        pl.int_range(number, number + pl.len(), dtype=pl.Int64).alias("number"), pl.all()
    )
    return numbered, after
