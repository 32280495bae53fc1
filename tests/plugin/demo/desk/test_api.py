"""The Desk API over a ticket: reading, notes by key, tags, fields, changed tickets, attachments."""

from io import BytesIO

import pytest


def test_a_ticket_is_read_with_its_messages_and_who_asked(api, ticket):
    read = api("GET", f"/tickets/{ticket}").get_json()
    assert read["subject"] == "My mail bounces"
    assert read["requester"] == {"email": "bucky.badger@example.edu", "name": "Bucky", "is_agent": False}
    assert read["url"] == f"http://localhost:8700/tickets/{ticket}"
    (message,) = read["messages"]
    assert (message["text"], message["content_type"], message["visibility"]) == ("550 5.1.8", "text/plain", "public")
    assert message["created_at"] == "2026-03-02T09:00:00Z"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/tickets?updated_since=2026-01-01T00:00:00Z"),
        ("GET", "/tickets/1001"),
        ("GET", "/tickets/1001/notes"),
        ("POST", "/tickets/1001/notes"),
        ("PATCH", "/tickets/1001/tags"),
        ("PATCH", "/tickets/1001/fields"),
        ("GET", "/attachments/x"),
    ],
)
@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "bearer-of-the-api"}])
def test_without_the_token_nothing_is_told_or_done(app, ticket, desk, method, path, header):
    before = desk.ticket(ticket)
    answer = app.test_client().open(f"/api{path}", method=method, headers=header, json={})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert desk.ticket(ticket) == before


def test_an_agents_session_is_no_way_into_the_api(signed_in, ticket):
    assert signed_in("sue").get(f"/api/tickets/{ticket}").status_code == 401


def test_the_same_key_twice_is_one_note(note, api, ticket):
    first = note("status-1", body_html="<p>first</p>")
    second = note("status-1", body_html="<p>second</p>", visibility="public")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.get_json() == second.get_json()
    assert len(api("GET", f"/tickets/{ticket}").get_json()["messages"]) == 2


def test_the_same_key_on_another_ticket_is_another_note(note, api, desk, ticket):
    note("status-1")
    other = desk.open_ticket(desk.ticket(ticket).requester, "Another", "text").id
    body = {"key": "status-1", "visibility": "internal", "body_html": "x"}
    assert api("POST", f"/tickets/{other}/notes", json=body).status_code == 201


def test_notes_are_found_by_key(note, api, ticket):
    note("status-1")
    note("result-1")
    found = api("GET", f"/tickets/{ticket}/notes", query_string={"key": "result-1"}).get_json()
    assert [each["key"] for each in found] == ["result-1"]
    assert api("GET", f"/tickets/{ticket}/notes", query_string={"key": "none"}).get_json() == []
    assert len(api("GET", f"/tickets/{ticket}/notes").get_json()) == 2


def test_a_note_is_written_by_the_service_user(note, api, ticket):
    note("status-1")
    author = api("GET", f"/tickets/{ticket}").get_json()["messages"][-1]["author"]
    assert author == {"email": "m365-unblock@example.edu", "name": "M365 Unblock", "is_agent": True}


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "k" * 201},
        {"visibility": "everyone"},
        {"visibility": None},
        {"body_html": 1},
        {"created_at": "2026-01-01T00:00:00Z"},
    ],
)
def test_a_note_that_is_not_as_the_contract_says_is_refused(api, desk, ticket, wrong):
    body = {"key": "k", "visibility": "internal", "body_html": "x"} | wrong
    assert api("POST", f"/tickets/{ticket}/notes", json=body).status_code == 422
    assert len(desk.ticket(ticket).messages) == 1


def test_tags_are_added_and_removed_without_fuss(api, desk, ticket):
    change = {"add": ["m365-blocked", "vip"], "remove": ["never-there"]}
    assert api("PATCH", f"/tickets/{ticket}/tags", json=change).status_code == 204
    assert api("PATCH", f"/tickets/{ticket}/tags", json={"add": ["vip"], "remove": ["m365-blocked"]}).status_code == 204
    assert desk.ticket(ticket).tags == ("vip",)


def test_fields_are_set_and_cleared(api, ticket):
    api("PATCH", f"/tickets/{ticket}/fields", json={"Sending Status": "Blocked", "Case State": "Ready"})
    api("PATCH", f"/tickets/{ticket}/fields", json={"Case State": None})
    fields = api("GET", f"/tickets/{ticket}").get_json()["fields"]
    assert (fields["Sending Status"], fields["Case State"]) == ("Blocked", None)


def test_a_field_the_desk_does_not_have_changes_nothing(api, desk, ticket):
    answer = api("PATCH", f"/tickets/{ticket}/fields", json={"Sending Status": "Blocked", "Mood": "bad"})
    assert answer.status_code == 422
    assert "Mood" in answer.get_json(force=True)["detail"]
    assert desk.ticket(ticket).fields["Sending Status"] is None


@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("GET", "/notes"), ("POST", "/notes"), ("PATCH", "/tags")])
def test_a_ticket_that_is_not_there_is_a_404_problem(api, method, rest):
    answer = api(method, f"/tickets/9{rest}", json={})
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


