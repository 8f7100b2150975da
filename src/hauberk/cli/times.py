"""Times on the command line."""

from datetime import UTC, datetime

from hauberk.errors import UsageError


def instant(option: str, text: str | None) -> datetime | None:
    """An ISO time, UTC unless it says otherwise. Raises UsageError that names the option."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is no time",
            where=option,
            hint="Write it like 2026-03-14 or 2026-03-14T09:30",
        ) from None


def ordered(
    since: datetime | None, until: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """Both bounds as they are. Raises UsageError where no time lies between them."""
    if since and until and since >= until:
        raise UsageError(
            f"there is no time from {since} and before {until}",
            where="--since, --until",
            hint="Give --until a later time than --since",
        )
    return since, until
