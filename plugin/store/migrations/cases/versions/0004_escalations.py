"""Who handed a case to the Office 365 team, and when.

The new columns may be left out, so that an older program goes on working while a newer one is rolled out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add two columns."""
    op.add_column("cases", sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "cases", sa.Column("escalated_by", sa.String(length=500), nullable=False, server_default=sa.text("''"))
    )
