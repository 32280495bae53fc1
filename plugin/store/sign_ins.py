"""Sign-ins that were used and sessions that were ended: what is over does not come back by an old cookie.

Kept with the launch tokens that were used, under names that no ticket system can have.
"""

from datetime import datetime

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from plugin.errors import StorageError
from plugin.store import schema
from plugin.store.cases import CaseStore
from plugin.store.engine import reading

STATE, SESSION = "sign-in state", "ended session"


class SignIns:
    """What is over, in the cases database; forgotten once it would be refused by its date."""

    def __init__(self, engine: Engine) -> None:
        self._store = CaseStore(engine)
        self._reading = reading(engine)

    def use_state(self, state: str, expires_at: datetime, now: datetime) -> bool:
        """Use up a sign-in that is under way; False if it was used before."""
        with self._store.change() as change:
            return change.use_launch(STATE, state, expires_at, now)

    def end(self, session: str, expires_at: datetime, now: datetime) -> None:
        """End a session for good."""
        with self._store.change() as change:
            change.use_launch(SESSION, session, expires_at, now)

    def is_ended(self, session: str) -> bool:
        """Whether somebody signed out of this session."""
        table = schema.launches.c
        query = select(table.jti).where(table.jti == session, table.source == SESSION)
        try:
            with self._reading.connect() as connection:
                return connection.execute(query).first() is not None
        except SQLAlchemyError as error:
            raise StorageError(f"the cases database could not be read ({type(error).__name__})") from error
