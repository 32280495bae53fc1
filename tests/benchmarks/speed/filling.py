"""Databases as years would leave them, in seconds: what one real journey has left there is multiplied by the database.

Whatever columns a table has are copied as they are, but for those that tell one row from another.
"""

from collections.abc import Mapping

import sqlalchemy as sa

from plugin.settings import Settings
from plugin.store.engine import open_engine

EXPRESSIONS = {
    "sqlite": {
        "random": "lower(hex(randomblob(16)))",
        "earlier": "strftime('%Y-%m-%d %H:%M:%f000', {}, '-' || (n.i * {}) || ' seconds')",
        "json": "'{}'",
    },
    "postgresql": {
        "random": "md5(random()::text || n.i)",
        "earlier": "{} - n.i * {} * interval '1 second'",
        "json": "'{{}}'::json",
    },
}
SPREAD = 25 * 86400  # seconds over which what is made up happened
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many) "


def fill(settings: Settings, *, deliveries: int, cases: int) -> None:
    """Multiply the one blocked ticket that was handled so far. Nothing may be running."""
    _fill_deliveries(settings.deliveries_url, deliveries)
    _fill_cases(settings.cases_url, deliveries, cases)
    _fill_engine(settings.engine_url, cases)


class _Filler:
    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._words = EXPRESSIONS[connection.dialect.name]
        self.random = self._words["random"]

    def earlier(self, column: str, many: int) -> str:
        """So many moments before the column's, spread over `SPREAD`."""
        return self._words["earlier"].format(column, max(1, SPREAD // many))

    def multiply(self, table: str, many: int, changed: Mapping[str, str], *, drop: str = "", where: str = "") -> None:
        """Copies of the first row there, with these columns changed; `drop` is numbered by the database."""
        names = [str(column["name"]) for column in sa.inspect(self._connection).get_columns(table)]
        names = [name for name in names if name != drop]
        quoted = ", ".join(f'"{name}"' for name in names)
        values = ", ".join(changed.get(name, f'one."{name}"') for name in names)
        one = f"(SELECT * FROM {table} {where} LIMIT 1) AS one"
        # OFFSET keeps the row as it was before the first copy.
        statement = f"INSERT INTO {table} ({quoted}) {NUMBERS} SELECT {values} FROM n CROSS JOIN {one}"
        self._connection.execute(sa.text(statement), {"many": many})

    def number(self, statement: str) -> int:
        return int(self._connection.scalar(sa.text(statement)) or 0)

    def run(self, statement: str) -> None:
        self._connection.execute(sa.text(statement))


def _fill_deliveries(url: str, many: int) -> None:
    engine = open_engine(url)
    with engine.begin() as connection:
        filler = _Filler(connection)
        first = filler.number("SELECT max(seq) FROM deliveries")
        filler.multiply(
            "deliveries",
            many,
            {
                "seq": f"{first} + n.i",
                "delivery_id": filler.random,
                "received_at": filler.earlier("one.received_at", many),
            },
        )
        filler.multiply(
            "events",
            many,
            {
                "seq": f"{first} + n.i",
                "delivery": f"{first} + n.i",
                "id": f"'evt_' || {filler.random}",
                "ticket": "'old-' || n.i",
            },
        )
        _go_on_counting(connection, "deliveries", "events")
    _analyse(engine)


def _fill_cases(url: str, deliveries: int, cases: int) -> None:
    engine = open_engine(url)
    with engine.begin() as connection:
        filler = _Filler(connection)
        case_id = "'old' || n.i"
        created, updated = filler.earlier("one.created_at", cases), filler.earlier("one.updated_at", cases)
        filler.multiply(
            "cases",
            cases,
            {
                "id": case_id,
                "ticket": "'old-' || n.i",
                "account": "'old-' || n.i",
                "address": "'old-' || n.i || '@example.edu'",
                "state": "CASE WHEN n.i % 20 = 0 THEN one.state ELSE 'Closed' END",
                "created_at": created,
                "updated_at": updated,
            },
        )
        filler.multiply("written", cases, {"key": f"'old/' || {filler.random}", "case": case_id})
        for _ in range(2):
            filler.multiply("journal", cases, {"case": case_id}, drop="id")
        filler.multiply(
            "marks", cases, {"name": f"'shown ' || substr({filler.random}, 1, 20)"}, where="WHERE name LIKE 'shown%'"
        )
        handled = {"id": f"'handle:evt_' || {filler.random}", "lane": "'ticket desk:old-' || n.i"}
        for name, many in (("handle", deliveries), ("annotate", cases)):
            ended = {"ended_at": filler.earlier("one.ended_at", many)}
            filler.multiply("outbox", many, handled | ended, drop="seq", where=f"WHERE name = '{name}'")
        for column in ("base", "cause"):
            filler.run(f"UPDATE outbox SET {column} = id WHERE lane LIKE 'ticket desk:old-%'")
        filler.run(f"UPDATE marks SET value = '{deliveries + 1}' WHERE name = 'relayed'")
    _analyse(engine)


def _fill_engine(url: str, many: int) -> None:
    engine = open_engine(url)
    with engine.begin() as connection:
        schema = "dbos." if connection.dialect.name == "postgresql" else ""
        for table in ("workflow_status", "operation_outputs"):
            names = {
                str(c["name"]) for c in sa.inspect(connection).get_columns(table, schema=schema.rstrip(".") or None)
            }
            quoted = ", ".join(f'"{name}"' for name in sorted(names))
            values = ", ".join(
                "'old:' || n.i" if name == "workflow_uuid" else f'one."{name}"' for name in sorted(names)
            )
            one = f"(SELECT * FROM {schema}{table} LIMIT 1) AS one"
            statement = f"INSERT INTO {schema}{table} ({quoted}) {NUMBERS} SELECT {values} FROM n CROSS JOIN {one}"
            connection.execute(sa.text(statement), {"many": many})
    _analyse(engine)


def _go_on_counting(connection: sa.Connection, *tables: str) -> None:
    """PostgreSQL numbers by a sequence, which does not notice numbers that were given."""
    if connection.dialect.name == "postgresql":
        for table in tables:
            place = f"pg_get_serial_sequence('{table}', 'seq')"
            connection.execute(sa.text(f"SELECT setval({place}, (SELECT max(seq) FROM {table}))"))


def _analyse(engine: sa.Engine) -> None:
    """As PostgreSQL does by itself, soon after so many new rows; SQLite is left as it is in life."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM (ANALYZE)"))
    engine.dispose()
