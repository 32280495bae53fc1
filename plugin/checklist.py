"""The compromise checklist: data that a site edits without code, and the pure questions asked of it.

A checklist is a JSON file held to ``checklists/checklist.schema.json``. Its id and version are kept with every answer,
so an answer to another version never counts.
"""

import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from flask_babel import gettext as _

from plugin.errors import NotAllowed, SettingsError
from plugin.model import AccountCheck, SignIn, SignInState

FOLDER = Path(__file__).parent / "checklists"
LONGEST_TEXT = 1000  # characters of one filled-in field
WORDS = {"yes": True, "true": True, "on": True, "no": False, "false": False}  # for a tick or a yes-no question


class Kind(StrEnum):
    """How an item is answered."""

    DONE = "done"
    YES_NO = "yes-no"
    TEXT = "text"


class AskedWhen(StrEnum):
    """On which accounts an item is asked."""

    ALWAYS = "always"
    SIGN_IN_DISABLED = "sign_in_disabled"
    SIGN_IN_REASON_UNREADABLE = "sign_in_reason_unreadable"


class Road(StrEnum):
    """Where an answer leads instead of to Unblock; the earlier one here wins."""

    REFER_TO_SECURITY = "refer_to_security"
    BULK_SENDER = "bulk_sender"
    NOT_YET = "not_yet"


@dataclass(frozen=True, kw_only=True, slots=True)
class Lead:
    """A road, and why, in words for the agent."""

    road: Road
    because: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One line of a text item."""

    id: str
    label: str
    required: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One step."""

    id: str
    text: str
    kind: Kind
    required: bool
    asked_when: AskedWhen = AskedWhen.ALWAYS
    check: AccountCheck | None = None  # what the program looks at by itself, where it can; done items only
    help: str = ""
    link: str = ""  # key into the settings' links
    fields: tuple[Field, ...] = ()  # text items only
    leads_to: Mapping[str, Lead] = field(default_factory=dict)  # by "yes" and "no"; yes-no items only


@dataclass(frozen=True, kw_only=True, slots=True)
class Checklist:
    """Steps under an id and a version."""

    id: str
    version: str
    title: str
    items: tuple[Item, ...]


# ── loading ──────────────────────────────────────────────────────────────────────────────────────────────────────


def default_path() -> Path:
    """The built-in checklist."""
    return FOLDER / "compromise.json"


def load(path: Path) -> Checklist:
    """Read and check a checklist; `SettingsError` names the file, the JSON pointer and what is expected there."""
    document = _read(path)
    faults = list(_faults(document))
    if faults:
        raise SettingsError("\n".join(f"checklist {path}: {fault}" for fault in faults[:5]))
    items = tuple(_item(item) for item in document["items"])
    return Checklist(id=document["id"], version=document["version"], title=document["title"], items=items)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"checklist {path}: cannot be read as JSON in UTF-8: {error}") from error


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((FOLDER / "checklist.schema.json").read_text("utf-8")))


def _faults(document: Any) -> Iterator[str]:
    """What is wrong; ids are looked at only once the shape is right."""
    errors = sorted(_validator().iter_errors(document), key=lambda error: [str(part) for part in error.absolute_path])
    yield from (_explain(error) for error in errors)
    if errors:
        return
    items = document["items"]
    yield from _twice(items, "/items")
    for position, item in enumerate(items):
        yield from _twice(item.get("fields", ()), f"/items/{position}/fields")
    if not any(map(_is_for_a_person, items)):
        yield (
            "/items: expected at least one item that is required, always asked and answered by a person (no check), "
            "or Unblock could be open with nobody having looked"
        )


def _is_for_a_person(item: Mapping[str, Any]) -> bool:
    return item["required"] and item.get("asked_when", "always") == "always" and "check" not in item


def _explain(error: jsonschema.ValidationError) -> str:
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in error.absolute_path)
    described = error.schema if isinstance(error.schema, dict) else {}
    expected = described.get("description", "")
    if error.validator == "additionalProperties":
        expected = ", ".join(described["properties"])
    return f"{pointer or 'the whole file'}: {error.message}" + (f"; expected: {expected}" if expected else "")


def _twice(things: Any, pointer: str) -> Iterator[str]:
    seen: dict[str, int] = {}
    for position, thing in enumerate(things):
        first = seen.setdefault(thing["id"], position)
        if first != position:
            yield f"{pointer}/{position}/id: {thing['id']!r} is the id of {pointer}/{first} already; expected another"


