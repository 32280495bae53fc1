"""Cases are listed by state and age, and found by the account's address; what Microsoft gave as a cause is kept.

The new columns may be left out, so that an older program goes on working while a newer one is rolled out.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add columns and indexes; fill what the last reading of each account tells."""
    for name, length in (("ticket_url", 500), ("address", 320), ("cause", 80)):
        op.add_column("cases", sa.Column(name, sa.String(length=length), nullable=False, server_default=sa.text("''")))
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    address, cause = (
        ("status ->> 'primary_address'", "status #>> '{blocked,0,2}'")
        if is_postgresql
        else ("json_extract(status, '$.primary_address')", "json_extract(status, '$.blocked[0][2]')")
    )
    op.execute(
        f"UPDATE cases SET address = lower(coalesce({address}, '')), cause = coalesce({cause}, '') "  # noqa: S608 - ours
        "WHERE status IS NOT NULL"
    )
    op.create_index("cases_by_state", "cases", ["state", "created_at", "id", "source"], unique=False)
    op.create_index("cases_by_address", "cases", ["address"], unique=False)
    op.create_index("askings_by_agent", "askings", ["agent", "case"], unique=False)
