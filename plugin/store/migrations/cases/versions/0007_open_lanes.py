"""What has not ended of a lane is found without reading what has, however much that is."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

OPEN = sa.text("ended_at IS NULL")


def upgrade() -> None:
    """Add the index."""
    op.create_index("tasks_open_in_lane", "outbox", ["lane"], sqlite_where=OPEN, postgresql_where=OPEN)
