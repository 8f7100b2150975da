"""Files that the ledger says are gone and that still lie on disk, for readers to end with."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table; what compaction has replaced is the first that it names."""
    op.create_table(
        "removals",
        sa.Column("path", TEXT, primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
    )
    op.execute(
        "INSERT INTO removals (path, number)"
        " SELECT path, replaced_by FROM files WHERE replaced_by IS NOT NULL"
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("removals")
