"""The records database, as SQLAlchemy tables.

Times are microseconds since 1970 (UTC) in 64 bits, digests are lower-case hex: the same in SQLite
and in PostgreSQL. `migrations/` makes these tables; a test holds both equal.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
)
from sqlalchemy import Text as _Text
from sqlalchemy.dialects.postgresql import TEXT

SCHEMA_REVISION = "0002"
"""The newest migration."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(time: datetime) -> int:
    """An aware time as microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Microseconds since 1970 as an aware time."""
    return _EPOCH + timedelta(microseconds=micros)


# Ordered and compared by bytes, as SQLite does, whatever language a server was set up for.
Text = _Text().with_variant(TEXT(collation="C"), "postgresql")

metadata = MetaData()

home = Table(
    "home", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False)
)

# At most one row: the commit that is under way, or was when the process died.
intents = Table(
    "intents",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("started", BigInteger, nullable=False),
)

commits = Table(
    "commits",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("time", BigInteger, nullable=False),
    Column("batches", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("aggregated", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("findings", BigInteger, nullable=False),
    Column("facts", Text, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("first_record", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("format_version", Text, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("aggregated", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("head_sha256", Text, nullable=False),
    Column("modified", BigInteger),
    Column("dead_letters", Text, nullable=False),
    Index("batches_by_first_record", "first_record", "start"),
)

# zstd-compressed; one row for all batches of files that begin alike.
heads = Table(
    "heads",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

# Which files make up the lake now: what readers go by.
files = Table(
    "files",
    metadata,
    Column("path", Text, primary_key=True),
    Column("table_name", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("first_commit", BigInteger, nullable=False),
    Column("last_commit", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("min_time", BigInteger),
    Column("max_time", BigInteger),
    Column("sha256", Text, nullable=False),
    Column("replaced_by", BigInteger),
    Index("files_by_table", "table_name", "first_commit"),
)

# Files that compaction replaced or retention removed in that commit, and that still lie on disk.
removals = Table(
    "removals",
    metadata,
    Column("path", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
)

lake_tables = Table(
    "lake_tables",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
)

# `tables` is JSON: table name to path, sha256 and rows.
states = Table(
    "states",
    metadata,
    Column("detector", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("tables", Text, nullable=False),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("path", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
)

incidents = Table(
    "incidents",
    metadata,
    Column("uid", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("probability", Float(53), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False),
    Column("above_budget", Boolean, nullable=False),
    Column("body", Text, nullable=False),
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("entry", LargeBinary, nullable=False),
)

ledger_nodes = Table(
    "ledger_nodes",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
)
