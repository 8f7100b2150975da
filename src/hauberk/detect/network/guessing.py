"""Guessing: passwords tried, and let in, seen in flows alone; mail sent to everybody.

| measure | key | counts | nothing wrong, P(count >= k) |
|---|---|---|---|
| guessing | source, target, service, ten minutes | log-ons in a hurry | (k / 12)^-3 |
| slow | Internet source, our target, service | short log-ons in a day | (k / 16)^-2, least 0.01 |
| entry | source, target, service, an hour | real sessions after 24 short log-ons | 0.001 |
| mail | source, an hour | distinct mail servers on the Internet | (k / 4)^-3, at least 0.004 |

Guessing looks like polling: both are short, alike, and carry little. Who guesses does so in a
hurry: the next attempt begins when the last has ended, where a monitor or an application sleeps in
between. So attempts count within ten minutes, their durations have to fill `BUSY` of the time that
they took (or they come at `RATE`), the server says no more than a handshake and a refusal need
(`REFUSAL` bytes), and it has to be `NEWS` times what the same source ever did to the same service
in ten minutes before. Databases and mail servers are opened anew for every request by many an
application: never below `POOLED`. A session that says `SESSION` bytes or more, from a source that
was turned away again and again within the hour and never did so before, is an entry. Mail servers
deliver to many others hour after hour, so that only what is `NEWS` times the habit is told.
"""

from collections.abc import Mapping

import polars as pl

from hauberk.detect.interface import State

from .flows import HOUR_US, INBOUND, REPLY
from .habits import with_habits
from .measures import DOUBLING, Measure, Row, both, keyed, source, whole
from .noise import NOISE, NOISY
from .tally import power_law

BUSY, RATE = 0.3, 0.5
"""Share of the time that attempts fill, or attempts a second, from which on they are in a hurry."""

REFUSAL = 6_000
"""Most bytes a server sends, on average, to somebody it does not let in: keys, certificate, no."""

SESSION, SESSION_S = 3 * REFUSAL, 5.0
"""Bytes that a server says, and seconds, from which on somebody was let in."""

ENTERED = 0.001
"""How often a source is turned away again and again, and then let in, when nothing is wrong."""

NEWS = 4
"""Times its own habit that a source has to exceed."""

POOLED = 0.004
"""Least p of log-ons to a database or mail server, and of mail to many servers."""

SERVICES: Mapping[int, str] = {
    21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 110: "pop3", 143: "imap", 389: "ldap",
    445: "smb", 465: "smtp", 587: "smtp", 993: "imap", 995: "pop3", 1433: "mssql", 2222: "ssh",
    2323: "telnet", 3306: "mysql", 3389: "rdp", 5432: "postgresql", 5900: "vnc", 5985: "winrm",
}  # fmt: skip
"""Services that ask for a password."""

_OPENED_ANEW = (25, 389, 465, 587, 1433, 3306, 5432)
_GUESSES = tuple(24 * 2**step for step in range(12))
_MINUTE_US = 60_000_000


def _say_guessing(row: Row) -> tuple[str, str, tuple[str, ...]]:
    service = SERVICES.get(whole(row["port"]), str(row["port"]))
    text = (
        f"{row['src']} made {row['count']:,} short connections of like size, one upon the other, "
        f"to {service} ({row['port']}) on {row['dst']}"
    )
    return f"Passwords tried against {service}", text, ("T1110",)


def _say_slow(row: Row) -> tuple[str, str, tuple[str, ...]]:
    service = SERVICES.get(whole(row["port"]), str(row["port"]))
    text = (
        f"{row['src']} on the Internet made {row['count']:,} short connections to {service} "
        f"({row['port']}) on {row['dst']} in one day"
    )
    return f"Passwords tried slowly against {service}", text, ("T1110",)


def _say_entry(row: Row) -> tuple[str, str, tuple[str, ...]]:
    service = SERVICES.get(whole(row["port"]), str(row["port"]))
    text = (
        f"{row['src']} was turned away {row['sum_small']:,} times by {service} ({row['port']}) on "
        f"{row['dst']} and then held a session of {row['back']:,} bytes"
    )
    return f"Let in by {service} after many refusals", text, ("T1110", "T1078")


