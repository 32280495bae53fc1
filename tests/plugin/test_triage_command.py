"""`m365-unblock triage`, as people and pipelines use it; its form is a promise (docs/triage.md)."""

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from plugin.cli import main
from plugin.model import Confidence, Label
from plugin.triage_command import MAX_LINE

MAIL = Path(__file__).parents[1] / "fixtures" / "mail"
REFUSED = {"id": "a", "subject": "bounce", "body": "kadler@example.edu: 550 5.1.8 Access denied, bad outbound sender"}
ORDINARY = {"id": "b", "subject": "Wi-Fi", "body": "eduroam drops in the library"}


def run(*words: str, given: str | bytes = "") -> Result:
    return CliRunner().invoke(main, ["triage", *words], input=given)


def run_lines(*records: Any) -> Result:
    given = "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in records)
    return run("--jsonl", "--domain", "example.edu", given=given)


def answers(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_line_is_answered_in_its_order_in_the_promised_form() -> None:
    result = run_lines(REFUSED, ORDINARY)
    first, second = answers(result)
    assert list(first) == ["id", "label", "account", "code", "confidence", "evidence"]
    assert (first["id"], first["label"], first["account"], first["code"], first["confidence"]) == (
        "a", "sender_blocked", "kadler@example.edu", "5.1.8", "certain"
    )  # fmt: skip
    assert first["evidence"][0] == "rule: microsoft-reply"
    assert "bad outbound sender" in first["evidence"][1]
    assert (second["id"], second["label"], second["account"], second["code"]) == ("b", "not_blocked", None, None)
    assert (result.exit_code, result.stderr) == (0, "")


def test_labels_and_confidences_are_the_promised_words() -> None:
    assert {label.value for label in Label} == {"sender_blocked", "tenant_blocked", "sending_limit", "not_blocked"}
    assert {confidence.value for confidence in Confidence} == {"certain", "likely", "unsure"}


def test_an_attached_mail_and_the_requester_are_read() -> None:
    mail = (MAIL / "microsoft-5.1.8-for-a-colleague.eml").read_text("utf-8")
    result = run_lines({"id": 7, "subject": "", "body": "", "attachment_eml": mail, "requester": "m@example.edu"})
    (told,) = answers(result)
    assert (told["id"], told["account"]) == (7, "kadler@example.edu")
    assert "requester" in told["evidence"][-1]


def test_missing_fields_null_and_further_fields_do_no_harm() -> None:
    result = run_lines({"id": None, "body": None, "label": "x"}, {})
    assert [told["id"] for told in answers(result)] == [None, None]
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "line 2 is not JSON"),
        ("[1]", "line 2 is not a JSON object"),
        ('{"id": "x7", "body": 5}', 'line 2 (id "x7"): body must be a text'),
        ("[" * 100_000, "line 2 is"),
        ('"' + "a" * MAX_LINE + '"', f"line 2 is longer than {MAX_LINE} bytes"),
    ],
    ids=["no JSON", "no object", "no text", "deep", "long"],
)
def test_a_bad_line_is_told_with_its_number_and_the_others_are_answered(line: str, said: str) -> None:
    result = run_lines(REFUSED, line, ORDINARY)
    assert [told["id"] for told in answers(result)] == ["a", "b"]
    assert f"m365-unblock triage: {said}" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.exit_code == 1


def test_empty_lines_are_passed_over() -> None:
    assert len(answers(run_lines(REFUSED, "", "  ", ORDINARY))) == 2


def test_what_is_read_is_answered_before_the_input_ends() -> None:
    command = [sys.executable, "-m", "plugin.cli", "triage", "--jsonl", "--domain", "example.edu"]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=buffered) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(REFUSED).encode() + b"\n")
        process.stdin.flush()
        is_told, _, _ = select.select([process.stdout], [], [], 20)
        process.stdin.close()
        assert is_told
        assert json.loads(process.stdout.readline())["id"] == "a"
        assert process.wait(20) == 0


# ── one document ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_mail_gets_a_readable_answer() -> None:
    result = run("--domain", "example.edu", str(MAIL / "microsoft-5.1.8.eml"))
    assert result.exit_code == 0
    for words in (
        "sender_blocked",
        "bbadger@example.edu",
        "5.1.8",
        "certain",
        "delivery-status",
        "bad outbound sender",
    ):
        assert words in result.stdout


def test_standard_input_is_read_where_no_file_is_named() -> None:
    result = run("--domain", "example.edu", given="550 5.7.705 Access denied, tenant has exceeded threshold")
    assert "tenant_blocked" in result.stdout
    assert "5.7.705" in result.stdout


@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16", "cp1252"])
def test_a_text_may_be_in_any_usual_charset(charset: str) -> None:
    words = "Mein Konto ist von Microsoft für ausgehende Nachrichten gesperrt"
    assert "sender_blocked" in run("--domain", "example.edu", given=words.encode(charset)).stdout


def test_a_customers_mail_speaks_in_its_own_words_and_names_its_writer() -> None:
    mail = (
        "From: Kim <kadler@example.edu>\nTo: help@example.edu\nSubject: help\n\nMicrosoft blocks me from sending mail."
    )
    result = run("--domain", "example.edu", given=mail)
    assert "sender_blocked" in result.stdout
    assert "kadler@example.edu (the requester" in result.stdout


def test_what_was_left_out_is_said() -> None:
    assert "read in part" in run("--domain", "example.edu", given="long words " * 20_000).stdout


# ── whose domains ────────────────────────────────────────────────────────────────────────────────────────────────


def test_domains_may_be_repeated_and_include_subdomains() -> None:
    text = "x@cs.b.example gets 550 5.1.8 Access denied, bad outbound sender"
    assert "x@cs.b.example" in run("--domain", "a.example", "--domain", "b.example", given=text).stdout
    assert "Account     none" in run("--domain", "a.example", given=text).stdout


def test_without_domains_and_settings_it_says_what_to_give(tmp_path: Path) -> None:
    result = run("--config", str(tmp_path / "none.toml"), given="x")
    assert result.exit_code == 2
    assert "--domain" in result.stderr
    assert "none.toml" in result.stderr


def test_the_settings_domains_are_used(tmp_path: Path) -> None:
    settings = tmp_path / "site.toml"
    settings.write_text(
        '[organisation]\ndomains = ["b.example"]\n[sources.d]\nsystem = "generic"\napi_url = "https://d.example"\n'
        'api_token = "a-token-for-the-tests"\n'
        'webhook_secrets = ["whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]\n'
        '[mail_tenants.c]\nsystem = "account_admin"\nurl = "https://c.example"\ntoken = "a-token-for-the-tests"\n'
    )
    text = "x@b.example gets 550 5.1.8 Access denied, bad outbound sender"
    assert "x@b.example" in run("--config", str(settings), given=text).stdout


def test_it_starts_without_what_the_server_needs() -> None:
    code = "import sys, plugin.cli, plugin.triage_command; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"sqlalchemy", "flask", "dbos", "jsonschema", "requests"} & set(loaded)
