"""The help desk's procedure over the demo of Microsoft 365, with an identity system beside it that knows sign-ins."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Response

from plugin import rules
from plugin.demo.agent import AgentAtDesk
from plugin.demo.microsoft import Microsoft
from plugin.demo.serving import bind
from plugin.demo.stage import Stage
from plugin.demo.story import Storyteller, main_job
from plugin.errors import NotAllowed
from plugin.model import PROGRAM, CaseState, SignIn, Verdict
from tests.conftest import ALEX, START, SVEN

BUCKY = "bucky.badger@example.edu"
TRACES = ("Microsoft.Exchange.Management", "namprd12", "BN8PR12MB1234", "stacktrace", "eyJhbGciOi", "BEGIN PRIVATE")


class _Clock:
    """Gives the world's time once there is a world."""

    def __init__(self) -> None:
        self.world: Any = None

    def __call__(self) -> Any:
        return START if self.world is None else self.world.clock()


@pytest.fixture
def joined(make_world: Callable[..., Any], tmp_path: Path) -> Iterator[Any]:
    """The demo's world with its Microsoft at ``.microsoft``."""
    clock, folder = _Clock(), tmp_path / "microsoft"
    microsoft = Microsoft(folder, bind("127.0.0.1"), clock, 90)
    server = microsoft.serve()
    settings = microsoft.settings().replace('_file = "', f'_file = "{folder}/')
    world = make_world(accounts=dict(microsoft.accounts()), settings=settings)
    world.microsoft = microsoft
    clock.world = world
    yield world
    server.close()


def asked(world: Any) -> list[str]:
    return [each.address for each in world.microsoft.world.asked]


def ready(world: Any, email: str) -> tuple[str, Any]:
    world.microsoft.world.secure(world.microsoft.world.user(email).netid)
    ticket = world.file(email=email, report="ndr-5.1.8")
    return ticket, world.answer_all(world.only_case(ticket))


def test_phished_account_is_unblocked_address_by_address_and_closed_after_a_day(joined: Any) -> None:
    ticket = joined.file(email=BUCKY, report="ndr-5.1.8")
    case = joined.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert (case.account, case.status.tenant) == ("bbadger", "microsoft")
    joined.unblock(joined.answer_all(case))
    assert asked(joined) == ["bbadger@example.edu", "bbadger@cs.example.edu"]
    joined.only_case(ticket, CaseState.UNBLOCKING)
    joined.pass_time(minutes=10)
    joined.only_case(ticket, CaseState.UNBLOCKED)
    joined.pass_time(hours=25)
    joined.only_case(ticket, CaseState.CLOSED)
    assert joined.asked() == []  # the identity system is never asked to unblock


def test_reason_that_the_identity_system_knows_refers_to_security(joined: Any) -> None:
    ticket = joined.file(email="harriet.hold@example.edu", report="ndr-5.1.8")
    case = joined.only_case(ticket, CaseState.REFER_TO_SECURITY)
    assert case.status.sign_in.reason == "HR Request"


def test_disable_that_only_entra_knows_asks_for_securitys_word(joined: Any) -> None:
    joined.microsoft.world.user(BUCKY).is_enabled = False
    ticket = joined.file(email=BUCKY, report="ndr-5.1.8")
    case = joined.only_case(ticket, CaseState.CHECKLIST_OPEN)
    assert (case.status.sign_in.state, case.status.sign_in.reason) == (SignIn.DISABLED, None)
    items = {item.asked_when for item in joined.front.view(case, ALEX).items}
    assert "sign_in_reason_unreadable" in {str(when) for when in items}


def test_identity_system_that_is_away_closes_unblock_and_hides_no_block(joined: Any) -> None:
    joined.tenant_faults.is_down = True
    ticket = joined.file(email=BUCKY, report="ndr-5.1.8")
    case = joined.only_case(ticket)
    assert [each.address for each in case.status.blocked] == ["bbadger@example.edu", "bbadger@cs.example.edu"]
    assert case.status.sign_in.state is SignIn.UNKNOWN
    assert "campus" in case.status.failure


def test_list_that_cannot_be_read_is_unknown_until_it_can_be(joined: Any) -> None:
    joined.microsoft.app.extensions["faults"].plan("InvokeCommand", Response(b"\0", 403), times=99)
    ticket = joined.file(email=BUCKY, report="ndr-5.1.8")
    joined.pass_time(minutes=16)
    assert joined.ticket(ticket)["fields"]["Sending Status"] == "Unknown"
    assert "lacks the role for Get-BlockedSenderAddress" in joined.notes(ticket)[-1]
    joined.microsoft.app.extensions["faults"].clear()
    joined.pass_time(minutes=6)
    joined.only_case(ticket, CaseState.CHECKLIST_OPEN)


