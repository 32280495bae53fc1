"""Whatever is sent, the quick half of a validator allows nothing that the thorough half would refuse, and no less."""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.errors import DeliveryRefused
from webhooks import ticket_event
from webhooks.jira import deliveries as jira
from webhooks.payloads import Validator, build_validator, check
from webhooks.zammad import deliveries as zammad
from webhooks.zendesk import deliveries as zendesk

VALIDATORS = [
    value
    for module in (ticket_event, jira, zammad, zendesk)
    for value in vars(module).values()
    if isinstance(value, Validator)
]
MOMENTS = ["2026-11-24T14:00:00Z", "2026-11-24 14:00+01:00", "2026-11-24T14:00:00", "2026-13-01T00:00:00Z", "soon", ""]
WORDS = ["", "1", "x", "x" * 300, "a\n", "ticket.created", "ticket.created\n", "comment_created", *MOMENTS]
NUMBERS = [0, 1, -1, 1.0, 1.5, 10**20]
LEAVES = st.sampled_from([None, True, False, *NUMBERS, *WORDS, [], {}, [None], ["x"], [1, 1], {"id": 1}])
MOMENT = build_validator({"type": ["string", "null"], "format": "date-time"})


def near(schema: Any) -> st.SearchStrategy[Any]:
    """Values that are nearly, and often, what a schema asks for."""
    if not isinstance(schema, Mapping):
        return LEAVES
    named = [near(part) for part in schema.get("properties", {}).values()]
    objects = st.fixed_dictionaries({}, optional=dict(zip(schema.get("properties", {}), named, strict=True)))
    items = st.lists(near(schema["items"]), max_size=3) if "items" in schema else LEAVES
    given_words = st.sampled_from([schema.get("const"), *schema.get("enum", ())])
    others = [near(part) for part in itertools.chain(*(schema.get(word, ()) for word in ("anyOf", "oneOf", "allOf")))]
    return st.one_of(objects, objects, items, given_words, LEAVES, *others)


def test_every_system_that_checks_payloads_is_here() -> None:
    assert len(VALIDATORS) == 5


@pytest.mark.parametrize("validator", [*VALIDATORS, MOMENT])
@given(data=st.data())
def test_quick_and_thorough_agree(validator: Validator, data: st.DataObject) -> None:
    payload = data.draw(near(validator.explain.schema))
    if validator.explain.is_valid(payload):
        check(validator, payload)
    else:
        with pytest.raises(DeliveryRefused):
            check(validator, payload)


def test_what_only_the_quick_half_refuses_is_taken() -> None:
    """It knows the form of an address, which says nothing here: formats but date-time are words for people."""
    check(build_validator({"properties": {"url": {"type": "string", "format": "uri"}}}), {"url": "no address"})
