"""What a note may tell of a case. Templates see this as ``facts`` and nothing else of the case."""

from dataclasses import dataclass
from datetime import datetime

from plugin.model import AccountStatus, Answer, CaseState, Finding, Sending


@dataclass(frozen=True, kw_only=True, slots=True)
class AddressResult:
    """What became of asking Microsoft to unblock one address."""

    address: str
    outcome: str  # in words
    asked_at: datetime
    asked_by: str
    confirmed_at: datetime | None  # when a reading no longer listed it


@dataclass(frozen=True, kw_only=True, slots=True)
class Happening:
    """A line of the case's journal."""

    at: datetime
    actor: str
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """One case as it is now. Much of it was written by strangers; the templates show all of it as inert text."""

    state: CaseState
    finding: Finding | None
    status: AccountStatus | None
    results: tuple[AddressResult, ...]
    question: str  # what a person is asked: which account, or to look where the program could not
    candidates: tuple[str, ...]
    agent: str  # who pressed Unblock last
    reason: str  # why the case is where it is
    unblocked_at: datetime | None
    escalate_after: datetime | None
    panel_url: str
    earlier_unblocks: int  # confirmed releases before this round
    complained_at: datetime | None = None  # when it was heard that mail still fails
    escalated_at: datetime | None = None
    escalated_by: str = ""  # the agent who handed it to the Office 365 team
    story: tuple[Happening, ...] = ()  # the journal, oldest first; of a long one the end

    @property
    def account(self) -> str:
        """The account's id in the tenant, or words that say it is not settled."""
        return self.status.netid if self.status else "Account not settled"

    @property
    def who(self) -> str:
        """The account as people know it, such as “Bucky Badger (bbadger)”."""
        name = self.status.display_name if self.status else ""
        return f"{name} ({self.account})" if name else self.account

    @property
    def is_readable(self) -> bool:
        """Whether the last reading said anything; if not, a note must claim nothing."""
        return self.status is not None and self.status.sending is not Sending.UNKNOWN

    @property
    def is_limit_reached(self) -> bool:
        """Microsoft refused because this account was unblocked too often."""
        return any(Answer.LIMIT.value in result.outcome for result in self.results)
