"""The compromise checklist: what is asked, what counts as answered, and which files are refused."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.checklist import (
    FOLDER,
    AskedWhen,
    Checklist,
    Field,
    Item,
    Kind,
    Lead,
    Road,
    asked,
    default_path,
    is_complete,
    leads,
    load,
    missing,
    read_answer,
)
from plugin.errors import NotAllowed, SettingsError
from plugin.manifest import manifest
from plugin.model import SignIn, SignInState

ENABLED = SignInState(state=SignIn.ENABLED)
DISABLED = SignInState(state=SignIn.DISABLED, reason="Compromised Account")
UNREADABLE = SignInState(state=SignIn.DISABLED)
UNKNOWN = SignInState(state=SignIn.UNKNOWN)
SIGN_INS = (ENABLED, DISABLED, UNREADABLE, UNKNOWN)

DEFAULT = load(default_path())


def answered(item: Item) -> dict[str, Any]:
    """An answer that leads nowhere."""
    if item.kind is Kind.DONE:
        return {"done": True}
    if item.kind is Kind.YES_NO:
        return {"yes": "yes" not in item.leads_to}
    return {line.id: "by phone" for line in item.fields}


ALL = {item.id: answered(item) for item in DEFAULT.items}


def by_id(item_id: str) -> Item:
    return next(item for item in DEFAULT.items if item.id == item_id)


# ── the built-in checklist ───────────────────────────────────────────────────────────────────────────────────────


def test_built_in_checklist_has_the_steps_in_the_order_of_the_procedure() -> None:
    assert DEFAULT.id == "compromise"
    assert [item.id for item in DEFAULT.items] == [
        "caller-verified",
        "sign-in-reason",
        "security-confirmed",
        "security-reference",
        "password-changed",
        "sessions-signed-out",
        "mfa-methods",
        "recovery",
        "forwarding",
        "inbox-rules",
        "delegates",
        "app-consents",
        "devices-scanned",
        "sent-items",
        "phishing-talk",
        "sign-in-enabled",
        "bulk-sender",
    ]


def test_every_step_tells_the_agent_where_to_look() -> None:
    assert [item.id for item in DEFAULT.items if not item.help] == []


@pytest.mark.parametrize(
    ("sign_in", "extra"),
    [
        (ENABLED, set()),
        (UNKNOWN, set()),
        (DISABLED, {"sign-in-reason"}),
        (UNREADABLE, {"sign-in-reason", "security-confirmed", "security-reference"}),
    ],
)
def test_questions_about_the_sign_in_come_only_where_it_is_disabled(sign_in: SignInState, extra: set[str]) -> None:
    always = {item.id for item in DEFAULT.items if item.asked_when is AskedWhen.ALWAYS}
    assert {item.id for item in asked(DEFAULT, sign_in=sign_in)} == always | extra


@pytest.mark.parametrize("sign_in", SIGN_INS)
def test_fully_answered_checklist_is_complete(sign_in: SignInState) -> None:
    assert is_complete(DEFAULT, ALL, sign_in=sign_in)


@pytest.mark.parametrize("sign_in", SIGN_INS)
def test_unanswered_checklist_misses_every_required_step(sign_in: SignInState) -> None:
    required = [item for item in asked(DEFAULT, sign_in=sign_in) if item.required]
    assert list(missing(DEFAULT, {}, sign_in=sign_in)) == required
    assert not is_complete(DEFAULT, {}, sign_in=sign_in)


def test_step_for_a_disabled_sign_in_is_not_demanded_of_an_enabled_one() -> None:
    answers = {key: value for key, value in ALL.items() if key not in ("sign-in-reason", "sign-in-enabled")}
    assert is_complete(DEFAULT, answers, sign_in=ENABLED)
    assert [item.id for item in missing(DEFAULT, answers, sign_in=DISABLED)] == ["sign-in-reason"]


@pytest.mark.parametrize(
    ("item", "value", "road"),
    [
        ("security-confirmed", False, Road.REFER_TO_SECURITY),
        ("bulk-sender", True, Road.BULK_SENDER),
        ("devices-scanned", False, Road.NOT_YET),
    ],
)
def test_answer_that_leads_elsewhere_keeps_unblock_closed(item: str, value: bool, road: Road) -> None:
    answers = ALL | {item: {"yes": value}}
    lead = leads(DEFAULT, answers, sign_in=UNREADABLE)
    assert lead is not None
    assert lead.road is road
    assert not is_complete(DEFAULT, answers, sign_in=UNREADABLE)


def test_security_goes_before_bulk_mail_and_bulk_mail_before_waiting() -> None:
    answers = ALL | {"devices-scanned": {"yes": False}, "bulk-sender": {"yes": True}}
    assert leads(DEFAULT, answers, sign_in=UNREADABLE) == by_id("bulk-sender").leads_to["yes"]
    answers |= {"security-confirmed": {"yes": False}}
    assert leads(DEFAULT, answers, sign_in=UNREADABLE) == by_id("security-confirmed").leads_to["no"]


def test_answer_to_a_question_no_longer_asked_leads_nowhere() -> None:
    assert leads(DEFAULT, ALL | {"security-confirmed": {"yes": False}}, sign_in=ENABLED) is None


# ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────

NONSENSE = st.one_of(
    st.none(),
    st.text(),
    st.booleans(),
    st.just({}),
    st.fixed_dictionaries({"done": st.one_of(st.just(False), st.none(), st.text())}),
    st.fixed_dictionaries({"yes": st.one_of(st.none(), st.text(), st.integers())}),
    st.fixed_dictionaries({"how": st.sampled_from(["", "  ", "phone"])}),
)


@given(sign_in=st.sampled_from(SIGN_INS), data=st.data())
def test_never_complete_without_a_required_step(sign_in: SignInState, data: st.DataObject) -> None:
    required = [item.id for item in asked(DEFAULT, sign_in=sign_in) if item.required]
    left_out = data.draw(st.sets(st.sampled_from(required), min_size=1))
    answers: dict[str, Any] = {key: value for key, value in ALL.items() if key not in left_out}
    answers |= {item: data.draw(NONSENSE) for item in data.draw(st.sets(st.sampled_from(sorted(left_out))))}
    assert not is_complete(DEFAULT, answers, sign_in=sign_in)
    assert {item.id for item in missing(DEFAULT, answers, sign_in=sign_in)} == left_out


@given(
    answers=st.dictionaries(
        st.sampled_from([item.id for item in DEFAULT.items]),
        st.one_of(NONSENSE, st.just({"done": True}), st.builds(lambda yes: {"yes": yes}, st.booleans())),
    ),
    sign_in=st.sampled_from(SIGN_INS),
)
def test_complete_means_nothing_missing_and_no_road_elsewhere(answers: dict[str, Any], sign_in: SignInState) -> None:
    nothing_missing = not missing(DEFAULT, answers, sign_in=sign_in)
    no_road = leads(DEFAULT, answers, sign_in=sign_in) is None
    assert is_complete(DEFAULT, answers, sign_in=sign_in) == (nothing_missing and no_road)


@given(item=st.sampled_from(DEFAULT.items), text=st.text(max_size=40))
def test_whatever_is_typed_is_stored_or_refused_with_the_name_of_the_step(item: Item, text: str) -> None:
    form = {"done": text, "yes": text} | {line.id: text for line in item.fields}
    said = ""
    try:
        value = read_answer(item, form)
    except NotAllowed as error:
        value, said = None, str(error)
    if value is None:
        assert item.text in said or not text.strip() or item.kind is Kind.DONE
    else:
        checklist = Checklist(id="one", version="1", title="One", items=(item,))
        assert missing(checklist, {item.id: json.loads(json.dumps(value))}, sign_in=UNREADABLE) == ()


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────

TICK = Item(id="tick", text="Password changed", kind=Kind.DONE, required=True)
QUESTION = Item(id="question", text="Many recipients?", kind=Kind.YES_NO, required=True)
LINES = Item(
    id="lines",
    text="Caller verified",
    kind=Kind.TEXT,
    required=True,
    fields=(Field(id="how", label="How", required=True), Field(id="note", label="Note", required=False)),
)


@pytest.mark.parametrize(
    ("item", "form", "value"),
    [
        (TICK, {"done": "yes"}, {"done": True}),
        (TICK, {"done": "on"}, {"done": True}),
        (TICK, {"done": "no"}, None),
        (TICK, {"done": ""}, None),
        (TICK, {}, None),
        (QUESTION, {"yes": "yes"}, {"yes": True}),
        (QUESTION, {"yes": " No "}, {"yes": False}),
        (QUESTION, {"yes": ""}, None),
        (LINES, {"how": " called back "}, {"how": "called back"}),
        (LINES, {"how": "called back", "note": "ext. 7", "csrf": "x"}, {"how": "called back", "note": "ext. 7"}),
        (LINES, {"how": "", "note": " "}, None),
        (LINES, {"how": "ä" * 1000}, {"how": "ä" * 1000}),
    ],
)
def test_form_becomes_the_stored_value(item: Item, form: dict[str, str], value: dict[str, Any] | None) -> None:
    assert read_answer(item, form) == value


@pytest.mark.parametrize(
    ("item", "form", "words"),
    [
        (TICK, {"done": "perhaps"}, "“Password changed”: answer yes or no"),
        (QUESTION, {"yes": "maybe"}, "“Many recipients?”: answer yes or no"),
        (LINES, {"note": "only the optional one"}, "“Caller verified”: fill in “How”"),
        (LINES, {"how": "x" * 1001}, "“How” is longer than 1000 characters"),
        (LINES, {"how": "called\nback"}, "“How” holds a line break or an invisible control character"),
        (LINES, {"how": "a\x00b"}, "invisible control character"),
        (LINES, {"how": "a\u202eb"}, "invisible control character"),
        (LINES, {"how": "a\ud800b"}, "invisible control character"),
    ],
)
def test_unusable_answer_is_refused_in_words_for_the_agent(item: Item, form: dict[str, str], words: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        read_answer(item, form)
    assert words in str(refused.value)
    assert item.text in str(refused.value)


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────


def smallest() -> dict[str, Any]:
    return {
        "id": "own",
        "version": "1",
        "title": "Our own",
        "items": [
            {"id": "password", "text": "Password changed", "kind": "done", "required": True},
            {
                "id": "called",
                "text": "Called back",
                "kind": "text",
                "required": False,
                "fields": [{"id": "how", "label": "How", "required": True}],
            },
            {"id": "bulk", "text": "Bulk?", "kind": "yes-no", "required": False},
        ],
    }


def written(folder: Path, document: Any) -> Path:
    path = folder / "own.json"
    path.write_text(json.dumps(document), "utf-8")
    return path


def test_site_can_bring_a_checklist_of_its_own(tmp_path: Path) -> None:
    document = smallest()
    document["items"][2]["leads_to"] = {"yes": {"road": "bulk_sender", "because": "Use the list."}}
    own = load(written(tmp_path, document))
    assert own.items[0] == Item(id="password", text="Password changed", kind=Kind.DONE, required=True)
    assert own.items[1].fields == (Field(id="how", label="How", required=True),)
    assert own.items[2].leads_to == {"yes": Lead(road=Road.BULK_SENDER, because="Use the list.")}


def change(place: str, value: Any) -> Callable[[dict[str, Any]], None]:
    *way, last = [int(part) if part.isdigit() else part for part in place.split("/")]

    def changed(document: Any) -> None:
        for part in way:
            document = document[part]
        document[last] = value

    return changed


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (change("items/0/kind", "tick"), "/items/0/kind: 'tick' is not one of"),
        (change("items/1/fields", []), "/items/1/fields"),
        (change("items/1/fields/0/required", "yes"), "/items/1/fields/0/required: 'yes' is not of type 'boolean'"),
        (change("items/0/fields", [{"id": "a", "label": "A", "required": True}]), "Only text items have fields"),
        (change("items/1/kind", "done"), "/items/1: "),
        (change("items/0/leads_to", {"yes": {"road": "not_yet", "because": "x"}}), "Only yes-no items lead anywhere"),
        (change("items/2/leads_to", {"yes": {"road": "home", "because": "x"}}), "/items/2/leads_to/yes/road: 'home'"),
        (change("items/2/leads_to", {"maybe": {"road": "not_yet", "because": "x"}}), "expected: yes, no"),
        (change("items/0/id", "Pass Word"), "/items/0/id: 'Pass Word' does not match"),
        (change("items/2/id", "password"), "/items/2/id: 'password' is the id of /items/0 already"),
        (change("items/0/link", "sign_in_tol"), "/items/0/link: 'sign_in_tol' is not one of"),
        (change("items/0/txet", "x"), "/items/0: Additional properties are not allowed ('txet' was unexpected)"),
        (change("items/0/asked_when", "never"), "/items/0/asked_when: 'never' is not one of"),
        (change("items/0/asked_when", "sign_in_disabled"), "/items: expected at least one item that is required"),
        (change("items/0/required", False), "/items: expected at least one item that is required"),
        (change("items", []), "/items: "),
        (change("version", 3), "/version: 3 is not of type 'string'"),
    ],
)
def test_wrong_checklist_is_refused_with_file_and_pointer(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], None], words: str
) -> None:
    document = smallest()
    spoil(document)
    path = written(tmp_path, document)
    with pytest.raises(SettingsError) as refused:
        load(path)
    assert words in str(refused.value)
    assert str(path) in str(refused.value)


def test_field_that_comes_twice_is_refused(tmp_path: Path) -> None:
    document = smallest()
    document["items"][1]["fields"] *= 2
    with pytest.raises(SettingsError, match="/items/1/fields/1/id: 'how' is the id of /items/1/fields/0 already"):
        load(written(tmp_path, document))


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b'["a"]', b"null"])
def test_file_that_is_no_checklist_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "own.json"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"own\.json"):
        load(path)


def test_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.json"):
        load(tmp_path / "absent.json")


# ── the schema ───────────────────────────────────────────────────────────────────────────────────────────────────

SCHEMA = json.loads((FOLDER / "checklist.schema.json").read_text("utf-8"))


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for inner in schema.values():
            yield from objects(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from objects(inner)


def test_schema_describes_every_property_and_allows_no_other() -> None:
    found = list(objects(SCHEMA))
    assert len(found) >= 5
    for described in found:
        assert described["additionalProperties"] is False
        assert [name for name, inner in described["properties"].items() if not inner.get("description")] == []


def test_schema_names_the_links_that_the_settings_know() -> None:
    links = SCHEMA["$defs"]["item"]["properties"]["link"]["enum"]
    assert links == list(manifest()["settings"]["properties"]["links"]["properties"])


def test_schema_names_the_kinds_conditions_and_roads_that_the_program_knows() -> None:
    item = SCHEMA["$defs"]["item"]["properties"]
    assert item["kind"]["enum"] == list(Kind)
    assert item["asked_when"]["enum"] == list(AskedWhen)
    assert set(SCHEMA["$defs"]["lead"]["properties"]["road"]["enum"]) == set(Road)
