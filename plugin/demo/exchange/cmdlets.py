"""What the cmdlets do, as PowerShell's own: parameters are bound first, then the world is asked.

The texts of errors are Microsoft's where they are known, and made up where they are not: of a limit that is used up
Microsoft's page on Remove-BlockedSenderAddress says only that there is an error and that support can help.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plugin.demo.exchange.world import Listed, Result, User, World

Rows = list[dict[str, Any]]
SLOW_SECONDS = 3.0


class CmdletError(Exception):
    """A cmdlet failed: with the HTTP status, the code and the type of the error, and words for people."""

    def __init__(self, status: int, code: str, kind: str, words: str) -> None:
        super().__init__(words)
        self.status, self.code, self.kind, self.words = status, code, kind, words


class Busy(Exception):
    """Too much at once: 429."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cmdlet:
    """Its parameters by name, those that must be there, and what it does."""

    known: frozenset[str]
    required: frozenset[str] = frozenset()
    run: Callable[[World, Mapping[str, Any]], Rows]


def run(world: World, name: str, parameters: Mapping[str, Any]) -> Rows:
    """The rows that a cmdlet gives out; `CmdletError` or `Busy`. The name is one of `CMDLETS`."""
    cmdlet = CMDLETS[name]
    if unknown := set(parameters) - cmdlet.known:
        raise _binding(f"A parameter cannot be found that matches parameter name '{min(unknown)}'.")
    if missing := cmdlet.required - {key for key, value in parameters.items() if value not in (None, "")}:
        raise _binding(f"Cannot process command because of missing mandatory parameters: {' '.join(sorted(missing))}.")
    return cmdlet.run(world, parameters)


def _binding(words: str) -> CmdletError:
    return CmdletError(400, "BadRequest", "System.Management.Automation.ParameterBindingException", words)


def _get_blocked(world: World, parameters: Mapping[str, Any]) -> Rows:
    if parameters:  # a filtered lookup is reported to fail although the whole list works, and -ErrorAction always
        words = "A server side error has occurred because of which the operation could not be completed."
        raise CmdletError(500, "InternalServerError", "Microsoft.Exchange.Hygiene.Data.DataSourceException", words)
    return [_listed(entry) for entry in world.listed()]


def _listed(entry: Listed) -> dict[str, Any]:
    created = entry.created_at and moment(entry.created_at)
    return {
        "SenderAddress@data.type": "Microsoft.Exchange.Data.SmtpAddress",
        "SenderAddress": entry.address,
        "Reason": entry.reason,
        "CreatedDatetime@data.type": "System.DateTime",
        "CreatedDatetime": created,
        "ChangedDatetime@data.type": "System.DateTime",
        "ChangedDatetime": created,
        "TemporaryBlock": False,
    }


def _remove_blocked(world: World, parameters: Mapping[str, Any]) -> Rows:
    address = str(parameters["SenderAddress"])
    hygiene = "Microsoft.Exchange.Management.TransportMailflow"
    match world.remove(address):
        case Result.NOT_LISTED:
            kind = "Microsoft.Exchange.Configuration.Tasks.ManagementObjectNotFoundException"
            words = f"The operation couldn't be performed because object '{address}' couldn't be found."
            raise CmdletError(404, "NotFound", kind, words)
        case Result.LIMIT:
            words = (
                f"{address} has been unblocked the maximum number of times and can't be unblocked again."
                " Contact Microsoft Support."
            )
            raise CmdletError(400, "BadRequest", f"{hygiene}.UnblockLimitException", words)
        case Result.REFUSED:
            raise CmdletError(400, "BadRequest", f"{hygiene}.PolicyException", "This sender is held for review.")
        case Result.FAILED:
            raise CmdletError(500, "InternalServerError", "", "An unexpected error occurred.")
        case Result.THROTTLED:
            raise Busy
    return []


def _get_connectors(world: World, parameters: Mapping[str, Any]) -> Rows:
    wanted = parameters.get("ConnectorId")
    return [row for row in world.connectors if wanted in (None, row["ConnectorId"])]


def _get_mailbox(world: World, parameters: Mapping[str, Any]) -> Rows:
    user = _mailbox(world, parameters["Identity"])
    row = {
        "UserPrincipalName": user.upn,
        "PrimarySmtpAddress": user.addresses[0],
        "ForwardingAddress": None,
        "ForwardingSmtpAddress": user.forwards_to and f"smtp:{user.forwards_to}",
        "DeliverToMailboxAndForward": False,
    }
    return [row]


def _get_rules(world: World, parameters: Mapping[str, Any]) -> Rows:
    user = _mailbox(world, parameters["Mailbox"])
    hidden = parameters.get("IncludeHidden") is True
    rows = [{"Enabled": True, **rule} for rule in user.rules]
    system = [{"Name": "Junk E-Mail Rule", "Enabled": True, "MoveToFolder": "Junk Email"}]
    shown = [*(system if hidden else []), *(row for row in rows if hidden or not row.get("hidden"))]
    return [{key: value for key, value in row.items() if key != "hidden"} for row in shown]


def _mailbox(world: World, name: object) -> User:
    try:
        return world.user(str(name))
    except KeyError:
        kind = "Microsoft.Exchange.Configuration.Tasks.ManagementObjectNotFoundException"
        words = f"The operation couldn't be performed because object '{name}' couldn't be found."
        raise CmdletError(404, "NotFound", kind, words) from None


CMDLETS: Mapping[str, Cmdlet] = {
    "Get-BlockedSenderAddress": Cmdlet(known=frozenset({"SenderAddress", "ErrorAction"}), run=_get_blocked),
    "Remove-BlockedSenderAddress": Cmdlet(
        known=frozenset({"SenderAddress", "Reason"}), required=frozenset({"SenderAddress"}), run=_remove_blocked
    ),
    "Get-BlockedConnector": Cmdlet(known=frozenset({"ConnectorId"}), run=_get_connectors),
    "Get-Mailbox": Cmdlet(
        known=frozenset({"Identity", "ResultSize"}), required=frozenset({"Identity"}), run=_get_mailbox
    ),
    "Get-InboxRule": Cmdlet(
        known=frozenset({"Mailbox", "IncludeHidden"}), required=frozenset({"Mailbox"}), run=_get_rules
    ),
}


def moment(at: datetime) -> str:
    """As Exchange writes it, with seven digits of a second."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06d}0+00:00"
