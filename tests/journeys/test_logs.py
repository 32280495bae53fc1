"""What the logs of a whole procedure say, and what they never say."""

import logging
from typing import Any

import pytest

from plugin.app import set_up_logging

BUCKY = "bucky.badger@example.edu"
WORDS = "A very particular sentence of the customer."


def test_a_whole_procedure_with_failures_logs_no_secret_no_text_and_no_whole_address(
    world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for noisy in ("urllib3", "werkzeug"):  # as in the real program, which logs from INFO
        logging.getLogger(noisy).setLevel(logging.WARNING)
    world.tenant_faults.is_down = True
    ticket = world.file(email=BUCKY, text=WORDS, subject=WORDS, report="ndr-5.1.8")
    world.pass_time(minutes=11)
    world.tenant_faults.is_down = False
    world.pass_time(minutes=6)
    case = world.answer_all(world.only_case(ticket))
    world.tenant_faults.spoil_unblock = "after"
    world.unblock(case)
    world.tenant_faults.spoil_unblock = ""
    world.pass_time(minutes=5)
    world.reply(ticket, BUCKY, WORDS + " It still bounces.")
    world.desk.delete_ticket(ticket)
    world.pass_time(hours=25)

    settings = world.parts.settings
    source, tenant = settings.sources["desk"], settings.mail_tenants["campus"]
    secrets = [source["api_token"], tenant["token"], *source["webhook_secrets"], *source["launch_secrets"]]
    told = "\n".join(record.getMessage() for record in caplog.records)
    for event in ("delivery.accepted", "task.again", "unblock.outcome_unknown", "ticket.gone"):
        assert event in told, f"{event} is not logged, so this test shows nothing about it"
    for secret in secrets:
        assert secret not in caplog.text
    assert "b…@example.edu" in told  # the address of a failed reading, so the next line means something
    for private in (WORDS, "particular", "bucky.badger@", "bbadger@", "Outbound", "<p>"):
        assert private not in caplog.text, f"the log holds {private!r}"


def test_what_the_program_does_not_log_itself_is_masked_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    set_up_logging()
    logging.getLogger("another.library").warning("cannot read %s", BUCKY)
    told = capsys.readouterr().err
    assert "WARNING cannot read b…@example.edu" in told
