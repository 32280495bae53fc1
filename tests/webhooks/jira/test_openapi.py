"""What the program sends to Jira, held to the vendor's own OpenAPI document, as far as that is at hand."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from jsonschema import Draft202012Validator

from tests.conftest import ndr
from tests.stand_ins.office import Office

EXCERPT = Path(__file__).parents[2] / "fixtures" / "jira" / "platform-openapi-excerpt.json"
DOCUMENT: dict[str, Any] = json.loads(EXCERPT.read_text("utf-8"))


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def fits(path: str, described: str) -> bool:
    return re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", described), path) is not None


def faults(operation: dict[str, Any], query: str, body: Any) -> list[str]:
    """What is wrong with a request, in words."""
    known = {it["name"]: it["schema"] for it in operation.get("parameters", ()) if it["in"] == "query"}
    found = []
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            found.append(f"there is no parameter {name}")
            continue
        value = int(text) if known[name]["type"] == "integer" and text.isdigit() else text
        found += [error.message for error in Draft202012Validator(known[name]).iter_errors(value)]
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        validator = Draft202012Validator({**schema, "components": DOCUMENT["components"]})
        found += [error.message for error in validator.iter_errors(body)]
    return found


def test_every_request_is_as_the_document_has_it(office: Office) -> None:
    site = office.site
    site.install(office.config)
    site.file("bbadger@example.edu", "my mail bounces back", "Help.", ndr("ndr-5.1.8", "bbadger@example.edu"))
    office.run()
    office.scan()
    list(office.source.check())
    seen: set[str] = set()
    for method, address, body in site.jira.calls:
        parts = urlsplit(address)
        for described, path, operation in operations():
            if method == described and fits(parts.path, path):
                seen.add(operation["operationId"])
                assert faults(operation, parts.query, body) == [], (method, address, body)
    assert seen == {operation["operationId"] for _, _, operation in operations()}


@pytest.mark.parametrize(
    ("operation", "query", "body"),
    [
        ("searchAndReconsileIssuesUsingJqlPost", "", {"jql": "project = SUP", "startAt": 0}),
        ("editIssue", "", {"update": {"labels": [{"append": "m365-blocked"}]}}),
        ("editIssue", "notify=false", {}),
        ("getComments", "orderBy=newest", None),
        ("createCustomField", "", {"name": "Case State"}),
    ],
)
def test_request_that_is_not_as_the_document_has_it_is_noticed(operation: str, query: str, body: Any) -> None:
    [described] = [it for _, _, it in operations() if it["operationId"] == operation]
    assert faults(described, query, body)
