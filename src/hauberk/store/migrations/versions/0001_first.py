"""The records database as it began."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "home",
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("value", TEXT, nullable=False),
    )
    op.create_table(
        "intents",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "commits",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("batches", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("aggregated", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("findings", sa.BigInteger(), nullable=False),
        sa.Column("facts", TEXT, nullable=False),
    )
    op.create_table(
        "batches",
        sa.Column("batch_id", TEXT, primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("first_record", TEXT, nullable=False),
        sa.Column("format", TEXT, nullable=False),
        sa.Column("format_version", TEXT, nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("aggregated", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("head_sha256", TEXT, nullable=False),
        sa.Column("modified", sa.BigInteger()),
        sa.Column("dead_letters", TEXT, nullable=False),
    )
    op.create_index("batches_by_first_record", "batches", ["first_record", "start"])
    op.create_table(
        "heads",
        sa.Column("sha256", TEXT, primary_key=True),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "files",
        sa.Column("path", TEXT, primary_key=True),
        sa.Column("table_name", TEXT, nullable=False),
        sa.Column("day", TEXT, nullable=False),
        sa.Column("first_commit", sa.BigInteger(), nullable=False),
        sa.Column("last_commit", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("min_time", sa.BigInteger()),
        sa.Column("max_time", sa.BigInteger()),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("replaced_by", sa.BigInteger()),
    )
    op.create_index("files_by_table", "files", ["table_name", "first_commit"])
    op.create_table(
        "lake_tables",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "states",
        sa.Column("detector", TEXT, primary_key=True),
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("tables", TEXT, nullable=False),
    )
    op.create_table(
        "dead_letters",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
    )
    op.create_table(
        "incidents",
        sa.Column("uid", TEXT, primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("probability", sa.Float(53), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("above_budget", sa.Boolean(), nullable=False),
        sa.Column("body", TEXT, nullable=False),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "ledger_nodes",
        sa.Column("level", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "checkpoints",
        sa.Column("size", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("note", TEXT, nullable=False),
    )
