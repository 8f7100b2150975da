"""Names of Windows logs, fields and levels, read from `channels.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Names:
    """Facts about names; channels, providers and levels are keyed in lower case."""

    services: Mapping[str, str]
    """Channel to what Sigma calls the service."""
    channels: Mapping[str, str]
    """Provider to the channel that it writes to."""
    aliases: Mapping[str, tuple[str, ...]]
    """Field to what shippers call it, best first."""
    service_aliases: Mapping[str, Mapping[str, tuple[str, ...]]]
    """The same for one service only, `aliases` included."""
    times: tuple[str, ...]
    """Fields that tell a record's time, best first."""
    severity: Mapping[str, int]
    """Windows level to OCSF severity."""


@cache
def names() -> Names:
    """The facts of `channels.toml`."""
    text = resources.files(__package__).joinpath("channels.toml").read_text("utf-8")
    facts = tomllib.loads(text)
    aliases = {field: tuple(others) for field, others in facts["aliases"].items()}
    return Names(
        services=facts["channels"],
        channels=facts["providers"],
        aliases=aliases,
        service_aliases={
            service: aliases | {field: tuple(others) for field, others in fields.items()}
            for service, fields in facts["service_aliases"].items()
        },
        times=tuple(facts["times"]["fields"]),
        severity=facts["severity"],
    )


def service_of(channel: str) -> str:
    """What Sigma calls the log behind a channel, else the channel in lower case."""
    lowered = channel.strip().lower()
    return names().services.get(lowered, lowered)