def _item(found: Mapping[str, Any]) -> Item:
    typed = {
        "kind": Kind(found["kind"]),
        "asked_when": AskedWhen(found.get("asked_when", "always")),
        "check": AccountCheck(found["check"]) if "check" in found else None,
        "fields": tuple(Field(**line) for line in found.get("fields", ())),
        "leads_to": {
            said: Lead(road=Road(lead["road"]), because=lead["because"])
            for said, lead in found.get("leads_to", {}).items()
        },
    }
    return Item(**{**found, **typed})


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────


def read_answer(item: Item, form: Mapping[str, str]) -> dict[str, Any] | None:
    """The value to store for what an agent filled in; None takes an answer back. Raises `NotAllowed`.

    The form names are those of the stored value: ``done`` (yes), ``yes`` (yes or no), or the ids of the fields.
    """
    if item.kind is Kind.TEXT:
        return _read_text(item, form)
    name = "done" if item.kind is Kind.DONE else "yes"
    said = form.get(name, "").strip().lower()
    if not said:
        return None
    if said not in WORDS:
        raise NotAllowed(_("“%(item)s”: answer yes or no.", item=item.text))
    return {name: WORDS[said]} if item.kind is Kind.YES_NO or WORDS[said] else None


def _read_text(item: Item, form: Mapping[str, str]) -> dict[str, Any] | None:
    filled = {line.id: text for line in item.fields if (text := form.get(line.id, "").strip())}
    if not filled:
        return None
    for line in item.fields:
        if line.required and line.id not in filled:
            raise NotAllowed(_("“%(item)s”: fill in “%(line)s”.", item=item.text, line=line.label))
        if len(filled.get(line.id, "")) > LONGEST_TEXT:
            raise NotAllowed(
                _(
                    "“%(item)s”: “%(line)s” is longer than %(most)s characters; shorten it.",
                    item=item.text,
                    line=line.label,
                    most=LONGEST_TEXT,
                )
            )
        if any(_is_control(character) for character in filled.get(line.id, "")):
            raise NotAllowed(
                _(
                    "“%(item)s”: “%(line)s” holds a line break or an invisible control character.",
                    item=item.text,
                    line=line.label,
                )
            )
    return filled


def _is_control(character: str) -> bool:
    """Controls, line breaks, lone surrogates, and marks that turn the reading direction of what follows."""
    turns = unicodedata.bidirectional(character) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return turns or unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}


def asked(checklist: Checklist, *, sign_in: SignInState) -> tuple[Item, ...]:
    """The items asked of an account whose sign-in is like this, in order."""
    is_disabled = sign_in.state is SignIn.DISABLED
    applies = {
        AskedWhen.ALWAYS: True,
        AskedWhen.SIGN_IN_DISABLED: is_disabled,
        AskedWhen.SIGN_IN_REASON_UNREADABLE: is_disabled and sign_in.reason is None,
    }
    return tuple(item for item in checklist.items if applies[item.asked_when])


def missing(checklist: Checklist, answers: Mapping[str, Any], *, sign_in: SignInState) -> tuple[Item, ...]:
    """Required items that are asked and not answered; `answers` are stored values by item id."""
    items = asked(checklist, sign_in=sign_in)
    return tuple(item for item in items if item.required and not _is_answered(item, answers.get(item.id)))


def _is_answered(item: Item, value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    if item.kind is Kind.DONE:
        return value.get("done") is True
    if item.kind is Kind.YES_NO:
        return isinstance(value.get("yes"), bool)
    filled = {line.id for line in item.fields if isinstance(value.get(line.id), str) and value[line.id].strip()}
    return bool(filled) and all(line.id in filled for line in item.fields if line.required)


def leads(checklist: Checklist, answers: Mapping[str, Any], *, sign_in: SignInState) -> Lead | None:
    """The road that an answer opens; of several the one that comes first in `Road`, then in the checklist."""
    opened = [_opened(item, answers.get(item.id)) for item in asked(checklist, sign_in=sign_in)]
    return min((lead for lead in opened if lead), key=lambda lead: list(Road).index(lead.road), default=None)


def _opened(item: Item, value: Any) -> Lead | None:
    if item.kind is not Kind.YES_NO or not _is_answered(item, value):
        return None
    return item.leads_to.get("yes" if value["yes"] else "no")


def is_complete(checklist: Checklist, answers: Mapping[str, Any], *, sign_in: SignInState) -> bool:
    """Whether nothing is missing and no answer leads elsewhere."""
    return not missing(checklist, answers, sign_in=sign_in) and leads(checklist, answers, sign_in=sign_in) is None
