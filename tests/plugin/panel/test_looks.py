"""Items that check themselves, in the panel: what was found, what may be said to it, and what Unblock makes of it."""

from datetime import timedelta

from plugin import rules
from plugin.model import AccountCheck, BlockedAddress, Case, CaseState, JournalEntry, Verdict
from tests.plugin.panel.conftest import NOW, Office, Panel, a_status

FORWARDS = (Verdict.NOT_SO, "The mailbox forwards what it gets.", "ForwardingSmtpAddress: <b>drop@mailbox.example")
METHODS = (Verdict.LISTED, "2 sign-in methods.", "phone: +1 608", "code app")
UNSEEN = (Verdict.NOT_LOOKED, "microsoft: reading the inbox rules: throttled")


def opened(office: Office, finds: dict[AccountCheck, tuple[Verdict, str, *tuple[str, ...]]]) -> Case:
    office.tenant.finds = finds
    return office.case()


def checked(office: Office, panel: Panel, case: Case, item: str = "") -> str:
    office.clock.pass_time(minutes=1)
    answer = panel.act(case, "looks", *([item] if item else []))
    assert answer.status_code == 200, answer.text
    return answer.text


def mark(office: Office, case: Case, check: AccountCheck) -> str:
    return rules.mark_of(office.work.looks(office.now_of(case))[check])


def complete_the_rest(office: Office, panel: Panel, case: Case) -> None:
    for item, form in office.items():
        if item.check is None:
            assert panel.act(case, "answers", item.id, **form).status_code == 200


def journal(office: Office, case: Case) -> list[JournalEntry]:
    return [entry for entry in office.work.store.journal(case.id) if entry.what.startswith("Checked ")]


def test_tenant_that_cannot_look_leaves_every_item_to_people(office: Office) -> None:
    case = opened(office, {})
    office.tenant.finds = None
    panel = office.open()
    assert "Check now" not in panel.look().text
    assert panel.act(case, "looks", "forwarding").status_code == 409
    office.complete(panel, case)
    assert office.now_of(case).state is CaseState.READY


def test_nothing_is_said_of_an_item_before_it_was_looked_at(office: Office) -> None:
    case = opened(office, {})
    panel = office.open()
    shown = panel.look().text
    assert office.text_of(shown).count("Not checked yet.") == 7
    refused = panel.act(case, "answers", "forwarding", done="yes")
    assert refused.status_code == 409
    assert "have it checked first" in office.text_of(refused.text)


def test_what_is_verified_needs_no_tick_and_a_person_does_the_rest(office: Office) -> None:
    case = opened(office, {})
    panel = office.open()
    shown = office.text_of(checked(office, panel, case))
    assert "Verified. All well." in shown
    assert office.now_of(case).state is CaseState.CHECKLIST_OPEN
    complete_the_rest(office, panel, case)
    assert office.now_of(case).state is CaseState.READY
    assert panel.act(case, "unblock").status_code == 200


def test_finding_keeps_unblock_closed_until_it_is_put_right_and_looked_at_again(office: Office) -> None:
    case = opened(office, {AccountCheck.NO_FORWARDING: FORWARDS})
    panel = office.open()
    shown = checked(office, panel, case)
    assert "Not so. The mailbox forwards what it gets." in office.text_of(shown)
    assert "&lt;b&gt;drop@mailbox.example" in shown  # a stranger's words, as words
    complete_the_rest(office, panel, case)
    assert "“No forwarding that the customer did not set up” is not so." in office.text_of(panel.look().text)
    assert panel.act(case, "unblock").status_code == 409
    assert panel.act(case, "answers", "forwarding", done="yes", reason="Please").status_code == 409
    office.tenant.finds = {}
    assert "Verified" in office.text_of(checked(office, panel, case, "forwarding"))
    assert office.now_of(case).state is CaseState.READY


