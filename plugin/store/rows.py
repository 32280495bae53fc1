"""Our words as columns, and back: findings, account statuses and looks kept with a case."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from plugin.model import (
    AccountCheck,
    AccountStatus,
    BlockedAddress,
    Candidate,
    Cause,
    Confidence,
    Finding,
    Label,
    Looked,
    Origin,
    Sending,
    SignIn,
    SignInState,
    Verdict,
)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def finding_row(finding: Finding | None) -> dict[str, Any] | None:
    """A finding as JSON."""
    if finding is None:
        return None
    return {
        "label": finding.label.value,
        "confidence": finding.confidence.value,
        "code": finding.code,
        "candidates": [[candidate.account, candidate.origin.value] for candidate in finding.candidates],
        "rule": finding.rule,
        "evidence": list(finding.evidence),
    }


def finding_of(row: Mapping[str, Any] | None) -> Finding | None:
    """The reverse of `finding_row`."""
    if row is None:
        return None
    return Finding(
        label=Label(row["label"]),
        confidence=Confidence(row["confidence"]),
        code=row["code"],
        candidates=tuple(Candidate(account=account, origin=Origin(origin)) for account, origin in row["candidates"]),
        rule=row["rule"],
        evidence=tuple(row["evidence"]),
    )


def status_row(status: AccountStatus | None) -> dict[str, Any] | None:
    """An account's status as JSON."""
    if status is None:
        return None
    return {
        "tenant": status.tenant,
        "netid": status.netid,
        "display_name": status.display_name,
        "primary_address": status.primary_address,
        "addresses": list(status.addresses),
        "sending": status.sending.value,
        "blocked": [
            [blocked.address, blocked.reason, blocked.cause.value, _text(blocked.blocked_at)]
            for blocked in status.blocked
        ],
        "sign_in": [status.sign_in.state.value, status.sign_in.reason, _text(status.sign_in.since)],
        "checked_at": _text(status.checked_at),
        "failure": status.failure,
    }


def status_of(row: Mapping[str, Any] | None) -> AccountStatus | None:
    """The reverse of `status_row`."""
    if row is None:
        return None
    state, reason, since = row["sign_in"]
    return AccountStatus(
        tenant=row["tenant"],
        netid=row["netid"],
        display_name=row["display_name"],
        primary_address=row["primary_address"],
        addresses=tuple(row["addresses"]),
        sending=Sending(row["sending"]),
        blocked=tuple(
            BlockedAddress(address=address, reason=why, cause=Cause(cause), blocked_at=_moment(at))
            for address, why, cause, at in row["blocked"]
        ),
        sign_in=SignInState(state=SignIn(state), reason=reason, since=_moment(since)),
        checked_at=datetime.fromisoformat(row["checked_at"]),
        failure=row["failure"],
    )


def look_row(looked: Looked) -> dict[str, Any]:
    """A look as columns."""
    return {
        "check": looked.check.value,
        "verdict": looked.verdict.value,
        "finding": looked.finding,
        "items": list(looked.items),
        "looked_at": looked.looked_at,
    }


def look_of(row: Mapping[str, Any]) -> Looked:
    """The reverse of `look_row`."""
    return Looked(
        check=AccountCheck(row["check"]),
        verdict=Verdict(row["verdict"]),
        finding=row["finding"],
        items=tuple(row["items"]),
        looked_at=row["looked_at"],
    )
