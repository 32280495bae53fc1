"""What became of each task, when a note was last sent, and which workers are at work.

Every new column may be left out, so that an older program goes on working while a newer one is rolled out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add columns and a table; what the engine had before and is due counts as done."""
    for name, length in (("base", 300), ("cause", 300), ("batch", 300), ("worker", 80), ("outcome", 80)):
        op.add_column("outbox", sa.Column(name, sa.String(length=length), nullable=False, server_default=sa.text("''")))
    for name in ("crashes", "starts"):
        op.add_column("outbox", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    for name in ("started_at", "ended_at"):
        op.add_column("outbox", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("outbox", sa.Column("error", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("outbox", sa.Column("calls", sa.JSON(), nullable=True))
    for name in ("base", "cause", "ended_at", "outcome"):
        op.create_index(op.f(f"ix_outbox_{name}"), "outbox", [name], unique=False)
    op.execute(
        "UPDATE outbox SET ended_at = handed_at, outcome = 'done' "
        "WHERE handed_at IS NOT NULL AND (not_before IS NULL OR not_before <= handed_at)"
    )
    op.execute("UPDATE outbox SET base = id, cause = id WHERE attempt = 0")
    op.execute(
        "UPDATE outbox SET base = substr(id, 1, length(id) - length(CAST(attempt AS varchar)) - 1) WHERE attempt > 0"
    )
    op.execute("UPDATE outbox SET cause = base WHERE attempt > 0")
    op.add_column("written", sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE written SET sent_at = intended_at")
    op.create_table(
        "workers",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
