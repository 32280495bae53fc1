"""What every ticket system promises, whichever it is. A new one brings data, no test code.

In tests/fixtures/webhooks/<id>/ lie source.json (name and settings of a source, the same while and after its secret is
replaced, the headers that carry its signature, whether a timestamp is signed too) and deliveries/*.json (received_at,
headers, body as text, and the events that are to come out of it).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plugin.errors import DeliveryRefused, NotAllowed, SettingsError
from plugin.manifest import manifest
from plugin.model import Delivery
from plugin.ports import TellsWholeTickets, TicketSystem
from webhooks.ticket_systems import connect, declared

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "webhooks"
DELIVERIES = sorted(FIXTURES.glob("*/deliveries/*.json"))

every_delivery = pytest.mark.parametrize("file", DELIVERIES, ids=lambda file: f"{file.parts[-3]}-{file.stem}")
every_system = pytest.mark.parametrize("system", sorted(declared()))


def source_of(system: str) -> dict[str, Any]:
    described: dict[str, Any] = json.loads((FIXTURES / system / "source.json").read_text("utf-8"))
    return described


def connected(system: str, settings: str = "settings") -> TicketSystem:
    described = source_of(system)
    return connect(described["name"], described[settings])


def read(file: Path) -> tuple[str, Delivery, Mapping[str, Any]]:
    system, recorded = file.parts[-3], json.loads(file.read_text("utf-8"))
    delivery = Delivery(
        source=source_of(system)["name"],
        headers=recorded["headers"],
        body=recorded["body"].encode(),
        received_at=datetime.fromisoformat(recorded["received_at"]),
    )
    return system, delivery, recorded


def is_refused(system: TicketSystem, delivery: Delivery, now: datetime | None = None) -> bool:
    try:
        system.verify(delivery, now or delivery.received_at)
    except DeliveryRefused as refusal:
        return refusal.status == 401
    return False


@every_system
def test_declared_system_has_an_adapter_and_recorded_deliveries(system: str) -> None:
    assert (ROOT / "webhooks" / system / "adapter.py").is_file()
    assert [file for file in DELIVERIES if file.parts[-3] == system]


def test_every_adapter_is_declared() -> None:
    assert {path.parent.name for path in (ROOT / "webhooks").glob("*/adapter.py")} == set(declared())


@every_system
def test_every_kind_of_event_that_is_acted_on_is_among_the_recorded_deliveries(system: str) -> None:
    recorded = [json.loads(file.read_text("utf-8")) for file in DELIVERIES if file.parts[-3] == system]
    assert {event["kind"] for delivery in recorded for event in delivery["events"]} == set(manifest()["events"])


@every_system
def test_source_knows_its_name_and_its_abilities(system: str) -> None:
    source = connected(system)
    assert source.name == source_of(system)["name"]
    assert source.abilities == declared()[system]


@every_delivery
def test_recorded_delivery_is_verified_and_gives_its_events(file: Path) -> None:
    system, delivery, recorded = read(file)
    source = connected(system)
    source.verify(delivery, delivery.received_at)
    parsed = source.parse(delivery)
    assert parsed.delivery_id == recorded["delivery_id"]
    assert [asdict(event) for event in parsed.events] == recorded["events"]


@every_delivery
def test_a_whole_ticket_in_a_delivery_is_that_of_its_event_and_has_nothing_attached(file: Path) -> None:
    system, delivery, recorded = read(file)
    source = connected(system)
    ticket = source.ticket_in(delivery.body) if isinstance(source, TellsWholeTickets) else None
    if ticket is not None:
        assert [(event["ticket"], event["kind"]) for event in recorded["events"]] == [(ticket.id, "ticket.created")]
        assert ticket.source == source.name
        assert [message.attachments for message in ticket.messages] == [()]


@every_delivery
def test_delivery_with_a_tampered_body_is_refused(file: Path) -> None:
    system, delivery, _ = read(file)
    for body in (delivery.body + b" ", delivery.body[:-1], delivery.body.replace(b"4711", b"4712", 1) + b"\n", b""):
        assert is_refused(connected(system), replace(delivery, body=body))


@every_delivery
def test_delivery_parsed_and_written_again_on_the_way_is_refused(file: Path) -> None:
    system, delivery, _ = read(file)
    again = json.dumps(json.loads(delivery.body), indent=1).encode()
    assert again != delivery.body
    assert is_refused(connected(system), replace(delivery, body=again))


@every_delivery
def test_delivery_without_its_signature_or_with_a_bad_one_is_refused(file: Path) -> None:
    system, delivery, _ = read(file)
    for header in source_of(system)["signature_headers"]:
        without = {name: value for name, value in delivery.headers.items() if name != header}
        good = delivery.headers[header]
        for headers in (without, without | {header: ""}, without | {header: good[:-2]}, without | {header: good + "x"}):
            assert is_refused(connected(system), replace(delivery, headers=headers))


@every_delivery
def test_stale_and_future_deliveries_are_refused_where_the_time_is_signed(file: Path) -> None:
    system, delivery, _ = read(file)
    timestamped = source_of(system)["timestamped"]
    for off in (timedelta(minutes=-6), timedelta(minutes=6)):
        assert is_refused(connected(system), delivery, delivery.received_at + off) == timestamped


@every_delivery
def test_older_secret_is_good_until_it_is_taken_out(file: Path) -> None:
    system, delivery, _ = read(file)
    assert not is_refused(connected(system, "settings_while_rotating"), delivery)
    assert is_refused(connected(system, "settings_after_rotating"), delivery)


@every_system
def test_nonsense_for_a_launch_token_opens_no_panel(system: str) -> None:
    [file, *_] = [file for file in DELIVERIES if file.parts[-3] == system]
    _, delivery, _ = read(file)
    for token in ("", "x", "e30.e30.", "ä" * 5000):
        with pytest.raises(NotAllowed):
            connected(system).open_panel(token, "4711", delivery.received_at)


def test_unknown_system_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SettingsError, match=r"\[sources.desk\] system: there is no 'generik'; did you mean 'generic'"):
        connect("desk", {"system": "generik"})


@pytest.mark.parametrize("system", ["", "../plugin", "webhooks.generic", "os"])
def test_only_declared_systems_are_imported(system: str) -> None:
    with pytest.raises(SettingsError, match=r"known are|did you mean"):
        connect("desk", {"system": system})
