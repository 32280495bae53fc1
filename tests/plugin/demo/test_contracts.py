"""Both stand-ins keep to their OpenAPI documents, whatever they are sent: right, wrong and strange, with ids of every
kind and with ids that exist."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import schemathesis
import yaml
from flask import Flask
from schemathesis.config import SchemathesisConfig

from plugin.demo import desk, tenant
from plugin.demo.desk.records import Person

TOKEN = "bearer-of-the-api"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

# What HTTP has for requests that the contracts leave alone: malformed, without the token, for nothing that is there.
HTTP_STATUSES = ("400", "401", "404", "415", "422")


def a_desk() -> Flask:
    config = desk.DeskConfig(
        base_url="http://localhost",
        api_token=TOKEN,
        webhook_url="http://127.0.0.1:9/webhooks/desk",
        webhook_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        source="desk",
        panel_url="http://127.0.0.1:8800",
        panel_secret="p" * 32,
        people=(),
        clock=lambda: NOW,
    )
    app = desk.create_app(config)
    app.extensions["desk"].open_ticket(Person(email="a@example.edu", name="A"), "My mail bounces", "5.1.8")
    return app


def a_tenant() -> Flask:
    return tenant.create_app(TOKEN, clock=lambda: NOW, settle_seconds=20, page_key="page")


def taken_with(*statuses: str) -> dict[str, Any]:
    """Answers to a request that the document allows."""
    return {"positive_data_acceptance": {"expected-statuses": list(statuses)}}


def held(side: Flask, document: Path, base_url: str, *, id_there: str | None) -> Any:
    """The document as it is, HTTP's own statuses allowed, aimed at a stand-in."""
    contract = yaml.safe_load(document.read_text("utf-8"))
    for path in contract["paths"].values():
        for operation in path.values():
            for status in HTTP_STATUSES:
                operation["responses"].setdefault(status, {"description": "as HTTP has it"})
    config = {
        "base-url": base_url,
        "auth": {"openapi": {"bearer": {"bearer": TOKEN}}},
        "generation": {"max-examples": 100, "deterministic": True},
        "checks": taken_with("2xx", "404", "409"),
        "operations": [
            {"include-name": "GET /tickets", "checks": taken_with("2xx", "400")},  # a cursor that nobody gave out
            {"include-name": "PATCH /tickets/{id}/fields", "checks": taken_with("2xx", "404", "422")},  # no such field
        ],
        "parameters": {"id": id_there} if id_there else {},
    }
    schema = schemathesis.openapi.from_dict(contract, config=SchemathesisConfig.from_dict(config))
    schema.app = side
    return schema


DESK = Path(desk.__file__).with_name("openapi.yaml")
TENANT = Path(tenant.__file__).with_name("openapi.yaml")

desk_with_any_id = held(a_desk(), DESK, "http://localhost/api", id_there=None)
desk_with_a_ticket = held(a_desk(), DESK, "http://localhost/api", id_there="1001")
tenant_with_any_id = held(a_tenant(), TENANT, "http://localhost", id_there=None)
tenant_with_an_account = held(a_tenant(), TENANT, "http://localhost", id_there="bbadger")


@desk_with_any_id.parametrize()
def test_the_desk_keeps_to_its_contract_for_any_ticket_id(case):
    case.call_and_validate()


@desk_with_a_ticket.parametrize()
def test_the_desk_keeps_to_its_contract_for_a_ticket_that_is_there(case):
    case.call_and_validate()


@tenant_with_any_id.parametrize()
def test_the_tenant_keeps_to_its_contract_for_any_account(case):
    case.call_and_validate()


@tenant_with_an_account.parametrize()
def test_the_tenant_keeps_to_its_contract_for_an_account_that_is_there(case):
    case.call_and_validate()
