"""What can be looked at in an account for a checklist's items, from Graph and from its mailbox.

What counts as suspicious in a rule is our reading of Microsoft's advice on compromised accounts: it forwards or
redirects, deletes, or moves mail to where nobody looks. The names of the mailbox cmdlets' properties are documented; in
which form InvokeCommand gives them out is not, so anything that is not empty counts.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from plugin.errors import PermanentError, RemoteError
from plugin.mail_tenants.exchange_online.graph import Graph, Person
from plugin.mail_tenants.exchange_online.invoke_command import InvokeCommand
from plugin.model import AccountCheck, Looked, SignIn, Verdict

SYSTEM_RULES = re.compile(r"Junk E-Mail Rule|Microsoft\.Exchange\.OOF\..*|Delegate Rule -?\d+")
FORWARDING = ("ForwardingAddress", "ForwardingSmtpAddress")
SENDS_ON = ("ForwardTo", "RedirectTo", "ForwardAsAttachmentTo")
DELETES = ("DeleteMessage", "SoftDeleteMessage")
HIDING_PLACES = re.compile(
    r"rss|notes|junk|archive|deleted items|conversation history|sync issues|recoverable", re.IGNORECASE
)
METHODS = {
    "password": "password",
    "phone": "phone",
    "microsoftAuthenticator": "Microsoft Authenticator",
    "email": "email address",
    "fido2": "security key",
    "softwareOath": "code app",
    "temporaryAccessPass": "temporary access pass",
    "windowsHelloForBusiness": "Windows Hello",
}
AT = "%d %b %Y at %H:%M UTC"
SAME_MOMENT = timedelta(minutes=1)  # a reset that signs out everywhere writes the two moments one after the other
Found = tuple[Verdict, str, tuple[str, ...]]


class AccountLooks:
    """Looks at one account, at one thing after the other; what fails is told, never taken for good."""

    def __init__(self, graph: Graph, exchange: InvokeCommand, clock: Callable[[], datetime]) -> None:
        self._graph = graph
        self._exchange = exchange
        self._clock = clock

    def look(self, account: str, checks: Sequence[AccountCheck], since: datetime | None) -> Iterator[Looked]:
        """`account` is its id or any of its addresses; `since` is when the block began, where anybody knows."""
        person = None
        for check in checks:
            try:
                person = person or self._graph.person(account)
                verdict, finding, items = self._found(person, check, since)
            except RemoteError as error:
                verdict, finding, items = Verdict.NOT_LOOKED, str(error), ()
            yield Looked(check=check, verdict=verdict, finding=finding, items=items, looked_at=self._clock())

    def _found(self, person: Person, check: AccountCheck, since: datetime | None) -> Found:
        match check:
            case AccountCheck.PASSWORD_CHANGED:
                return _after("The password was last changed", person.password_changed_at, since)
            case AccountCheck.SESSIONS_ENDED:
                return _sessions(person, since)
            case AccountCheck.SIGN_IN_ENABLED:
                return sign_in(person.sign_in)
            case AccountCheck.NO_FORWARDING:
                return self._forwarding(person)
            case AccountCheck.NO_SUSPICIOUS_RULES:
                return self._rules(person)
            case AccountCheck.MFA_METHODS:
                return self._methods(person)
            case AccountCheck.APP_CONSENTS:
                return self._consents(person)

    def _forwarding(self, person: Person) -> Found:
        doing = "looking for forwarding"
        mailboxes = self._exchange.read(doing, "Get-Mailbox", Identity=person.upn).rows
        if len(mailboxes) != 1 or not any(name in mailboxes[0] for name in FORWARDING):
            raise PermanentError(self._exchange.name, doing, f"{len(mailboxes)} mailboxes, or one without the setting")
        items = tuple(f"{name}: {_words(mailboxes[0][name])}" for name in FORWARDING if mailboxes[0].get(name))
        if items:
            return Verdict.NOT_SO, "The mailbox forwards what it gets.", items
        return Verdict.VERIFIED, "The mailbox forwards nothing.", ()

    def _rules(self, person: Person) -> Found:
        doing = "reading the inbox rules"
        rows = self._exchange.read(doing, "Get-InboxRule", Mailbox=person.upn, IncludeHidden=True).rows
        if any(not isinstance(row.get("Name"), str) for row in rows):
            raise PermanentError(self._exchange.name, doing, "a rule among them cannot be read")
        own = [row for row in rows if not SYSTEM_RULES.fullmatch(row["Name"]) and row.get("Enabled") is not False]
        items = tuple(f"{row['Name']}: {', '.join(told)}" for row in own if (told := _suspicions(row)))
        if items:
            return Verdict.NOT_SO, "An inbox rule sends mail on, deletes or hides it.", items
        return Verdict.VERIFIED, f"No suspicious rule among {len(own)}.", ()

    def _methods(self, person: Person) -> Found:
        path = ("users", person.id, "authentication", "methods")
        rows = self._graph.things("reading the sign-in methods", *path, permission="UserAuthenticationMethod.Read.All")
        return Verdict.LISTED, _counted(len(rows), "way to sign in", "ways to sign in"), tuple(map(_method, rows))

    def _consents(self, person: Person) -> Found:
        doing, permission = "reading the apps with consent", "Directory.Read.All"
        grants = self._graph.things(doing, "users", person.id, "oauth2PermissionGrants", permission=permission)
        roles = self._graph.things(doing, "users", person.id, "appRoleAssignments", permission=permission)
        items = (
            *(f"{self._app(doing, row)}: {_words(row.get('scope'))}" for row in grants),
            *(f"{_words(row.get('resourceDisplayName'))}: assigned" for row in roles),
        )
        if not items:
            return Verdict.VERIFIED, "No app has consent.", ()
        return Verdict.LISTED, _counted(len(items), "app with consent", "apps with consent"), items

    def _app(self, doing: str, grant: Mapping[str, Any]) -> str:
        """The name of the app that a consent was given to."""
        known_as = _words(grant.get("clientId"))
        return self._graph.app_name(doing, known_as) if known_as else "unknown"


def sign_in(state: SignIn) -> Found:
    """What a sign-in's state says to whoever asks whether it is enabled."""
    match state:
        case SignIn.ENABLED:
            return Verdict.VERIFIED, "The sign-in is enabled.", ()
        case SignIn.DISABLED:
            return Verdict.NOT_SO, "The sign-in is disabled.", ()
        case SignIn.UNKNOWN:
            return Verdict.NOT_LOOKED, "Nobody says whether the sign-in is enabled.", ()


