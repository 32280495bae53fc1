"""What people type and attach in the desk's forms, checked and made harmless to pass on."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from flask import Request

from plugin.demo.desk.records import File
from plugin.demo.desk.tickets import Desk

LONGEST = {"name": 100, "email": 254, "subject": 200, "text": 100_000}
_MAIL_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_CONTENT_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")


def wrong_with(form: Mapping[str, str], *names: str) -> dict[str, str]:
    """What is wrong with each of these form fields, in words for whoever fills them in."""
    wrong = {}
    for name in names:
        value = form.get(name, "").strip()
        if not value:
            wrong[name] = "Please fill this in."
        elif len(value) > LONGEST[name]:
            wrong[name] = f"At most {LONGEST[name]} characters."
        elif name == "email" and not _MAIL_ADDRESS.fullmatch(value):
            wrong[name] = "This is not a mail address."
    return wrong


def one_line(text: str) -> str:
    """A name or subject without line breaks and other control characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def take_files(desk: Desk, asked: Request) -> list[File]:
    """The uploads of a form; a type that is no proper one becomes application/octet-stream."""
    return [
        desk.keep_file(_filename(upload.filename), _content_type(upload.mimetype), upload.read())
        for upload in asked.files.getlist("attachments")
        if upload.filename
    ]


def _filename(given: str) -> str:
    return one_line(PurePosixPath(given).name)[:150] or "attachment"


def _content_type(given: str) -> str:
    kind = given.lower()
    return kind if _CONTENT_TYPE.fullmatch(kind) else "application/octet-stream"
