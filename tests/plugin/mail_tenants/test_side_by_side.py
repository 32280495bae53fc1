"""Exchange's kind of tenant and an identity system over one account, each for what it knows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from plugin.errors import NotFound, OutcomeUnknown, PermanentError, RemoteError, SettingsError, Unreachable
from plugin.mail_tenants import joined
from plugin.mail_tenants.several import Several
from plugin.mail_tenants.side_by_side import SideBySide
from plugin.model import (
    AccountCheck,
    AccountStatus,
    Agent,
    Answer,
    BlockedAddress,
    Looked,
    Role,
    Sending,
    SignIn,
    SignInState,
    UnblockAnswer,
    Verdict,
)
from plugin.ports import AccountChecks, Check, MailTenant

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
AGENT = Agent(login="ada", name="Ada Agent", email="ada@example.edu", role=Role.AGENT, source="rt")
LISTED = BlockedAddress(address="bbadger@example.edu")
ON, OFF = SignInState(state=SignIn.ENABLED), SignInState(state=SignIn.DISABLED)
HR = SignInState(state=SignIn.DISABLED, reason="HR Request", since=NOW)
DARK = SignInState(state=SignIn.UNKNOWN)


def known(tenant: str, sign_in: SignInState, **more: Any) -> AccountStatus:
    plain = AccountStatus(
        tenant=tenant,
        netid="bbadger",
        display_name="Bucky Badger",
        primary_address="bbadger@example.edu",
        addresses=("bbadger@example.edu", "bucky@example.edu"),
        sending=Sending.BLOCKED,
        blocked=(LISTED,),
        sign_in=sign_in,
        checked_at=NOW,
    )
    return replace(plain, **more)


class InMemory:
    """A tenant whose answers are handed in; each is a status or an error."""

    def __init__(self, name: str, answers: Mapping[str, AccountStatus | RemoteError]) -> None:
        self.name = name
        self.answers = dict(answers)
        self.asked: list[str] = []

    def status(self, account: str) -> AccountStatus:
        answer = self.answers.get(account.lower())
        if answer is None:
            raise NotFound(self.name, "reading", "nobody", status=404)
        if isinstance(answer, RemoteError):
            raise answer
        return answer

    def unblock(
        self, status: AccountStatus, blocked: BlockedAddress, *, agent: Agent, ticket: str, key: str
    ) -> UnblockAnswer:
        self.asked.append(blocked.address)
        return UnblockAnswer(answer=Answer.REQUESTED)

    def check(self) -> Iterator[Check]:
        yield Check(what=self.name, ok=True)


class Looking(InMemory):
    """One that can look at accounts."""

    def can_look(self, status: AccountStatus) -> bool:
        return True

    def look(self, status: AccountStatus, checks: Sequence[AccountCheck], since: datetime | None) -> Iterator[Looked]:
        verdict = Verdict.VERIFIED if self.status(status.netid).sign_in.state is SignIn.ENABLED else Verdict.NOT_SO
        for check in checks:
            yield Looked(check=check, verdict=verdict, finding=f"{self.name} looked.", looked_at=NOW)


def one_look(tenant: AccountChecks, status: AccountStatus, check: AccountCheck) -> Looked:
    (looked,) = tenant.look(status, [check], None)
    return looked


def side_by_side(mail: SignInState, other: SignInState | RemoteError | None) -> SideBySide:
    told = known("campus", other, sending=Sending.UNKNOWN, blocked=()) if isinstance(other, SignInState) else other
    mail_side = Looking(
        "microsoft", {"bbadger": known("microsoft", mail), "bucky@example.edu": known("microsoft", mail)}
    )
    return SideBySide(mail_side, InMemory("campus", {} if told is None else {"bbadger": told}))


@pytest.mark.parametrize(
    ("other", "mail", "state", "reason"),
    [
        (HR, ON, SignIn.DISABLED, "HR Request"),
        (HR, OFF, SignIn.DISABLED, "HR Request"),
        (HR, DARK, SignIn.DISABLED, "HR Request"),
        (OFF, ON, SignIn.DISABLED, None),
        (ON, ON, SignIn.ENABLED, None),
        (ON, OFF, SignIn.DISABLED, None),
        (ON, DARK, SignIn.UNKNOWN, None),
        (DARK, ON, SignIn.UNKNOWN, None),
        (DARK, OFF, SignIn.UNKNOWN, None),
        (Unreachable("campus", "reading", "gone"), ON, SignIn.UNKNOWN, None),
        (Unreachable("campus", "reading", "gone"), OFF, SignIn.UNKNOWN, None),
        (OutcomeUnknown("campus", "reading", "odd"), ON, SignIn.UNKNOWN, None),
        (None, ON, SignIn.UNKNOWN, None),
    ],
)
def test_sign_in_is_what_both_leave_open_and_no_more(
    other: SignInState | RemoteError | None, mail: SignInState, state: SignIn, reason: str | None
) -> None:
    status = side_by_side(mail, other).status("bbadger")
    assert (status.sign_in.state, status.sign_in.reason) == (state, reason)
    assert (status.tenant, status.sending, status.blocked) == ("microsoft", Sending.BLOCKED, (LISTED,))
    if state is SignIn.UNKNOWN and mail is not DARK:
        assert "campus" in status.failure


def test_failure_of_the_sign_in_side_says_what_failed_beside_what_else_did() -> None:
    mail = InMemory("microsoft", {"bbadger": known("microsoft", ON, failure="the list broke", sending=Sending.UNKNOWN)})
    other = InMemory("campus", {"bbadger": Unreachable("campus", "reading", "gone")})
    assert SideBySide(mail, other).status("bbadger").failure == "the list broke; campus: reading: gone"


def test_failure_of_the_mail_side_is_raised_since_nobody_else_knows_the_person() -> None:
    mail = InMemory("microsoft", {"bbadger": Unreachable("microsoft", "reading", "gone")})
    with pytest.raises(Unreachable, match="microsoft"):
        SideBySide(mail, InMemory("campus", {"bbadger": known("campus", ON)})).status("bbadger")
    with pytest.raises(NotFound):
        SideBySide(mail, InMemory("campus", {"x": known("campus", ON, netid="x")})).status("x")


@pytest.mark.parametrize("name", ["bbadger", "bbadger@example.edu", "bucky@example.edu"])
def test_sign_in_side_is_asked_by_every_name_that_the_mail_side_knows(name: str) -> None:
    mail = InMemory("microsoft", {"bucky@example.edu": known("microsoft", ON)})
    other = InMemory("campus", {name: known("campus", HR, netid="b-17", addresses=("bucky@example.edu",))})
    assert SideBySide(mail, other).status("BUCKY@example.edu").sign_in == HR


def test_answer_about_another_person_is_not_believed() -> None:
    mail = InMemory("microsoft", {"bbadger": known("microsoft", ON)})
    stranger = known("campus", ON, netid="other", primary_address="o@example.edu", addresses=("o@example.edu",))
    status = SideBySide(mail, InMemory("campus", {"bbadger": stranger})).status("bbadger")
    assert (status.sign_in.state, "about another person" in status.failure) == (SignIn.UNKNOWN, True)


def test_mail_side_is_the_one_that_is_asked_to_unblock() -> None:
    mail, other = InMemory("microsoft", {}), InMemory("campus", {})
    both = SideBySide(mail, other)
    both.unblock(known("microsoft", ON), LISTED, agent=AGENT, ticket="rt:1", key="k")
    assert (mail.asked, other.asked, both.name) == (["bbadger@example.edu"], [], "microsoft")
    assert [check.what for check in both.check()] == ["microsoft"]


@pytest.mark.parametrize(
    ("mail", "other", "verdict", "finding"),
    [
        (ON, ON, Verdict.VERIFIED, "microsoft looked."),
        (ON, HR, Verdict.NOT_SO, "At campus the sign-in is disabled: HR Request."),
        (ON, DARK, Verdict.NOT_LOOKED, "At campus the sign-in is unknown."),
        (ON, Unreachable("campus", "reading", "gone"), Verdict.NOT_LOOKED, "campus: reading: gone"),
        (OFF, ON, Verdict.NOT_SO, "microsoft looked."),
    ],
)
def test_sign_in_is_enabled_only_where_both_say_so(
    mail: SignInState, other: SignInState | RemoteError, verdict: Verdict, finding: str
) -> None:
    both = side_by_side(mail, other)
    looked = one_look(both, known("microsoft", mail), AccountCheck.SIGN_IN_ENABLED)
    assert (looked.verdict, looked.finding) == (verdict, finding)


def test_other_looks_are_the_mail_sides_alone() -> None:
    both = side_by_side(ON, HR)
    assert both.can_look(known("microsoft", ON))
    looked = one_look(both, known("microsoft", ON), AccountCheck.NO_FORWARDING)
    assert looked.verdict is Verdict.VERIFIED


def test_mail_side_that_cannot_look_never_verifies() -> None:
    both = SideBySide(InMemory("a", {}), InMemory("b", {}))
    assert not both.can_look(known("a", ON))
    assert one_look(both, known("a", ON), AccountCheck.NO_FORWARDING).verdict is Verdict.NOT_LOOKED


# ── several tenants ──────────────────────────────────────────────────────────────────────────────────────────────


def several(**answers: AccountStatus | RemoteError | None) -> tuple[Several, dict[str, InMemory]]:
    tenants = {name: Looking(name, {} if answer is None else {"bbadger": answer}) for name, answer in answers.items()}
    return Several(list(tenants.values())), tenants


def test_account_is_in_the_tenant_that_knows_it_and_is_unblocked_there() -> None:
    all_of_them, tenants = several(college=None, hospital=known("hospital", ON))
    status = all_of_them.status("bbadger")
    all_of_them.unblock(status, LISTED, agent=AGENT, ticket="rt:1", key="k")
    assert (status.tenant, tenants["hospital"].asked, tenants["college"].asked) == (
        "hospital",
        ["bbadger@example.edu"],
        [],
    )
    assert all_of_them.can_look(status)
    assert one_look(all_of_them, status, AccountCheck.NO_FORWARDING).finding == "hospital looked."
    assert [check.what for check in all_of_them.check()] == ["college", "hospital"]


def test_account_that_none_knows_is_not_found() -> None:
    with pytest.raises(NotFound):
        several(college=None, hospital=None)[0].status("bbadger")


def test_account_that_two_know_is_settled_by_a_person() -> None:
    with pytest.raises(PermanentError, match=r"college and hospital know it: .*sign_in_from") as caught:
        several(college=known("college", ON), hospital=known("hospital", ON))[0].status("bbadger")
    assert not isinstance(caught.value, NotFound)
    assert caught.value.status is None


@pytest.mark.parametrize("order", [("college", "hospital"), ("hospital", "college")])
def test_tenant_that_fails_leaves_the_account_unsettled(order: tuple[str, str]) -> None:
    answers = {"college": known("college", ON), "hospital": Unreachable("hospital", "reading", "gone")}
    with pytest.raises(Unreachable):
        several(**{name: answers[name] for name in order})[0].status("bbadger")


def test_account_of_a_tenant_that_is_gone_from_the_settings_is_never_asked_elsewhere() -> None:
    all_of_them, tenants = several(college=known("college", ON), hospital=None)
    with pytest.raises(PermanentError, match="not in the settings"):
        all_of_them.unblock(known("former", ON), LISTED, agent=AGENT, ticket="rt:1", key="k")
    assert not any(tenant.asked for tenant in tenants.values())


def test_tenant_that_cannot_look_never_verifies() -> None:
    both = Several([InMemory("a", {}), Looking("b", {})])
    assert not both.can_look(known("a", ON))
    assert not both.can_look(known("former", ON))
    assert one_look(both, known("a", ON), AccountCheck.NO_FORWARDING).verdict is Verdict.NOT_LOOKED


# ── how the settings join them ───────────────────────────────────────────────────────────────────────────────────


def made(**sides: str) -> MailTenant:
    """The tenant of settings in which each name has this ``sign_in_from``; empty for none."""
    tenants = {name: InMemory(name, {}) for name in sides}
    return joined(tenants, {name: {"sign_in_from": side} if side else {} for name, side in sides.items()})


def test_only_tenant_is_the_tenant() -> None:
    assert isinstance(made(campus=""), InMemory)


def test_tenant_that_another_names_serves_beside_it_whatever_their_order() -> None:
    assert isinstance(made(microsoft="campus", campus=""), SideBySide)
    assert isinstance(made(campus="", microsoft="campus"), SideBySide)
    assert made(campus="", microsoft="campus").name == "microsoft"


def test_all_others_are_tenants_of_their_own() -> None:
    assert made(college="", hospital="").name == "college, hospital"
    assert made(college="ids", ids="", hospital="ids").name == "college, hospital"
    assert isinstance(made(college="ids", ids="", hospital="ids"), AccountChecks)


@pytest.mark.parametrize(
    ("sides", "said"),
    [
        ({"a": "b"}, "there is no mail tenant 'b'; there are a"),
        ({"a": "a"}, "'a' must be one without sign_in_from"),
        ({"a": "b", "b": "a"}, "must be one without sign_in_from"),
        ({"a": "b", "b": "c", "c": ""}, "'b' must be one without sign_in_from"),
    ],
)
def test_sign_in_side_that_cannot_be_one_is_refused(sides: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=r"^\[mail_tenants\.a\] sign_in_from: ") as caught:
        made(**sides)
    assert said in str(caught.value)
