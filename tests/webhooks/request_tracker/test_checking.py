"""What `m365-unblock check` says of an RT; the set-up that is all right was recorded from a real one."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import requests
import responses

from plugin.ports import Check, TicketSystem

API = "https://rt.example.edu/REST/2.0"

Answer = Callable[..., Any]
Recorded = Callable[[str], Any]
Connected = Callable[..., TicketSystem]


@pytest.fixture
def checked(connected: Connected, answer: Answer) -> Callable[..., list[Check]]:
    """The checks that are not ok, by what RT says and by our settings."""

    def checked(found: object, **settings: object) -> list[Check]:
        answer("GET", "/m365-unblock", found)
        return [check for check in connected(**settings).check() if not check.ok]

    return checked


def changed(found: Any, at: str, value: object) -> Any:
    """The set-up with one thing in it changed; a place such as ``queues/0/found``."""
    found = deepcopy(found)
    *steps, last = at.split("/")
    inner = found
    for step in steps:
        inner = inner[int(step)] if isinstance(inner, list) else inner[step]
    inner[int(last) if isinstance(inner, list) else last] = value
    return found


def test_real_rt_with_everything_in_place_passes(rt: TicketSystem, answer: Answer, recorded: Recorded) -> None:
    answer("GET", "/m365-unblock", recorded("set-up"))
    checks = list(rt.check())
    assert len(checks) > 30
    assert [check for check in checks if not check.ok] == []
    assert {check.remedy for check in checks} == {""}


SCRIP = {"id": 20, "stage": "TransactionBatch", "disabled": False, "applies": "global"}


@pytest.mark.parametrize(
    ("at", "value", "what", "remedy"),
    [
        ("user", "root", "the token is that of the service user m365-unblock", "the token belongs to root"),
        ("service_user", "other", "RT leaves out what m365-unblock does", "User => 'other'"),
        ("source", "desk", "RT calls itself rt", "Source => 'desk': make it 'rt'"),
        ("webhook_url", "https://u.example/webhooks/desk", "RT sends events to https://u", "ends in /webhooks/rt"),
        ("webhook_url", "", "RT sends events to (nowhere)", "needs a URL"),
        ("url", "", "RT shows the panel from (nowhere)", "set URL in RT's"),
        (
            "fingerprints/webhook",
            "0" * 12,
            "RT signs with a secret from webhook_secrets",
            "RT signs with another secret",
        ),
        ("fingerprints/launch", "", "RT signs with a secret from launch_secrets", "RT signs with another secret"),
        ("fields/Case State/count", 0, "the field “Case State” is there, once", "etc/initialdata"),
        ("fields/Case State/count", 2, "the field “Case State” is there, once", "RT has 2 of that name"),
        ("fields/Case State/type", "Select", "the field “Case State” takes any text", "“Enter one value”"),
        ("fields/Case State/max_values", 0, "the field “Case State” takes any text", "“Enter one value”"),
        ("fields/M365 Tags/max_values", 1, "the field “M365 Tags” takes several values", "“Enter multiple values”"),
        ("fields/Case State/staff_only", False, "the field “Case State” is seen by staff only", "others may see it"),
        ("note_key/count", 0, "the transaction field “M365 Note Key” is there, once", "etc/initialdata"),
        (
            "note_key/staff_only",
            False,
            "the transaction field “M365 Note Key” is seen by staff only",
            "take that right",
        ),
        ("groups/M365 Unblock Agents/count", 0, "the group “M365 Unblock Agents” is there", "etc/initialdata"),
        ("groups/M365 Unblock Agents/members", 0, "somebody may unblock", "nobody may unblock yet"),
        ("condition", 0, "the scrip condition of ours is there, once", "etc/initialdata"),
        ("action", 2, "the scrip action of ours is there, once", "RT has 2 of them"),
        ("scrips", [], "our scrip is enabled, once", "enable our scrip"),
        ("scrips", [SCRIP, {**SCRIP, "id": 21}], "our scrip is enabled, once", "every event is sent twice"),
        ("scrips", [{**SCRIP, "disabled": True}], "our scrip is enabled, once", "enable our scrip"),
        ("scrips", [{**SCRIP, "stage": "TransactionCreate"}], "scrip 20 runs after the ticket is saved", "to Batch"),
        ("scrips", [{**SCRIP, "applies": ["Support"]}], "scrip 20 applies to our queues", "apply it to Ada's desk too"),
        ("transaction_batch", False, "RT runs scrips of the stage Batch", "$UseTransactionBatch"),
        ("queues", [], "RT sends events of at least one queue", "SeeQueue"),
        ("queues/0/found", False, "queue Support is there", "correct Queues"),
        ("queues/0/rights/ShowTicket", False, "m365-unblock may do its work in queue Support", "grant it ShowTicket"),
        ("queues/0/rights", {}, "m365-unblock may do its work in queue Support", "grant it"),
        ("queues/0/fields/Case State", False, "our fields apply to queue Support", "apply Case State to the queue"),
        ("queues/0/note_key", False, "our fields apply to queue Support", "apply M365 Note Key to the queue"),
    ],
)
def test_one_thing_amiss_is_the_one_thing_told(
    at: str, value: object, what: str, remedy: str, checked: Callable[..., list[Check]], recorded: Recorded
) -> None:
    [amiss] = checked(changed(recorded("set-up"), at, value))
    assert amiss.what.startswith(what)
    assert remedy in amiss.remedy


def test_why_others_see_a_field_is_passed_on(checked: Callable[..., list[Check]], recorded: Recorded) -> None:
    found = changed(recorded("set-up"), "fields/Case State/staff_only", False)
    [amiss] = checked(changed(found, "fields/Case State/why", "seen by Everyone (right SeeCustomField)"))
    assert amiss.remedy.startswith("seen by Everyone (right SeeCustomField): ")


@pytest.mark.parametrize(
    ("ours", "what", "remedy"),
    [
        (
            {"panel_origins": []},
            "pages of https://rt.example.edu may show",
            'put "https://rt.example.edu" into [sources',
        ),
        ({"launch_secrets": []}, "RT signs with a secret from launch_secrets", "[sources.rt] launch_secrets"),
        ({"queues": ["Support", "Email"]}, "RT sends events of queue Email", "add it to Queues"),
    ],
)
def test_our_own_settings_are_checked_too(
    ours: dict[str, object],
    what: str,
    remedy: str,
    checked: Callable[..., list[Check]],
    recorded: Recorded,
) -> None:
    amiss = checked(recorded("set-up"), **ours)[0]
    assert amiss.what.startswith(what)
    assert remedy in amiss.remedy


def test_extension_that_leaves_things_out_lacks_them(checked: Callable[..., list[Check]]) -> None:
    amiss = {check.what for check in checked({"version": "0.1.0", "rt": "5.0.3"})}
    assert {"somebody may unblock", "our scrip is enabled, once", "RT sends events of at least one queue"} <= amiss


@pytest.mark.parametrize(
    ("status", "body", "what", "remedy"),
    [
        (401, {}, "RT knows the token", "RT does not know the token"),
        (403, {}, "the token is that of RT's service user m365-unblock", "make a token for that user"),
        (404, {}, "the extension is installed in RT", "m365-unblock install request_tracker"),
        (500, {}, "RT tells of its set-up", "RT's own log says why"),
        (302, None, "RT answers at https://rt.example.edu", "sign-in"),
        (200, {"nothing": "of ours"}, "RT answers at https://rt.example.edu", "not our extension's"),
        (200, [], "RT answers at https://rt.example.edu", "not our extension's"),
    ],
)
def test_look_that_fails_is_a_check_that_is_not_ok(
    status: int, body: object, what: str, remedy: str, rt: TicketSystem, answer: Answer
) -> None:
    answer("GET", "/m365-unblock", body, status=status)
    *before, last = rt.check()
    assert all(check.ok for check in before)
    assert (last.what, last.ok) == (what, False)
    assert remedy in last.remedy


def test_login_page_is_no_rt(rt: TicketSystem, desk: responses.RequestsMock) -> None:
    desk.add("GET", f"{API}/m365-unblock", body="<html>", content_type="text/html")
    [check] = rt.check()
    assert not check.ok
    assert "url does not lead to RT" in check.remedy


def test_rt_that_is_down_is_one_check(rt: TicketSystem, desk: responses.RequestsMock) -> None:
    desk.add("GET", f"{API}/m365-unblock", body=requests.exceptions.ConnectTimeout())
    [check] = rt.check()
    assert (check.what, check.ok) == ("RT answers at https://rt.example.edu", False)
    assert "could not connect" in check.remedy
