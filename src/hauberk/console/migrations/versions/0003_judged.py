"""What an incident was when it was judged."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; of former verdicts nothing is known."""
    for name, kind in (("judged_findings", sa.BigInteger()), ("judged_odds", sa.Float())):
        op.add_column("cases", sa.Column(name, kind, nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("cases", "judged_findings")
    op.drop_column("cases", "judged_odds")
