"""The beginnings of syslog lines: when, where, who.

RFC 3164 with and without <PRI> and year, rsyslog's ISO times, RFC 5424 with structured data.
"""

from datetime import UTC, datetime, timedelta

import polars as pl

from hauberk.events import EARLIEST, TIME, from_iso

_PRI = r"(?:<(?P<pri>\d{1,3})>)?"
_TAG = (
    r"(?:(?P<program>[^\s:\[(]{1,256})(?:\([^)\s]*\))?(?: [\d.]+)?(?:\[(?P<pid>\d{1,10})\])?: ?)?"
    r"(?P<message>.*)$"
)
_BSD = (
    rf"^{_PRI}(?P<day>[A-Z][a-z]{{2}} {{1,2}}\d{{1,2}}) (?:(?P<year>\d{{4}}) )?"
    rf"(?P<clock>\d\d:\d\d:\d\d)(?:\.\d+)? (?P<host>\S+) {_TAG}"
)
_ISO = (
    rf"^{_PRI}(?P<iso>\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?) "
    rf"(?P<host>\S+) {_TAG}"
)
_5424 = (
    r"^<(?P<pri>\d{1,3})>\d (?P<iso>\S+) (?P<host>\S+) (?P<program>\S+) (?P<pid>\S+) "
    r"(?P<msgid>\S+) (?P<structured>-|(?:\[(?:[^\"\]]|\"(?:[^\"\\]|\\.)*\")*\])+)"
    r"(?: ?\x{FEFF}?(?P<message>.*))?$"
)

NO_YEAR = 2000
"""Year of lines whose year nothing tells: a leap year, so that every date exists. The order and
distance of such events are right, their year is not."""

_FUTURE = timedelta(days=1)  # hosts' clocks and time zones differ from the file's
_YEARS_BACK = 8  # far enough for a 29 February around 2100
_SEVERITIES = [6, 5, 5, 4, 3, 2, 1, 1]  # syslog's emergency .. debug as OCSF severity_id

COLUMNS = (
    "pri", "day", "year", "clock", "iso", "host", "program", "pid", "msgid", "structured",
    "message",
)  # fmt: skip


def read_lines(texts: pl.Series) -> pl.DataFrame:
    """What stands in each line (COLUMNS, text), all null where it is no syslog line."""
    left = pl.DataFrame({"text": texts}).with_row_index("at")
    parts: list[pl.DataFrame] = []
    for pattern in (_BSD, _5424, _ISO):
        if left.is_empty():
            break
        found = left.with_columns(pl.col("text").str.extract_groups(pattern)).unnest("text")
        found = found.filter(pl.col("host").is_not_null())
        if found.height:
            parts.append(found)
            left = left.join(found.select("at"), on="at", how="anti", maintain_order="left")
    empty = pl.DataFrame(schema={"at": pl.UInt32(), **dict.fromkeys(COLUMNS, pl.String())})
    table = pl.concat([empty, *parts], how="diagonal")
    whole = pl.DataFrame({"at": pl.arange(len(texts), dtype=pl.UInt32, eager=True)})
    nothing = pl.col("program", "pid", "msgid", "host", "structured")
    return (
        whole.join(table, on="at", how="left", maintain_order="left")
        .select(COLUMNS)
        .with_columns(pl.when(nothing != "-").then(nothing).name.keep())
    )


def times(lines: pl.DataFrame, modified: datetime | None) -> pl.Series:
    """When each line says it was written; null where it does not.

    A line without a year is of the latest year in which its date exists and is at most a day
    after the file was last written. Where the file's time stamp says nothing (none, or one before
    any log could have been written, as reproducible archives set), it is of NO_YEAR. Local times
    are taken as UTC: the line does not say.
    """
    bsd = lines.select("day", "year", "clock").unique()
    text = pl.concat_str("day", "clock", separator=" ").str.replace_all(r"  +", " ")
    bsd = bsd.with_columns(text.alias("text")).with_columns(
        _dated(pl.col("year") + " " + pl.col("text")).alias("time")
    )
    limit = datetime(NO_YEAR, 12, 31, 23, 59, 59, tzinfo=UTC)
    if modified is not None and modified >= EARLIEST:
        limit = modified + _FUTURE
    for year in range(limit.year, limit.year - _YEARS_BACK, -1):
        if not bsd["time"].has_nulls():
            break
        guess = _dated(pl.lit(f"{year} ") + pl.col("text"))
        guess = pl.when(pl.col("year").is_null() & (guess <= limit)).then(guess)
        bsd = bsd.with_columns(pl.coalesce("time", guess))
    keyed = lines.select("day", "year", "clock").join(
        bsd.drop("text"), on=["day", "year", "clock"], how="left", nulls_equal=True,
        maintain_order="left",
    )  # fmt: skip
    iso = from_iso(lines["iso"].str.replace(",", ".", literal=True))
    return keyed["time"].fill_null(iso)


def severities(pri: pl.Series) -> pl.Series:
    """OCSF severity_id by syslog's priority."""
    level = pri.cast(pl.Int32(), strict=False) % 8
    return level.replace_strict(list(range(8)), _SEVERITIES, default=None, return_dtype=pl.Int32)


def facilities(pri: pl.Series) -> pl.Series:
    """Syslog's facility number."""
    return pri.cast(pl.Int32(), strict=False) // 8


def _dated(text: pl.Expr) -> pl.Expr:
    parsed = text.str.to_datetime("%Y %b %d %H:%M:%S", time_unit="us", strict=False, exact=True)
    return parsed.dt.replace_time_zone("UTC").cast(TIME)
