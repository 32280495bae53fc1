"""What a Zendesk needs for us to work, looked at with the token of our own user, which is no administrator's.

Webhook, triggers and app only an administrator may see: `m365-unblock install zendesk` looks at them, and run again it
says whether all is as it should be.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from plugin.errors import RemoteError
from plugin.ports import Check
from webhooks.zendesk.launch import LOOKING, Launcher
from webhooks.zendesk.reading import Reader
from webhooks.zendesk.records import User
from webhooks.zendesk.ticket_fields import PROMISED, TicketFields, fault

FAR_AHEAD = datetime(2100, 1, 1, tzinfo=UTC)  # nothing has changed since then, but asking shows that it may be asked
INSTALL = "run m365-unblock install zendesk"


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What our own settings say."""

    source: str
    url: str
    own_user: str  # mail address, in lower case
    panel_origins: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where these settings stand."""
        return f"[sources.{self.source}]"


def checks(reader: Reader, ticket_fields: TicketFields, expected: Expected, launcher: Launcher) -> Iterator[Check]:
    """Everything that the source needs, as far as our user can see it."""
    what = f"Zendesk answers at {expected.url} and knows own_user and token"
    try:
        me = reader.me()
    except RemoteError as error:
        yield _check(what, False, str(error))
    else:
        yield _check(what, True)
        yield from _own_user(me, expected)
        yield from _fields(ticket_fields)
        yield from _scan(reader)
    yield from _panel(expected, launcher)


def _own_user(me: User, expected: Expected) -> Iterator[Check]:
    yield _check(
        f"the token is that of {expected.own_user}",
        me.email.lower() == expected.own_user,
        f"it belongs to {me.email or 'somebody else'}: correct own_user in {expected.place}",
    )
    yield _check(
        "our user is an agent who may write",
        me.is_staff and me.role_type not in LOOKING,
        "give it an agent's seat; a light agent cannot answer, and what an end user writes is public",
    )
    yield _check(
        "our user sees all tickets",
        me.ticket_restriction is None,
        f"it is kept to {me.ticket_restriction}: give it access to all tickets (Admin Center > People > Team members)",
    )


def _fields(ticket_fields: TicketFields) -> Iterator[Check]:
    try:
        there = ticket_fields.found(anew=True)
    except RemoteError as error:
        yield _check("our ticket fields are there", False, str(error))
        return
    for name in PROMISED:
        why = fault(name, there.get(name))
        yield _check(f"the ticket field “{name}” is there, for agents only", not why, why)


def _scan(reader: Reader) -> Iterator[Check]:
    try:
        list(reader.changed_since(FAR_AHEAD, frozenset()))
    except RemoteError as error:
        yield _check("changed tickets can be listed", False, str(error))
    else:
        yield _check("changed tickets can be listed", True)


def _panel(expected: Expected, launcher: Launcher) -> Iterator[Check]:
    yield _check(
        "the sidebar app's tokens can be verified",
        bool(launcher.public_keys) and launcher.installation is not None,
        f"upload the app, {INSTALL} again and put app_installation and app_public_keys into {expected.place}",
    )
    yield _check(
        "the panel may be shown in a frame",
        expected.url in expected.panel_origins,
        f"put {expected.url} into {expected.place} panel_origins",
    )


def _check(what: str, ok: bool, remedy: str = "") -> Check:
    return Check(what=what, ok=ok, remedy="" if ok else remedy)