def _after(what: str, at: datetime | None, since: datetime | None) -> Found:
    if at is None:
        return Verdict.NOT_LOOKED, "Entra does not say when.", ()
    if since is None:
        return Verdict.NOT_LOOKED, f"{what} on {at:{AT}}; when the block began is not known.", ()
    told = f"{what} on {at:{AT}}"
    if at > since:
        return Verdict.VERIFIED, f"{told}, after the block.", ()
    return Verdict.NOT_SO, f"{told}, before the block of {since:{AT}}.", ()


def _sessions(person: Person, since: datetime | None) -> Found:
    """Signed out after the block, and after the password was changed: else whoever knew the old one may be back."""
    ended, changed = person.sessions_valid_from, person.password_changed_at
    found = _after("Sessions were last signed out", ended, since)
    if found[0] is not Verdict.VERIFIED or ended is None or changed is None or ended >= changed - SAME_MOMENT:
        return found
    told = f"Sessions were last signed out on {ended:{AT}}, before the password change of {changed:{AT}}."
    return Verdict.NOT_SO, told, ()


def _counted(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}."


def _suspicions(rule: Mapping[str, Any]) -> list[str]:
    told = [f"{name} {_words(rule[name])}" for name in SENDS_ON if rule.get(name)]
    told += [name for name in DELETES if rule.get(name)]
    folder = _words(rule.get("MoveToFolder"))
    if HIDING_PLACES.search(folder):
        told.append(f"MoveToFolder {folder}")
    return told


def _method(row: Mapping[str, Any]) -> str:
    kind = str(row.get("@odata.type", "")).rsplit(".", 1)[-1].removesuffix("AuthenticationMethod")
    which = next((row[key] for key in ("phoneNumber", "displayName", "emailAddress", "model") if row.get(key)), "")
    return ": ".join(part for part in (METHODS.get(kind, kind or "unknown"), _words(which)) if part)


def _words(value: object) -> str:
    """Whatever stands there, as one short line."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
    return "".join(c if c.isprintable() else " " for c in text)[:200].strip()