class TestChangedTickets:
    @pytest.fixture(autouse=True)
    def five_tickets(self, desk, clock, ticket):
        requester = desk.ticket(ticket).requester
        for _ in range(4):
            clock.move(minutes=1)
            desk.open_ticket(requester, "Another", "text")

    def pages(self, api, since):
        query = {"updated_since": since}
        while True:
            page = api("GET", "/tickets", query_string=query).get_json()
            yield [row["id"] for row in page["tickets"]]
            if "next_cursor" not in page:
                return
            query["cursor"] = page["next_cursor"]

    def test_come_in_pages_oldest_change_first(self, api, clock):
        clock.move(minutes=1)
        api("PATCH", "/tickets/1001/tags", json={"add": ["x"]})
        assert list(self.pages(api, "2026-01-01T00:00:00Z")) == [["1002", "1003", "1004"], ["1005", "1001"]]

    def test_are_those_at_or_after_the_moment(self, api):
        assert list(self.pages(api, "2026-03-02T10:03:00+01:00")) == [["1004", "1005"]]
        assert list(self.pages(api, "2026-03-02T09:04:00.000001Z")) == [[]]

    def test_of_one_moment_are_all_listed_over_the_pages(self, api, desk, ticket):
        for _ in range(5):
            desk.open_ticket(desk.ticket(ticket).requester, "At once", "text")
        listed = [row for page in self.pages(api, "2026-03-02T09:04:00Z") for row in page]
        assert listed == ["1005", "1006", "1007", "1008", "1009", "1010"]

    def test_are_not_skipped_when_one_changes_between_two_pages(self, api, clock):
        pages = self.pages(api, "2026-01-01T00:00:00Z")
        first = next(pages)
        clock.move(minutes=1)
        api("PATCH", "/tickets/1002/tags", json={"add": ["x"]})
        assert first + [row for page in pages for row in page] == ["1001", "1002", "1003", "1004", "1005", "1002"]

    def test_do_not_count_what_changed_nothing(self, api, clock):
        clock.move(minutes=1)
        api("PATCH", "/tickets/1001/tags", json={"remove": ["never-there"]})
        api("PATCH", "/tickets/1001/fields", json={"Case State": None})
        assert list(self.pages(api, "2026-03-02T09:05:00Z")) == [[]]

    @pytest.mark.parametrize("moment", ["", "yesterday", "2026-03-02", "2026-03-02T09:00:00", "2026-13-02T09:00:00Z"])
    def test_need_a_moment_with_an_offset(self, api, moment):
        assert api("GET", "/tickets", query_string={"updated_since": moment}).status_code == 400

    @pytest.mark.parametrize("cursor", ["", "1", "2026-99-02T09:00:00Z~1", "2026-03-02T09:00:00Z~" + "9" * 5000])
    def test_refuse_a_cursor_that_nobody_gave_out(self, api, cursor):
        query = {"updated_since": "2026-01-01T00:00:00Z", "cursor": cursor}
        assert api("GET", "/tickets", query_string=query).status_code == 400


class TestAttachments:
    @pytest.fixture
    def attached(self, app, api):
        def attach(filename, content_type, content=b"bytes"):
            form = {"name": "Bucky", "email": "b@example.edu", "subject": "s", "text": "t"}
            form["attachments"] = [(BytesIO(content), filename, content_type)]
            place = app.test_client().post("/portal/tickets", data=form).headers["Location"]
            return api("GET", "/tickets/" + place.split("/")[-1].split("?")[0]).get_json()["messages"][0]["attachments"]

        return attach

    def test_lie_on_the_desks_own_origin_behind_the_same_bearer(self, app, api, attached):
        (file,) = attached("bounce.eml", "message/rfc822", b"From: x")
        assert (file["filename"], file["content_type"], file["size"]) == ("bounce.eml", "message/rfc822", 7)
        path = file["url"].removeprefix("http://localhost:8700/api")
        answer = api("GET", path)
        assert answer.data == b"From: x"
        assert answer.content_type == "message/rfc822"
        assert app.test_client().get(f"/api{path}").status_code == 401

    def test_are_saved_and_never_shown(self, api, attached):
        (file,) = attached("page.html", "text/html", b"<script>alert(1)</script>")
        answer = api("GET", file["url"].removeprefix("http://localhost:8700/api"))
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert "sandbox" in answer.headers["Content-Security-Policy"]

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("message/rfc822", "message/rfc822"),
            ("Text/HTML; charset=utf-8", "text/html"),
            ("no-type", "application/octet-stream"),
            ("a/b/c", "application/octet-stream"),
        ],
    )
    def test_of_no_proper_type_are_bytes(self, attached, given, kept):
        (file,) = attached("x", given)
        assert file["content_type"] == kept

    @pytest.mark.parametrize(
        ("given", "kept"),
        [("../../etc/passwd", "passwd"), ("Grüße.eml", "Grüße.eml")],
    )
    def test_keep_only_the_last_part_of_their_name(self, api, attached, given, kept):
        (file,) = attached(given, "text/plain")
        assert file["filename"] == kept
        assert api("GET", file["url"].removeprefix("http://localhost:8700/api")).status_code == 200