def test_throttled_unblock_was_not_asked_and_is_asked_later(joined: Any) -> None:
    ticket, case = ready(joined, "thora.ttle@example.edu")
    joined.unblock(case)
    joined.pass_time(minutes=10)
    joined.only_case(ticket, CaseState.UNBLOCKED)
    assert [each.result.value for each in joined.microsoft.world.asked] == ["throttled", "done"]


def test_unblock_that_erred_on_their_side_is_never_sent_again_by_itself(joined: Any) -> None:
    ticket, case = ready(joined, "ernie.ring@example.edu")
    joined.unblock(case)
    joined.pass_time(minutes=70)
    joined.only_case(ticket, CaseState.OUTCOME_UNKNOWN)
    joined.pass_time(hours=5)
    assert asked(joined) == ["erring@example.edu"]


@pytest.mark.parametrize(
    ("email", "words"),
    [("ravi.view@example.edu", "held for review"), ("liam.tupper@example.edu", "Microsoft Support")],
)
def test_refusal_is_shown_to_agents_and_nothing_is_asked_again(joined: Any, email: str, words: str) -> None:
    ticket, case = ready(joined, email)
    joined.unblock(case)
    joined.pass_time(minutes=5)
    joined.only_case(ticket, CaseState.REFUSED)
    assert words in joined.notes(ticket)[-1]
    joined.pass_time(hours=2)
    assert len(asked(joined)) == 1


