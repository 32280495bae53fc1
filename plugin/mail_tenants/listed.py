"""What lists of blocked addresses have in common, whoever hands them out."""

from collections.abc import Iterable
from datetime import UTC, datetime

from plugin.mail_tenants.reasons import read_reason
from plugin.model import BlockedAddress


def blocked_address(address: str, reason: str, blocked_at: object) -> BlockedAddress:
    """One entry of a list; the address and the reason as they stand there, to the letter."""
    return BlockedAddress(
        address=address, reason=reason, cause=read_reason(reason).cause, blocked_at=moment(blocked_at)
    )


def newest_of_each(entries: Iterable[BlockedAddress]) -> tuple[BlockedAddress, ...]:
    """The listed addresses in their order; of one listed twice, the newest entry."""
    newest: dict[str, BlockedAddress] = {}
    for found in entries:
        before = newest.setdefault(found.address.lower(), found)
        if found.blocked_at and (before.blocked_at is None or found.blocked_at > before.blocked_at):
            newest[found.address.lower()] = found
    return tuple(newest.values())


def moment(value: object) -> datetime | None:
    """An RFC 3339 moment in UTC, also with Microsoft's seven fractional digits; None if unreadable or zoneless."""
    try:
        read = datetime.fromisoformat(value.upper()) if isinstance(value, str) else None
        return read.astimezone(UTC) if read and read.tzinfo else None
    except (ValueError, OverflowError):
        return None
