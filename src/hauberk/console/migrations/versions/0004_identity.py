"""Passkeys, identities of single sign-on, API tokens; how a session began."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _text(name: str, *, key: bool = False, unique: bool | None = None) -> sa.Column[str]:
    return sa.Column(name, TEXT, primary_key=key, nullable=False, unique=unique)


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def upgrade() -> None:
    """Make the tables and the column."""
    op.add_column("sessions", sa.Column("means", TEXT))
    op.create_table(
        "challenges",
        _text("token", key=True),
        _text("purpose"),
        _text("holder"),
        _text("body"),
        _text("address"),
        _whole("expires"),
    )
    op.create_index("challenges_by_address", "challenges", ["address"])
    op.create_table(
        "passkeys",
        _text("uid", key=True),
        _text("account"),
        _text("credential", unique=True),
        _text("public_key"),
        _whole("counter"),
        _text("handle"),
        _text("origin"),
        _text("title"),
        _whole("created"),
        _whole("used", nullable=True),
    )
    op.create_index("passkeys_by_account", "passkeys", ["account"])
    op.create_table(
        "identities",
        _text("issuer", key=True),
        _text("subject", key=True),
        _text("account"),
        _text("provider"),
        _whole("made"),
        _whole("created"),
    )
    op.create_index("identities_by_account", "identities", ["account"])
    op.create_table(
        "tokens",
        _text("uid", key=True),
        _text("account"),
        _text("title"),
        _text("token", unique=True),
        _text("scopes"),
        _whole("created"),
        _whole("expires"),
        _whole("used", nullable=True),
        sa.Column("address", TEXT),
    )
    op.create_index("tokens_by_account", "tokens", ["account"])


def downgrade() -> None:
    """Drop them."""
    for name in ("tokens", "identities", "passkeys", "challenges"):
        op.drop_table(name)
    op.drop_column("sessions", "means")
