"""Databases as the first release made and filled them, every table, on whatever connection: SQLite or PostgreSQL."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from plugin.store import migrations

AT = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)
BUCKY = "bucky.badger@example.edu"

STATUS = {
    "tenant": "campus",
    "netid": "bbadger",
    "display_name": "Bücky Badger",
    "primary_address": BUCKY,
    "addresses": [BUCKY, "bbadger@cs.example.edu"],
    "sending": "Blocked",
    "blocked": [[BUCKY, "OutboundSpamLast24Hours=412;", "outbound spam", "2026-11-24T11:00:00+00:00"]],
    "sign_in": ["disabled", "Compromised Account", "2026-11-24T12:00:00+00:00"],
    "checked_at": "2026-11-24T14:05:00+00:00",
    "failure": "",
}
FINDING = {
    "label": "sender_blocked",
    "confidence": "certain",
    "code": "5.1.8",
    "candidates": [[BUCKY, "report"], [BUCKY, "requester"]],
    "rule": "report-5.1.8",
    "evidence": ["550 5.1.8 Access denied, bad outbound sender"],
}


def case(id_: str, ticket: str, state: str, **more: Any) -> dict[str, Any]:
    """A case as it was kept then."""
    row: dict[str, Any] = {
        "id": id_, "source": "desk", "ticket": ticket, "account": "bbadger", "state": state, "round": 1,
        "opened_by": "triage", "created_at": AT, "updated_at": AT, "version": 4, "finding": FINDING, "status": STATUS,
        "question": "", "candidates": [], "reason": "", "unreadable_since": None, "asked_at": None,
        "unblocked_at": None, "escalate_after": None, "complained_at": None, "answers_after": None, "relied_on": "",
    }  # fmt: skip
    return row | more


def task(id_: str, name: str, args: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A task as it was kept then."""
    row = {"id": id_, "name": name, "args": args, "lane": "ticket desk:7", "not_before": None, "attempt": 0}
    return row | {"handed_at": AT} | more


def note(key: str, done_at: datetime | None) -> dict[str, Any]:
    """A note as it was kept then."""
    row = {"key": key, "case": "released", "intended_at": AT, "done_at": done_at, "visibility": "internal"}
    return row | {"subject": "Blocked: Bücky", "body_html": "<p>Bücky</p>"}


LATER = AT + timedelta(hours=24)

CASES: dict[str, list[dict[str, Any]]] = {
    "cases": [
        case("released", "7", "Unblocked", unblocked_at=AT, escalate_after=LATER, asked_at=AT),
        case("open", "8", "Checklist open"),
        case(
            "unclear", "9", "Needs a person", account="", status=None, question="Which account?", candidates=[BUCKY]
        ),
    ],
    "answers": [
        {
            "case": "open", "item": "password-changed", "value": {"done": True}, "agent": "Alex (alex)",
            "answered_at": AT, "checklist": "compromise", "checklist_version": "1",
        }
    ],
    "askings": [
        {
            "id": 1, "tenant": "campus", "account": "bbadger", "address": BUCKY, "block": "2026-11-24T11:00:00+00:00",
            "case": "released", "round": 1, "agent": "Alex (alex)", "press": "unblock:released:3", "asked_at": AT,
            "times": 1, "answer": "asked", "detail": "", "answered_at": AT, "released_at": AT,
        },
        {
            "id": 2, "tenant": "campus", "account": "bbadger", "address": "b@example.edu",
            "block": "no time given, after 0 releases", "case": "released", "round": 1, "agent": "Alex (alex)",
            "press": "unblock:released:3", "asked_at": AT + timedelta(seconds=1), "times": 1, "answer": None,
            "detail": "", "answered_at": None, "released_at": None,
        },
    ],
    "journal": [{"id": 1, "case": "released", "at": AT, "actor": "Alex (alex)", "what": "Pressed Unblock."}],
    "launches": [{"jti": "used", "source": "desk", "expires_at": AT + timedelta(minutes=5)}],
    "marks": [
        {"name": "relayed", "value": "2"},
        {"name": "scanned desk", "value": AT.isoformat()},
        {"name": "shown 0123456789", "value": "abc"},
    ],
    "outbox": [
        task("handle:evt_1", "handle", {"source": "desk", "ticket": "7"}),
        task("handle:evt_1~1", "handle", {"source": "desk", "ticket": "7"}, attempt=1, not_before=AT),
        task("annotate:open:4", "annotate", {"case": "open"}, handed_at=None),
        task("follow-up:released:4", "follow_up", {"case": "released", "round": 1}, not_before=LATER),
    ],
    "written": [note("m365-unblock/released/1/blocked", AT), note("m365-unblock/released/1/unblocked-x", None)],
}  # fmt: skip

DELIVERIES: dict[str, list[dict[str, Any]]] = {
    "deliveries": [
        {
            "seq": seq, "source": "desk", "delivery_id": f"msg_{seq}", "headers": {"webhook-id": f"msg_{seq}"},
            "body": b'{"type": "ticket.created"}\x00\xff', "received_at": AT + timedelta(seconds=seq),
        }
        for seq in (1, 2, 3)
    ],
    "events": [
        {
            "seq": seq, "delivery": seq, "id": f"evt_{seq}", "key": f"desk:7:{seq}", "source": "desk", "ticket": "7",
            "kind": "ticket.created",
        }
        for seq in (1, 2)
    ],
}  # fmt: skip

ROWS = {"cases": CASES, "deliveries": DELIVERIES}


def make(connection: sa.Connection, database: str) -> None:
    """Make ``cases`` or ``deliveries`` as the first release had it, and fill every table."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent / database).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
    tables = sa.MetaData()
    tables.reflect(connection)
    for name, rows in ROWS[database].items():
        connection.execute(sa.insert(tables.tables[name]), rows)
        if connection.dialect.name == "postgresql":
            _count_on(connection, tables.tables[name])


def _count_on(connection: sa.Connection, table: sa.Table) -> None:
    """PostgreSQL counts rows by a counter of its own, which does not hear of numbers that were given."""
    for key in table.primary_key:
        if isinstance(key.type, sa.Integer):
            counter = sa.func.pg_get_serial_sequence(table.name, key.name)
            connection.execute(sa.select(sa.func.setval(counter, sa.select(sa.func.max(key)).scalar_subquery())))
