"""From which attempt on failures count, after an operator's retry; and the tasks of a ticket are found by their lane.

The new column may be left out, so that an older program goes on working while a newer one is rolled out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add a column and an index."""
    op.add_column("outbox", sa.Column("counted_from", sa.Integer(), nullable=False, server_default="0"))
    op.create_index(op.f("ix_outbox_lane"), "outbox", ["lane"], unique=False)
