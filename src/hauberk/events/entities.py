"""Entities: what findings are about, and what joins them.

An entity is written `kind:value`, the value in one canonical spelling, so that two findings that
mean the same host say so with the same string.
"""

import ipaddress
from enum import StrEnum

import polars as pl


class EntityKind(StrEnum):
    """The kinds of entity (OCSF observables)."""

    HOST = "host"
    USER = "user"
    IP = "ip"
    PROCESS = "process"
    FILE = "file"
    DOMAIN = "domain"
    PRINCIPAL = "principal"
    MAILBOX = "mailbox"
    HASH = "hash"


# Accounts that every Windows host has: they identify nobody.
_EVERYBODY = frozenset(
    {
        "", "-", "system", "local service", "network service", "anonymous logon", "iusr",
        "nt authority", "n/a", "unknown", "none", "null", "(unknown)",
    }
)  # fmt: skip

_NOWHERE = frozenset({"0.0.0.0", "::", "127.0.0.1", "::1"})  # noqa: S104  # nothing binds here
_DOCUMENTATION = tuple(
    ipaddress.ip_network(one)
    for one in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)


def entity(kind: EntityKind, value: str | None) -> str | None:
    """The canonical `kind:value`, or None where the value names nothing in particular."""
    text = (value or "").strip().lower()
    match kind:
        case EntityKind.HOST:
            text = text.strip("\\[]")
            if not is_address(text):
                text = text.split(".", 1)[0]
            if text in {"", "-", "localhost", "none", "null"}:
                return None
        case EntityKind.USER:
            text = text.rsplit("\\", 1)[-1].split("@", 1)[0]
            if text in _EVERYBODY or text.endswith("$") or text.startswith(("dwm-", "umfd-")):
                return None
        case EntityKind.IP:
            text = text.removeprefix("::ffff:").split("%", 1)[0]
            if not is_address(text) or text in _NOWHERE:
                return None
        case EntityKind.DOMAIN:
            text = text.rstrip(".")
            if "." not in text:
                return None
        case _:
            if text in {"", "-"}:
                return None
    return f"{kind}:{text}"


def is_address(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_internal(text: str) -> bool:
    """Whether the address belongs to no one on the Internet: private, link-local, multicast.

    Documentation ranges count as outside: examples and emulations use them for strangers.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if any(address in network for network in _DOCUMENTATION if network.version == address.version):
        return False
    return (
        address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    )


def entity_column(kind: EntityKind, column: pl.Series) -> pl.Series:
    """`entity` over a column of strings, once per distinct value; null where it names nothing."""
    distinct = column.cast(pl.String).unique()
    spelled = pl.Series([entity(kind, value) for value in distinct], dtype=pl.String)
    return column.cast(pl.String).replace_strict(distinct, spelled, return_dtype=pl.String)