def test_nothing_that_is_kept_shown_or_logged_holds_a_token_a_key_or_a_trace(
    joined: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for noisy in ("urllib3", "werkzeug", "msal"):  # as in the real program
        logging.getLogger(noisy).setLevel(logging.WARNING)
    tickets = []
    for email in (BUCKY, "ernie.ring@example.edu", "ravi.view@example.edu", "thora.ttle@example.edu"):
        ticket, case = ready(joined, email)
        joined.unblock(case)
        tickets.append(ticket)
    joined.microsoft.application.revoke_tokens()
    joined.microsoft.application.certificates.clear()
    joined.pass_time(minutes=70)
    pages = [str(joined.ticket(ticket)) for ticket in tickets]
    pages.append(str([joined.front.view(case, ALEX) for ticket in tickets for case in joined.cases(ticket)]))
    kept = [file.read_bytes().decode("latin-1") for file in (tmp_path / "world-0").rglob("*.sqlite*")]
    key = (tmp_path / "microsoft" / "application.pem").read_text().splitlines()[3]
    assert len(joined.microsoft.application.issued) >= 2
    assert len(kept) >= 2
    everything = "\n".join([*pages, *kept, caplog.text])
    assert "AADSTS700027" in everything  # the sign-in failed at last, so the next lines mean something
    for secret in (*joined.microsoft.application.issued, key, *TRACES):
        assert secret not in everything, f"{secret[:20]!r} is there"


def test_demo_plays_the_main_job_through_microsoft_365(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Stage(tmp_path, (0, 0, 0, 0), settles_after=1, follow_up_after="3s") as stage:
        main_job(Storyteller(stage), AgentAtDesk(stage.desk_url, stage.people["alex"].key))
        assert {account.netid for account in stage.blocked_accounts()} >= {"mmass", "limitup"}
        assert "bbadger" not in {account.netid for account in stage.blocked_accounts()}
        assert requests.get(stage.new_admin_link(), timeout=5).ok
        issued = stage.microsoft.application.issued if stage.microsoft else []
    told = capsys.readouterr().out + stage.log.read_text("utf-8")
    assert "“Closed”" in told
    assert len(issued) >= 2
    for secret in (*issued, *TRACES):
        assert secret not in told


# ── items that check themselves ──────────────────────────────────────────────────────────────────────────────────


def word(world: Any, case: Any, item: str, agent: Any = ALEX, **form: str) -> Any:
    view = world.front.view(world.case(case.id), agent)
    mark = rules.mark_of(view.looks[item])
    answered = world.front.answer(
        world.case(case.id), item, {**form, rules.MARK: mark}, agent, seen=view.seen.get(item, "")
    )
    world.run()
    return world.case(answered.id)


def test_account_is_looked_at_as_soon_as_the_checklist_opens(joined: Any) -> None:
    case = joined.only_case(joined.file(email=BUCKY, report="ndr-5.1.8"), CaseState.CHECKLIST_OPEN)
    view = joined.front.view(case, ALEX)
    assert view.looks["password-changed"].verdict is Verdict.VERIFIED
    assert view.looks["mfa-methods"].items == ("password", "phone: +1 6085550143")
    assert {item for item, answer in view.answers.items() if answer.agent == PROGRAM} == {
        "password-changed", "sessions-signed-out", "forwarding", "inbox-rules", "sign-in-enabled",
    }  # fmt: skip
    told = [entry for entry in view.journal if entry.what.startswith("Checked ")]
    assert {entry.actor for entry in told} == {PROGRAM}
    assert len(told) == 7
    forwarding = "Checked “No forwarding that the customer did not set up”: verified. The mailbox forwards nothing."
    assert forwarding in [entry.what for entry in told]


def test_attacker_who_came_back_before_the_press_keeps_the_account_blocked(joined: Any) -> None:
    ticket, case = ready(joined, BUCKY)
    assert case.state is CaseState.READY
    joined.microsoft.world.user(BUCKY).rules.append({"Name": "x", "ForwardTo": ["out@elsewhere.example"]})
    case = joined.unblock(case)
    assert (case.state, asked(joined)) == (CaseState.CHECKLIST_OPEN, [])
    assert "“Inbox rules checked, hidden ones too” is not so. An inbox rule sends mail on" in case.reason
    joined.microsoft.world.secure("bbadger")
    assert joined.front.look(case, ALEX, "inbox-rules").state is CaseState.READY
    joined.unblock(case)
    joined.pass_time(minutes=10)
    joined.only_case(ticket, CaseState.UNBLOCKED)


def test_look_that_fails_at_the_press_asks_for_a_persons_word(joined: Any) -> None:
    _, case = ready(joined, BUCKY)
    joined.microsoft.app.extensions["faults"].plan("/authentication/methods", Response("{}", 403), times=2)
    case = joined.unblock(case)
    assert (case.state, asked(joined)) == (CaseState.CHECKLIST_OPEN, [])
    view = joined.front.view(case, ALEX)
    assert view.looks["mfa-methods"].verdict is Verdict.NOT_LOOKED
    assert "UserAuthenticationMethod.Read.All" in view.looks["mfa-methods"].finding
    joined.microsoft.app.extensions["faults"].plan("/authentication/methods", Response("{}", 403), times=9)
    assert word(joined, case, "mfa-methods", reason="Gone through on the phone").state is CaseState.READY
    joined.unblock(case)
    assert asked(joined) == ["bbadger@example.edu", "bbadger@cs.example.edu"]


def test_supervisors_override_holds_at_the_press_for_what_they_saw(joined: Any) -> None:
    joined.microsoft.world.user(BUCKY).forwards_to = "his.own@mailbox.example"
    ticket = joined.file(email=BUCKY, report="ndr-5.1.8")
    case = joined.answer_all(joined.only_case(ticket))
    assert case.state is CaseState.CHECKLIST_OPEN
    with pytest.raises(NotAllowed, match="only a supervisor"):
        word(joined, case, "forwarding", reason="His own mailbox")
    case = word(joined, case, "forwarding", SVEN, reason="His own mailbox")
    assert case.state is CaseState.READY
    joined.unblock(case)
    assert asked(joined) == ["bbadger@example.edu", "bbadger@cs.example.edu"]
    said = [entry for entry in joined.store.journal(case.id) if "His own mailbox" in entry.what]
    assert [entry.actor for entry in said] == ["Sven Supervisor (sven)"]


def test_earlier_checklist_that_is_relied_on_does_not_outweigh_a_new_finding(joined: Any) -> None:
    ready(joined, BUCKY)
    joined.pass_time(minutes=5)
    joined.microsoft.world.user(BUCKY).forwards_to = "out@elsewhere.example"
    second = joined.only_case(joined.file(email=BUCKY, report="ndr-5.1.8"))
    earlier = joined.front.view(second, ALEX).earlier
    case = joined.front.rely_on(second, earlier.case.id, ALEX)
    assert case.state is CaseState.CHECKLIST_OPEN
    assert "is not so. The mailbox forwards" in " ".join(joined.front.view(case, ALEX).gate.reasons)
    joined.microsoft.world.secure("bbadger")
    assert joined.front.look(case, ALEX).state is CaseState.READY


# ── connectors ───────────────────────────────────────────────────────────────────────────────────────────────────

CONNECTOR_NDR = "Our scanner's mail comes back: 550 5.7.711 Access denied, bad inbound connector. AS(2204)."


def test_blocked_connector_is_named_where_the_bounce_says_it_is_one(joined: Any) -> None:
    case = joined.only_case(joined.file(email=BUCKY, text=CONNECTOR_NDR), CaseState.TENANT_BLOCKED)
    assert case.reason.startswith("Microsoft has blocked a connector of the organisation, not an account.")
    assert "From the old mail relay / 6c5f9f0a" in case.reason
    assert "From the old mail relay" in joined.notes(case.ticket)[-1]


def test_connectors_that_cannot_be_read_are_said_so(joined: Any) -> None:
    joined.microsoft.application.cmdlets = frozenset({"Get-BlockedSenderAddress"})
    case = joined.only_case(joined.file(email=BUCKY, text=CONNECTOR_NDR), CaseState.TENANT_BLOCKED)
    assert "Which one could not be read: microsoft" in case.reason
