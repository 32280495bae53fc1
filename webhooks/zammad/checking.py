"""What a Zammad needs for us to work, looked at with the token of our own user, which is no administrator's.

Webhook and triggers only an administrator may see: `m365-unblock install zammad` looks at them, and run again it says
whether all is as it should be.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from plugin.errors import RemoteError
from plugin.manifest import manifest
from plugin.ports import Check
from webhooks.zammad.attributes import PROMISED, attribute_of
from webhooks.zammad.reading import Reader
from webhooks.zammad.rest import Rest

FAR_AHEAD = datetime(2100, 1, 1, tzinfo=UTC)  # nothing has changed since then, but asking shows that it may be asked
INSTALL = "run m365-unblock install zammad"


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What our own settings say."""

    source: str
    url: str
    own_user: str  # login or mail address, in lower case
    groups: tuple[str, ...]
    has_fields: bool  # the fields are shown as attributes

    @property
    def place(self) -> str:
        """Where these settings stand."""
        return f"[sources.{self.source}]"


def checks(rest: Rest, reader: Reader, expected: Expected) -> Iterator[Check]:
    """Everything that the source needs, as far as our user can see it."""
    try:
        me = rest.get("see who we are", "users", "me", expand="true")
    except RemoteError as error:
        yield _check(f"Zammad answers at {expected.url} and knows the token", False, str(error))
        return
    yield _check(f"Zammad answers at {expected.url} and knows the token", True)
    found = me if isinstance(me, dict) else {}
    yield _own_user(found, expected)
    yield from _groups(found, expected)
    yield from _tags(rest)
    yield from _scan(reader)
    yield from _attributes(rest, expected)


def _own_user(me: Mapping[str, Any], expected: Expected) -> Check:
    names = {str(me.get(name) or "").lower() for name in ("login", "email")}
    return _check(
        f"the token is that of {expected.own_user}",
        expected.own_user in names,
        f"it belongs to {me.get('login') or 'somebody else'}: make one as {expected.own_user}, or correct own_user in "
        f"{expected.place}",
    )


def _groups(me: Mapping[str, Any], expected: Expected) -> Iterator[Check]:
    access = me.get("groups")
    full = {name for name, rights in access.items() if "full" in rights} if isinstance(access, dict) else set()
    remedy = "give it full access to the help desk's groups (Admin > Users)"
    yield _check("our user works in at least one group", bool(full), remedy)
    for group in expected.groups:
        yield _check(f"our user has full access to group {group}", group in full, remedy)


def _tags(rest: Rest) -> Iterator[Check]:
    try:
        found = rest.get("look for our tags", "tag_search", needs="ticket.agent", term="m365-", limit="100")
    except RemoteError as error:
        yield _check("our user is an agent", False, f"{error}; give it the role Agent")
        return
    yield _check("our user is an agent", True)
    there = {row.get("value") for row in found if isinstance(row, dict)} if isinstance(found, list) else set()
    missing = sorted(set(manifest()["tags"]) - there)
    yield _check("our tags are there", not missing, f"{', '.join(missing)} missing: {INSTALL}")


def _scan(reader: Reader) -> Iterator[Check]:
    try:
        list(reader.changed_since(FAR_AHEAD))
    except RemoteError as error:
        yield _check("changed tickets can be listed", False, str(error))
    else:
        yield _check("changed tickets can be listed", True)


def _attributes(rest: Rest, expected: Expected) -> Iterator[Check]:
    if not expected.has_fields:
        # Said, because automated triage may be waiting for them; it is as it should be where customers sign in.
        yield _check("the fields are kept from customers: they are not written (customers_can_sign_in)", True)
        return
    try:
        found = rest.get("look at a ticket", "tickets", "search", sort_by="updated_at", per_page="1", expand="true")
    except RemoteError as error:
        yield _check("our attributes are there", False, str(error))
        return
    if not (isinstance(found, list) and found and isinstance(found[0], dict)):
        yield _check("our attributes are there (there is no ticket yet to see them on)", True)
        return
    missing = [attribute_of(name) for name in PROMISED if attribute_of(name) not in found[0]]
    yield _check("our attributes are there", not missing, f"{', '.join(missing)} missing: {INSTALL}")


def _check(what: str, ok: bool, remedy: str = "") -> Check:
    return Check(what=what, ok=ok, remedy="" if ok else remedy)
