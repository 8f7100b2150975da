"""Times as seconds since 1970 (UTC, float), and how logs spell them."""

from datetime import UTC, date, datetime
from functools import lru_cache

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0


def midnight(day: date) -> float:
    """Where a day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


@lru_cache(4096)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def iso(time: float) -> str:
    """2026-03-02T08:00:00.123Z."""
    second = int(time)
    return f"{_second(second)}.{int((time - second) * 1000):03d}Z"


def iso_seconds(time: float) -> str:
    """2026-03-02T08:00:00Z."""
    return _second(int(time)) + "Z"


def iso_micro(time: float) -> str:
    """2026-03-02T08:00:00.123456+00:00, as rsyslog writes it."""
    second = int(time)
    return f"{_second(second)}.{int((time - second) * 1e6):06d}+00:00"


def sysmon_time(time: float) -> str:
    """2026-03-02 08:00:00.123."""
    return iso(time)[:-1].replace("T", " ")


@lru_cache(256)
def day_name(day: int) -> str:
    """The date of a day that is counted from 1970."""
    return datetime.fromtimestamp(day * DAY, UTC).strftime("%Y-%m-%d")


@lru_cache(4096)
def bsd(second: int) -> str:
    """Mar  2 08:00:00, as RFC 3164 has it."""
    when = datetime.fromtimestamp(second, UTC)
    return f"{when:%b} {when.day:2d} {when:%H:%M:%S}"


def us_time(time: float) -> str:
    """3/2/2026 8:00:00 AM, as Windows writes times into its own texts."""
    when = datetime.fromtimestamp(time, UTC)
    hour = when.hour % 12 or 12
    half = "AM" if when.hour < 12 else "PM"
    return f"{when.month}/{when.day}/{when.year} {hour}:{when:%M:%S} {half}"


def weekday(time: float) -> int:
    """0 is Monday."""
    return (int(time // DAY) + 3) % 7
