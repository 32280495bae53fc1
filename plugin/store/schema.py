"""Tables of the cases database: cases, answers, askings, what was written on tickets, the journal, and the outbox."""

from sqlalchemy import JSON, Column, Index, Integer, MetaData, String, Table, UniqueConstraint, text

from plugin.store.columns import Moment, Words

metadata = MetaData()
EMPTY = text("''")
IS_OPEN = text("ended_at IS NULL")

cases = Table(
    "cases",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("source", String(40), nullable=False),
    Column("ticket", String(200), nullable=False),
    Column("account", String(320), nullable=False),
    Column("state", String(40), nullable=False),
    Column("round", Integer, nullable=False),
    Column("opened_by", Words(200), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("version", Integer, nullable=False),
    Column("finding", JSON),
    Column("status", JSON),
    Column("question", Words, nullable=False),
    Column("candidates", JSON, nullable=False),
    Column("reason", Words, nullable=False),
    Column("unreadable_since", Moment),
    Column("asked_at", Moment),
    Column("unblocked_at", Moment),
    Column("escalate_after", Moment),
    Column("complained_at", Moment),
    Column("answers_after", Moment),
    Column("relied_on", String(32), nullable=False),
    Column("escalated_at", Moment),
    Column("escalated_by", Words(500), nullable=False, server_default=EMPTY),
    Column("ticket_url", String(500), nullable=False, server_default=EMPTY),
    # What lists and pictures ask for; not read with a case (`OF_LISTS`).
    Column("address", String(320), nullable=False, server_default=EMPTY),
    Column("cause", String(80), nullable=False, server_default=EMPTY),
    Index("cases_by_ticket", "source", "ticket"),
    Index("cases_by_account", "account", "created_at"),
    Index("cases_by_state", "state", "created_at", "id", "source"),
    Index("cases_by_address", "address"),
)

OF_LISTS = frozenset({"address", "cause"})
"""Columns that repeat a part of a reading: the primary address, and why Microsoft blocked, also once that is over."""

answers = Table(
    "answers",
    metadata,
    Column("case", String(32), primary_key=True),
    Column("item", String(80), primary_key=True),
    Column("value", JSON, nullable=False),
    Column("agent", Words(500), nullable=False),
    Column("answered_at", Moment, nullable=False),
    Column("checklist", String(80), nullable=False),
    Column("checklist_version", String(40), nullable=False),
)

looks = Table(
    "looks",
    metadata,
    Column("case", String(32), primary_key=True),
    Column("check", String(40), primary_key=True),
    Column("verdict", String(40), nullable=False),
    Column("finding", Words, nullable=False),
    Column("items", JSON, nullable=False),
    Column("looked_at", Moment, nullable=False),
)
"""The newest look at each thing of a case's account that a checklist's item is about."""

askings = Table(
    "askings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("account", String(320), nullable=False, index=True),
    Column("address", String(320), nullable=False),
    Column("block", String(80), nullable=False),
    Column("case", String(32), nullable=False, index=True),
    Column("round", Integer, nullable=False),
    Column("agent", Words(500), nullable=False),
    Column("press", String(300), nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("times", Integer, nullable=False),
    Column("answer", String(80)),
    Column("detail", Words, nullable=False),
    Column("answered_at", Moment),
    Column("released_at", Moment),
    # Rule 4: one row for one block of one address, across all tickets.
    UniqueConstraint("tenant", "address", "block", name="asked_once"),
    Index("askings_by_agent", "agent", "case"),
)

written = Table(
    "written",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("case", String(32), nullable=False, index=True),
    Column("intended_at", Moment, nullable=False),
    Column("sent_at", Moment),
    Column("done_at", Moment),
    Column("visibility", String(10), nullable=False),
    Column("subject", Words, nullable=False),
    Column("body_html", Words, nullable=False),
)

journal = Table(
    "journal",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("case", String(32), nullable=False, index=True),
    Column("at", Moment, nullable=False),
    Column("actor", Words(500), nullable=False),
    Column("what", Words, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", String(300), nullable=False, unique=True),
    Column("name", String(80), nullable=False),
    Column("args", JSON, nullable=False),
    Column("lane", String(300), nullable=False, index=True),
    Column("not_before", Moment),
    Column("attempt", Integer, nullable=False),
    Column("handed_at", Moment, index=True),
    Column("base", String(300), nullable=False, index=True, server_default=EMPTY),
    Column("cause", String(300), nullable=False, index=True, server_default=EMPTY),
    Column("batch", String(300), nullable=False, server_default=EMPTY),
    Column("crashes", Integer, nullable=False, server_default="0"),
    Column("counted_from", Integer, nullable=False, server_default="0"),
    Column("starts", Integer, nullable=False, server_default="0"),
    Column("started_at", Moment),
    Column("worker", String(80), nullable=False, server_default=EMPTY),
    Column("ended_at", Moment, index=True),
    Column("outcome", String(80), nullable=False, index=True, server_default=EMPTY),
    Column("error", Words, nullable=False, server_default=EMPTY),
    Column("calls", JSON),
    Index("tasks_open_in_lane", "lane", sqlite_where=IS_OPEN, postgresql_where=IS_OPEN),
    sqlite_autoincrement=True,
)
"""Every attempt at every task: waiting until `handed_at`, with the engine until `ended_at`; in a `batch` within it."""

marks = Table(
    "marks",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("value", String(80), nullable=False),
)
"""Where the relay and each catch-up scan have got to."""

launches = Table(
    "launches",
    metadata,
    Column("jti", String(200), primary_key=True),
    Column("source", String(40), primary_key=True),
    Column("expires_at", Moment, nullable=False, index=True),
)
"""Launch tokens that were used; a second use is refused."""

workers = Table(
    "workers",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("seen_at", Moment, nullable=False),
)
"""When each worker last said that it is at work."""
