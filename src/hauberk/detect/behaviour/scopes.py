"""Columns that several relations read: hosts, users, addresses, in one spelling."""

import polars as pl

from hauberk.events import EntityKind, entity_column, is_internal

ADMIN_PORTS = {22: "ssh", 135: "rpc", 445: "smb", 3389: "rdp", 5985: "winrm", 5986: "winrm"}
"""Ports over which one host is worked from another."""

_LISTENING = 49_152  # dynamic ports begin here (RFC 6335)


def host(frame: pl.DataFrame, *columns: str) -> pl.Series:
    """The first of the columns that names a host, without domain; null where none does."""
    found = pl.Series([None] * frame.height, dtype=pl.String)
    for column in columns:
        found = found.fill_null(_bare(EntityKind.HOST, frame[column]))
    return found


def user(frame: pl.DataFrame, column: str) -> pl.Series:
    """The account, null for those that every host has and for machines."""
    return _bare(EntityKind.USER, frame[column])


def address(frame: pl.DataFrame, column: str) -> pl.Series:
    """The address, null where it is none or this machine's own."""
    return _bare(EntityKind.IP, frame[column])


def inside(addresses: pl.Series) -> pl.Series:
    """Whether each address is internal."""
    distinct = addresses.unique().drop_nulls()
    answers = pl.Series([is_internal(text) for text in distinct], dtype=pl.Boolean)
    return addresses.replace_strict(distinct, answers, default=None, return_dtype=pl.Boolean)


def port_name(column: str) -> pl.Expr:
    """The port as text; `high` for dynamic ones."""
    port = pl.col(column)
    return pl.when(port >= _LISTENING).then(pl.lit("high")).otherwise(port.cast(pl.String))


def _bare(kind: EntityKind, column: pl.Series) -> pl.Series:
    return entity_column(kind, column).str.strip_prefix(f"{kind}:")
