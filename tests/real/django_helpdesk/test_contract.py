"""The app in a real django-helpdesk keeps to docs/desk.openapi.yaml, whatever proper request it is sent."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, given, settings
from schemathesis.config import SchemathesisConfig

pytestmark = pytest.mark.real

DOCUMENT = Path(__file__).parents[3] / "docs" / "desk.openapi.yaml"
HTTP_STATUSES = ("400", "401", "404", "405", "409", "422")
"""What HTTP has for requests that the document leaves alone; 409: a reply that cannot go to the requester alone."""

draw = settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


def test_desk_api_keeps_to_its_contract(site: Any) -> None:
    plugins = tomllib.loads(site.plugin.config.read_text("utf-8"))["sources"]["helpdesk"]
    contract = yaml.safe_load(DOCUMENT.read_text("utf-8"))
    ticket = site.helpdesk.submit("ada@elsewhere.example", "contract", text="It is on fire.")
    contract["components"]["parameters"]["id"]["schema"] = {"enum": [ticket]}
    for path in contract["paths"].values():
        for operation in path.values():
            for status in HTTP_STATUSES:
                operation["responses"].setdefault(status, {"description": "as HTTP has it"})
    config = {
        "base-url": plugins["api_url"],
        "auth": {"openapi": {"bearer": {"bearer": plugins["api_token"]}}},
        "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400", "422"]}},
    }
    schema = schemathesis.openapi.from_dict(contract, config=SchemathesisConfig.from_dict(config))
    held = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @draw
        def holds(case: Any) -> None:
            case.call_and_validate()

        holds()
        held.append(operation.label)
    assert len(held) == 6
