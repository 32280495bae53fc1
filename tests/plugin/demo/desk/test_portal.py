"""What customers do and see."""

from io import BytesIO

import pytest

FORM = {"name": "Bucky", "email": "bucky.badger@example.edu", "subject": "My mail bounces", "text": "550 5.1.8"}


@pytest.fixture
def own_view(app):
    """File a ticket; the address of the customer's own view."""
    return app.test_client().post("/portal/tickets", data=FORM).headers["Location"]


def test_a_filed_ticket_leads_to_the_customers_own_view(app, own_view):
    page = app.test_client().get(own_view).text
    assert "My mail bounces" in page
    assert "550 5.1.8" in page


@pytest.mark.parametrize("key", ["", "?key=", "?key=wrong"])
def test_without_its_key_a_ticket_is_not_there(app, own_view, key):
    place = own_view.split("?")[0]
    assert app.test_client().get(f"{place}{key}").status_code == 404
    assert app.test_client().post(f"{place}/replies{key}", data={"text": "x"}).status_code == 404


def test_customers_see_public_messages_and_never_what_is_internal(app, desk, api, own_view):
    desk.reply("1001", desk.ticket("1001").requester, "still bounces", "public")
    notes = [("n1", "internal", "<p>found malware rules</p>"), ("n2", "public", "<p>You can send again</p>")]
    for key, visibility, html in notes:
        body = {"key": key, "visibility": visibility, "body_html": html, "subject": f"subject of {key}"}
        api("POST", "/tickets/1001/notes", json=body)
    api("PATCH", "/tickets/1001/fields", json={"Case State": "Checklist open"})
    api("PATCH", "/tickets/1001/tags", json={"add": ["m365-blocked"]})
    page = app.test_client().get(own_view).text
    assert "still bounces" in page
    assert "You can send again" in page
    for secret in ("malware", "subject of n1", "Checklist open", "m365-blocked"):
        assert secret not in page


def test_a_customers_reply_with_a_file_joins_the_conversation(app, desk, own_view):
    place, key = own_view.split("?key=")
    form = {"key": key, "text": "here it is", "attachments": [(BytesIO(b"x"), "bounce.eml", "message/rfc822")]}
    assert app.test_client().post(f"{place}/replies", data=form).status_code == 303
    message = desk.ticket("1001").messages[-1]
    assert (message.text, message.author.email, message.files[0].filename) == (
        "here it is",
        FORM["email"],
        "bounce.eml",
    )


def test_a_public_note_is_mailed_to_the_requester_and_an_internal_one_is_not(desk, own_view, api):
    api("POST", "/tickets/1001/notes", json={"key": "1", "visibility": "internal", "body_html": "inside"})
    assert desk.outbox == []
    note = {"key": "2", "visibility": "public", "body_html": "<p>outside</p>", "subject": "Your mail"}
    api("POST", "/tickets/1001/notes", json=note)
    api("POST", "/tickets/1001/notes", json=note)
    (mail,) = desk.outbox
    assert (mail.to, mail.subject, mail.body) == ("bucky.badger@example.edu", "Your mail", "<p>outside</p>")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"email": "nobody"}, "This is not a mail address."),
        ({"subject": " "}, "Please fill this in."),
        ({"text": "x" * 100_001}, "At most 100000 characters."),
    ],
)
def test_a_form_that_is_not_right_is_shown_again_with_what_to_mend(app, desk, wrong, words):
    answer = app.test_client().post("/portal/tickets", data=FORM | wrong)
    assert answer.status_code == 422
    assert words in answer.text
    assert 'value="Bucky"' in answer.text
    assert desk.tickets() == []


def test_a_subject_is_one_line(app, desk):
    app.test_client().post("/portal/tickets", data=FORM | {"subject": "one\r\nBcc: two\x00"})
    assert desk.ticket("1001").subject == "one Bcc: two"


def test_what_customers_write_is_text_and_never_markup(app, own_view, desk, signed_in):
    desk.reply("1001", desk.ticket("1001").requester, "<img src=x onerror=alert(1)>", "public")
    for page in (app.test_client().get(own_view).text, signed_in("ada").get("/tickets/1001").text):
        assert "<img" not in page
        assert "&lt;img" in page