def test_supervisor_overrides_a_finding_by_name_with_a_reason(office: Office) -> None:
    case = opened(office, {AccountCheck.NO_FORWARDING: FORWARDS})
    agent, supervisor = office.open(), office.open("supervisor")
    checked(office, agent, case)
    complete_the_rest(office, agent, case)
    assert "Override, in my name" not in agent.look().text
    assert "Override, in my name" in supervisor.look().text
    shown = mark(office, case, AccountCheck.NO_FORWARDING)
    answer = supervisor.act(case, "answers", "forwarding", reason="His own second mailbox", **{"-look": shown})
    assert answer.status_code == 200, answer.text
    assert "Overridden by" in office.text_of(agent.look().text)
    assert office.now_of(case).state is CaseState.READY
    assert any("His own second mailbox" in entry.what for entry in office.work.store.journal(case.id))
    office.tenant.finds = {AccountCheck.NO_FORWARDING: (*FORWARDS, "ForwardingAddress: another")}
    checked(office, agent, case, "forwarding")  # another finding than the one that was overridden
    assert office.now_of(case).state is CaseState.CHECKLIST_OPEN


def test_list_is_gone_through_by_a_person_and_anew_once_it_is_another(office: Office) -> None:
    case = opened(office, {AccountCheck.MFA_METHODS: METHODS})
    panel = office.open()
    assert "phone: +1 608" in checked(office, panel, case)
    complete_the_rest(office, panel, case)
    assert office.now_of(case).state is CaseState.CHECKLIST_OPEN
    seen = mark(office, case, AccountCheck.MFA_METHODS)
    assert panel.act(case, "answers", "mfa-methods", done="yes", **{"-look": seen}).status_code == 200
    assert office.now_of(case).state is CaseState.READY
    office.tenant.finds = {AccountCheck.MFA_METHODS: (*METHODS, "phone: +44 20")}
    checked(office, panel, case, "mfa-methods")
    assert office.now_of(case).state is CaseState.CHECKLIST_OPEN
    late = panel.act(case, "answers", "mfa-methods", done="yes", **{"-look": seen})
    assert late.status_code == 409
    assert "looked at again meanwhile" in late.text


def test_failed_look_is_no_verdict_and_an_agents_word_with_a_reason_stands_in(office: Office) -> None:
    case = opened(office, {AccountCheck.NO_SUSPICIOUS_RULES: UNSEEN})
    panel = office.open()
    shown = office.text_of(checked(office, panel, case))
    assert "Could not check. microsoft: reading the inbox rules: throttled" in shown
    complete_the_rest(office, panel, case)
    assert office.now_of(case).state is CaseState.CHECKLIST_OPEN
    seen = mark(office, case, AccountCheck.NO_SUSPICIOUS_RULES)
    answer = panel.act(case, "answers", "inbox-rules", reason="Seen in Outlook", **{"-look": seen})
    assert answer.status_code == 200
    assert "Seen in Outlook" in answer.text
    assert office.now_of(case).state is CaseState.READY


def test_another_block_makes_every_look_stale(office: Office) -> None:
    case = opened(office, {})
    panel = office.open()
    checked(office, panel, case)
    office.clock.pass_time(minutes=5)
    again = BlockedAddress(address="new@example.edu", blocked_at=office.clock() - timedelta(minutes=1))
    listed = a_status(office.clock).blocked
    status = a_status(office.clock, blocked=(*listed, again))
    office.tenant.accounts[status.netid] = status
    panel.act(case, "refresh")
    assert "Verified." not in office.text_of(panel.look().text)
    checked(office, panel, case)
    assert office.tenant.looked_since[-1] == again.blocked_at


def test_viewer_has_nothing_checked(office: Office) -> None:
    case = opened(office, {})
    viewer = office.open("viewer")
    assert viewer.act(case, "looks").status_code == 409
    assert office.tenant.looked_since == []


def test_looking_ends_in_time_where_the_tenant_is_slow(office: Office) -> None:
    case = opened(office, {})
    panel = office.open()
    office.tenant.look_takes = 15
    shown = office.text_of(checked(office, panel, case))
    assert len(office.tenant.looked_since) == 2
    assert shown.count("Could not check. campus answers too slowly. Check this one by itself.") == 5


def test_journal_says_who_had_it_checked_and_what_was_found(office: Office) -> None:
    case = opened(office, {AccountCheck.NO_FORWARDING: FORWARDS})
    checked(office, office.open(), case, "forwarding")
    (entry,) = journal(office, case)
    assert entry.actor.startswith("Ada")
    assert "not so. The mailbox forwards what it gets. | ForwardingSmtpAddress" in entry.what
    assert entry.at > NOW
