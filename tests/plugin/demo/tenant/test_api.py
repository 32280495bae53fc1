"""The account admin API: whom it knows, what unblocking does and when it shows."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from plugin.demo.tenant import create_app

PRIMARY, ALIAS = "bucky.badger@example.edu", "bbadger@cs.example.edu"


def listed(account):
    return [entry["address"] for entry in account["office365"]["blocked_addresses"]]


@pytest.mark.parametrize("name", ["bbadger", "BBADGER", "Bucky.Badger@Example.EDU", "bbadger@cs.example.edu"])
def test_an_account_is_found_by_netid_and_by_each_address_in_any_case(read, name):
    assert read(name)["netid"] == "bbadger"


def test_an_account_tells_microsofts_block_and_securitys_switch_apart(read):
    account = read("hrhold")
    assert account["office365"]["sending_status"] == "Blocked"
    assert account["sign_in"]["state"] == "disabled"
    assert account["sign_in"]["reason"] == "HR Request"


def test_moments_of_the_world_lie_before_the_start_as_the_world_says(read):
    entry = read("bbadger")["office365"]["blocked_addresses"][0]
    assert entry["blocked_at"] == "2026-03-02T05:50:00Z"
    assert entry["reason"].startswith("OutboundSpamLast24Hours=412;")


def test_a_block_without_a_moment_says_none(read):
    (entry,) = read("nodate")["office365"]["blocked_addresses"]
    assert "blocked_at" not in entry


def test_an_unknown_account_is_a_404_problem(app):
    answer = app.test_client().get("/v1/accounts/nobody", headers={"Authorization": "Bearer bearer-of-the-api"})
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"
    assert answer.get_json(force=True)["type"] == "urn:account-admin:no-such-account"


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}])
def test_without_the_token_nothing_is_told_or_done(app, tenant, header):
    client = app.test_client()
    assert client.get("/v1/accounts/bbadger", headers=header).status_code == 401
    body = {"address": PRIMARY, "requested_by": "Ada", "ticket": "desk:1"}
    answer = client.post("/v1/accounts/bbadger/office365/unblock", json=body, headers=header)
    assert answer.status_code == 401
    assert answer.get_json(force=True)["type"] == "urn:account-admin:unauthorized"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert tenant.asked == []


def test_an_unblocked_address_stays_listed_until_it_has_settled(read, unblock, clock):
    answer = unblock("bbadger", PRIMARY)
    assert (answer.status_code, answer.get_json()) == (202, {"address": PRIMARY, "result": "requested"})
    clock.move(seconds=19)
    assert listed(read("bbadger")) == [PRIMARY, ALIAS]
    clock.move(seconds=1)
    assert listed(read("bbadger")) == [ALIAS]


def test_the_account_is_not_blocked_once_every_address_is_released(read, unblock, clock):
    unblock("bbadger", PRIMARY)
    clock.move(seconds=20)
    assert read("bbadger")["office365"]["sending_status"] == "Blocked"
    unblock("bbadger", ALIAS)
    clock.move(seconds=20)
    assert read("bbadger")["office365"] == {"sending_status": "Not Blocked", "blocked_addresses": []}


def test_asking_again_does_not_make_the_release_later(read, unblock, clock):
    unblock("bbadger", PRIMARY)
    clock.move(seconds=15)
    unblock("bbadger", PRIMARY)
    clock.move(seconds=5)
    assert listed(read("bbadger")) == [ALIAS]


@pytest.mark.parametrize("address", ["bbadger@example.edu", "BUCKY.BADGER@example.edu", "x@elsewhere.example"])
def test_an_address_that_is_not_listed_exactly_so_was_not_blocked(read, unblock, address):
    answer = unblock("bbadger", address)
    assert (answer.status_code, answer.get_json()) == (200, {"address": address, "result": "not_blocked"})
    assert listed(read("bbadger")) == [PRIMARY, ALIAS]


def test_used_up_unblocks_are_refused_and_the_address_stays(read, unblock, clock):
    answer = unblock("limitup", "liam.tupper@example.edu")
    assert answer.status_code == 409
    assert answer.get_json(force=True)["type"] == "urn:account-admin:unblock-limit"
    clock.move(days=1)
    assert listed(read("limitup")) == ["liam.tupper@example.edu"]


def test_every_unblock_counts_towards_the_limit(unblock, tenant, clock):
    for _ in range(5):
        assert unblock("bbadger", PRIMARY).status_code == 202
        clock.move(minutes=1)
        tenant.block("bbadger", PRIMARY)
    assert unblock("bbadger", PRIMARY).status_code == 409


def test_the_same_key_asks_once_and_gets_the_same_answer(unblock, tenant, clock):
    first = unblock("bbadger", PRIMARY, key="k1")
    clock.move(minutes=5)
    second = unblock("bbadger", PRIMARY, key="k1")
    assert (first.status_code, first.get_json()) == (second.status_code, second.get_json())
    assert len(tenant.asked) == 1


def test_a_refusal_is_repeated_for_its_key_too(unblock, tenant):
    answers = [unblock("limitup", "liam.tupper@example.edu", key="k1") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [409, 409]
    assert len(tenant.asked) == 1


def test_the_same_key_for_something_else_is_refused_but_not_as_the_limit(unblock, tenant):
    unblock("bbadger", PRIMARY, key="k1")
    answer = unblock("bbadger", ALIAS, key="k1")
    assert answer.status_code == 409
    assert answer.get_json(force=True)["type"] == "urn:account-admin:idempotency-key-reused"
    assert [asked.address for asked in tenant.asked] == [PRIMARY]


def test_the_same_key_at_the_same_time_asks_once(clock):
    def slow_clock():
        Event().wait(0.005)  # lets the other requests in while this one is at work
        return clock.now

    app = create_app("t", clock=slow_clock, settle_seconds=20, page_key="k")
    body = {"address": PRIMARY, "requested_by": "Ada", "ticket": "desk:1001"}
    headers = {"Authorization": "Bearer t", "Idempotency-Key": "k1"}

    def ask(_):
        return app.test_client().post("/v1/accounts/bbadger/office365/unblock", json=body, headers=headers).status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [202] * 8
    assert len(app.extensions["tenant"].asked) == 1


def test_different_keys_ask_again(unblock, tenant):
    unblock("bbadger", PRIMARY, key="k1")
    unblock("bbadger", PRIMARY, key="k2")
    assert len(tenant.asked) == 2


def test_what_was_asked_is_kept_with_who_and_for_which_ticket(unblock, tenant, clock):
    unblock("bbadger@cs.example.edu", ALIAS, ticket="desk:1007")
    (asked,) = tenant.asked
    assert (asked.netid, asked.address, asked.requested_by, asked.ticket) == ("bbadger", ALIAS, "Ada", "desk:1007")
    assert asked.at == clock.now


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"address": "a", "requested_by": "b", "ticket": "\\ud800"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"{}", "application/json", 422),
        (b'{"address": "a", "requested_by": "b", "ticket": "c", "more": 1}', "application/json", 422),
        (b"address=a", "application/x-www-form-urlencoded", 415),
    ],
)
def test_a_malformed_unblock_is_refused_and_nothing_asked(app, tenant, body, content_type, status):
    headers = {"Authorization": "Bearer bearer-of-the-api", "Content-Type": content_type}
    answer = app.test_client().post("/v1/accounts/bbadger/office365/unblock", data=body, headers=headers)
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert tenant.asked == []


def test_accounts_can_be_made_to_contradict_themselves(clock):
    accounts = {
        "odd": {
            "display_name": "Odd",
            "addresses": ["odd@example.edu"],
            "sending_status": "Not Blocked",
            "blocked": [{"address": "odd@example.edu"}],
        }
    }
    app = create_app("t", clock=clock, settle_seconds=1, page_key="k", accounts=accounts)
    office = app.test_client().get("/v1/accounts/odd", headers={"Authorization": "Bearer t"}).get_json()["office365"]
    assert office["sending_status"] == "Not Blocked"
    assert office["blocked_addresses"] == [{"address": "odd@example.edu", "reason": ""}]


def test_an_address_can_be_listed_again_with_a_newer_moment(read, tenant, clock):
    clock.move(hours=3)
    tenant.block("fine", "fiona.inell@example.edu", reason="OutboundSpamLast24Hours=9")
    (entry,) = read("fine")["office365"]["blocked_addresses"]
    assert entry["blocked_at"] == "2026-03-02T12:00:00Z"
    assert read("fine")["office365"]["sending_status"] == "Blocked"
