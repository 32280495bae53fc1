"""Made-up cases on which every template is tried at start: one with everything known, one with nothing known yet."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from plugin.model import (
    AccountStatus,
    BlockedAddress,
    Candidate,
    CaseState,
    Cause,
    Confidence,
    Finding,
    Label,
    Origin,
    Sending,
    SignIn,
    SignInState,
)
from plugin.notes.facts import AddressResult, Facts, Happening

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def samples() -> Iterator[Facts]:
    """Both cases in every state, and the full one under each answer that a reading can give."""
    for state in CaseState:
        yield _bare(state)
        for sending in Sending:
            for sign_in in SignIn:
                yield _full(state, sending, SignInState(state=sign_in, reason="Compromised Account", since=NOON))
            yield _full(state, sending, SignInState(state=SignIn.DISABLED))


def _bare(state: CaseState) -> Facts:
    return Facts(
        state=state,
        finding=None,
        status=None,
        results=(),
        question="",
        candidates=(),
        agent="",
        reason="",
        unblocked_at=None,
        escalate_after=None,
        panel_url="",
        earlier_unblocks=0,
    )


def _full(state: CaseState, sending: Sending, sign_in: SignInState) -> Facts:
    return Facts(
        state=state,
        finding=_finding(),
        status=_status(sending, sign_in),
        results=(
            AddressResult(
                address="sample@example.edu", outcome="Not Blocked", asked_at=NOON, asked_by="Ada", confirmed_at=NOON
            ),
            AddressResult(address="s@example.edu", outcome="refused", asked_at=NOON, asked_by="Ada", confirmed_at=None),
        ),
        question="Several accounts are named.",
        candidates=("sample", "other@example.edu"),
        agent="Ada (ada)",
        reason="The tenant could not be asked.",
        unblocked_at=NOON,
        escalate_after=NOON + timedelta(hours=24),
        panel_url="https://unblock.example.edu/panel/demo/1",
        earlier_unblocks=2,
        complained_at=NOON,
        escalated_at=NOON,
        escalated_by="Ada (ada)",
        story=(Happening(at=NOON, actor="m365-unblock", what="Asked Microsoft about sample@example.edu."),),
    )


def _finding() -> Finding:
    return Finding(
        label=Label.SENDER_BLOCKED,
        confidence=Confidence.CERTAIN,
        code="5.1.8",
        candidates=(Candidate(account="sample@example.edu", origin=Origin.REPORT),),
        rule="code",
        evidence=("550 5.1.8 Access denied, bad outbound sender",),
    )


def _status(sending: Sending, sign_in: SignInState) -> AccountStatus:
    return AccountStatus(
        tenant="example",
        netid="sample",
        display_name="Sam Ple",
        primary_address="sample@example.edu",
        addresses=("sample@example.edu", "s@example.edu"),
        sending=sending,
        blocked=(
            BlockedAddress(
                address="sample@example.edu",
                reason="OutboundSpamLast24Hours=412",
                cause=Cause.SPAM,
                blocked_at=NOON - timedelta(hours=3),
            ),
            BlockedAddress(address="s@example.edu"),
        ),
        sign_in=sign_in,
        checked_at=NOON,
        failure="the directory gave no answer",
    )
