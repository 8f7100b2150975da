"""The console's database as it began."""

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
        "facts",
        sa.Column("key", TEXT, primary_key=True),
        sa.Column("value", TEXT, nullable=False),
    )
    op.create_table(
        "accounts",
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("roles", TEXT, nullable=False),
        sa.Column("password", TEXT, nullable=False),
        sa.Column("totp", TEXT, nullable=False),
        sa.Column("totp_step", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("disabled", sa.BigInteger()),
    )
    op.create_table(
        "invitations",
        sa.Column("token", TEXT, primary_key=True),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("roles", TEXT, nullable=False),
        sa.Column("totp", TEXT, nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("uid", TEXT, primary_key=True),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("token", TEXT, nullable=False, unique=True),
        sa.Column("previous", TEXT, unique=True),
        sa.Column("rotated", sa.BigInteger(), nullable=False),
        sa.Column("csrf", TEXT, nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("address", TEXT, nullable=False),
    )
    op.create_index("sessions_by_account", "sessions", ["account"])
    op.create_table(
        "failures",
        sa.Column("subject", TEXT, primary_key=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "cases",
        sa.Column("incident", TEXT, primary_key=True),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("assignee", TEXT, nullable=False),
        sa.Column("verdict", TEXT, nullable=False),
        sa.Column("last_act", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "acts",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("uid", TEXT, nullable=False, unique=True),
        sa.Column("incident", TEXT, nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("entered", sa.BigInteger()),
    )
    op.create_index("acts_by_incident", "acts", ["incident"])
    op.create_index("acts_by_entered", "acts", ["entered"])