def _say_mail(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = f"{row['src']} spoke with {row['distinct']:,} mail servers within an hour"
    return "Mail sent to many servers", text, ("T1071.003",)


def _log_ons(rows: pl.DataFrame) -> pl.DataFrame:
    """Answered connections to services that ask for a password; `small` ones are refusals."""
    answered = rows.filter(
        pl.col("port").is_in(list(SERVICES)) & (pl.col("proto") == "tcp") & ~pl.col("failed")
    )
    # Sizes by powers of 2^(1/4): attempts that differ by the length of a password are alike.
    size = (pl.col("out").fill_null(0) + 1).log(2).mul(4).round().cast(pl.Int64)
    seconds, said = pl.col("duration").fill_null(0.0), pl.col("back").fill_null(0)
    small = ((seconds < 60) & (said < REFUSAL)).cast(pl.Int64)
    return answered.with_columns(
        size.alias("size"),
        (size * size).alias("square"),
        (seconds * 1e6).cast(pl.Int64, strict=False).alias("lasting"),
        said.clip(0, 1 << 44).alias("said"),
        small.alias("small"),
        ((seconds >= SESSION_S) & (said >= SESSION)).cast(pl.Int64).alias("large"),
    )


def _guesses(log_ons: pl.DataFrame) -> pl.DataFrame:
    short = log_ons.filter(pl.col("duration").fill_null(0.0) < 60)
    return keyed(short, ["src", "dst", "port"], "size", 10 * _MINUTE_US)


def _entries(log_ons: pl.DataFrame) -> pl.DataFrame:
    alike = pl.col("small")
    sized = log_ons.filter((pl.col("small") > 0) | (pl.col("large") > 0)).with_columns(
        pl.col("size") * alike, pl.col("square") * alike
    )
    return keyed(sized, ["src", "dst", "port"], "size", HOUR_US)


def _slow(log_ons: pl.DataFrame) -> pl.DataFrame:
    return keyed(log_ons.filter(INBOUND & (pl.col("small") > 0)), ["src", "dst", "port"], "size")


def _mail(rows: pl.DataFrame) -> pl.DataFrame:
    sent = (pl.col("port") == 25) & (pl.col("proto") == "tcp") & ~pl.col("dst_in") & ~REPLY
    return keyed(rows.filter(sent & pl.col("src_in")), ["src"], "dst", HOUR_US)


_MEAN = pl.col("sum_size") / pl.col("count")
_TOOK = (pl.col("us") - pl.col("since") + 1).cast(pl.Float64)
_HURRIED = (pl.col("sum_lasting") > BUSY * _TOOK) | (pl.col("count") * 1e6 > RATE * _TOOK)
_SMALL = pl.col("sum_small")
_SMALL_MEAN = pl.col("sum_size") / _SMALL
_SMALL_SPREAD = (pl.col("sum_square") / _SMALL - _SMALL_MEAN**2).clip(lower_bound=0).sqrt()
_SPREAD = (pl.col("sum_square") / pl.col("count") - _MEAN**2).clip(lower_bound=0).sqrt()


def _source(row: Row) -> list[str | None]:
    return [source(row)]


GUESSING = (
    Measure(
        "guessing",
        lambda rows: rows,
        "count",
        _GUESSES,
        pl.max_horizontal(
            power_law(pl.col("count"), 12.0, 3.0),
            NOISY,
            pl.when(pl.col("port").is_in(_OPENED_ANEW)).then(POOLED).otherwise(0.0),
        ),
        _say_guessing,
        both,
        sums=("size", "square", "lasting", "said"),
        condition=(_SPREAD < 4.0)
        & _HURRIED
        & (pl.col("sum_said") < REFUSAL * pl.col("count"))
        & (pl.col("count") >= NEWS * pl.col("habit")),
        table="guesses",
        told_a=24 * 6,
    ),
    Measure(
        "slow",
        _slow,
        "count",
        tuple(64 * 2**step for step in range(10)),
        power_law(pl.col("count"), 16.0, 2.0).clip(lower_bound=NOISE),
        _say_slow,
        both,
        sums=(),
        table="log-ons",
    ),
    Measure(
        "entry",
        lambda rows: rows,
        "sum_large",
        (1, *DOUBLING),
        pl.lit(ENTERED),
        _say_entry,
        both,
        sums=("small", "large", "size", "square"),
        condition=(_GUESSES[0] <= _SMALL)
        & (8 * pl.col("sum_large") <= _SMALL)
        & (_SMALL_SPREAD < 4.0)
        & (pl.col("count") >= NEWS * pl.col("habit")),
        table="entries",
        told_a=24,
    ),
    Measure(
        "mail",
        lambda rows: rows,
        "distinct",
        DOUBLING[1:],
        power_law(pl.col("distinct"), 4.0, 3.0).clip(lower_bound=POOLED),
        _say_mail,
        about=_source,
        sums=(),
        condition=pl.col("count") >= NEWS * pl.col("habit"),
        table="mail",
        told_a=24,
    ),
)
"""Measures over what `attempted` makes."""


def attempted(
    rows: pl.DataFrame, state: State
) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame]]:
    """The tables that `GUESSING` counts, of flows in time order; and what to remember."""
    log_ons = _log_ons(rows)
    guesses, habits = with_habits("guessing", _guesses(log_ons), state)
    entries, hours = with_habits("entry", _entries(log_ons), state)
    mail, sent = with_habits("mail", _mail(rows), state)
    tables = {"guesses": guesses, "log-ons": log_ons, "entries": entries, "mail": mail}
    return tables, {**habits, **hours, **sent}
