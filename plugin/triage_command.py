"""`m365-unblock triage`: what a mail, a text or lines of tickets come to (docs/triage.md has the form as a promise)."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import click

from plugin.errors import SettingsError
from plugin.model import Confidence, Label
from plugin.triage import documents
from plugin.triage.answer import Answer, answer

MAX_LINE = 16 * 1024 * 1024  # bytes of one line of JSON
MAX_FILE = 32 * 1024 * 1024  # bytes of one file
WORDS = {
    Label.SENDER_BLOCKED: "Microsoft blocks this account or shared mailbox from sending",
    Label.TENANT_BLOCKED: "Microsoft refuses the whole organisation: Microsoft Support",
    Label.SENDING_LIMIT: "a limit on recipients or messages, not a block",
    Label.NOT_BLOCKED: "nothing here says that Microsoft blocks a sender of ours",
}
SURE = {
    Confidence.CERTAIN: "certain: a mail system's own answer says so",
    Confidence.LIKELY: "likely: it is said in words, or a part of the answer is missing",
    Confidence.UNSURE: "unsure: an agent should look; this opens no way to an unblock by itself",
}


def answer_file(stream: IO[bytes], domains: Sequence[str]) -> None:
    """Print what a mail or a text comes to."""
    content = stream.read(MAX_FILE + 1)
    told = answer(documents.of_file(content[:MAX_FILE]), domains)
    click.echo("\n".join(_in_words(told, is_cut=len(content) > MAX_FILE)))


def domains_of(path: Path) -> tuple[str, ...]:
    """The organisation's domains from the settings file."""
    from plugin.settings_document import read_document  # its schema takes longer to load than a mail to read

    try:
        return tuple(read_document(path, os.environ)["organisation"]["domains"])
    except SettingsError as error:
        raise SettingsError(
            f"triage must know which domains are ours: give --domain example.edu, or settings that can be read. {error}"
        ) from error


# ── one file ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _in_words(told: Answer, *, is_cut: bool) -> list[str]:
    account = f"{told.account} ({told.account_from})" if told.account else "none"
    rows = [
        ("Label", f"{told.label.value}: {WORDS[told.label]}"),
        ("Account", account),
        *(("", doubt) for doubt in told.doubts),
        ("Code", told.code or "none"),
        ("Confidence", SURE[told.confidence]),
        ("Rule", told.rule),
        *(("Rests on" if number == 0 else "", words) for number, words in enumerate(told.evidence)),
    ]
    if is_cut:
        rows.append(("", f"only the first {MAX_FILE} bytes were read"))
    return [f"{name:<12}{words}" for name, words in rows]


# ── lines of JSON ────────────────────────────────────────────────────────────────────────────────────────────────


def answer_lines(stream: IO[bytes], domains: Sequence[str]) -> bool:
    """Answer each line in its order as soon as it is read; False where one could not be read as a ticket."""
    number = 0
    is_well = True
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if not line.strip():
            continue
        try:
            if len(line) > MAX_LINE:
                _skip(stream, line)
                raise documents.NoTicket(f"is longer than {MAX_LINE} bytes")
            told = _line(line, domains)
        except documents.NoTicket as error:
            is_well = False
            click.echo(f"m365-unblock triage: line {number} {error}; it got no answer", err=True)
            continue
        sys.stdout.write(told)
        sys.stdout.flush()
    return is_well


def _line(line: bytes, domains: Sequence[str]) -> str:
    record = _record(line)
    name = record.get("id") if isinstance(record, dict) else None
    try:
        ticket = documents.of_record(record)
    except documents.NoTicket as error:
        raise documents.NoTicket(
            f"(id {json.dumps(name)[:100]}): {error}" if name is not None else str(error)
        ) from error
    told = answer(ticket, domains)
    return (
        json.dumps(
            {
                "id": name,
                "label": told.label.value,
                "account": told.account,
                "code": told.code,
                "confidence": told.confidence.value,
                "evidence": [f"rule: {told.rule}", *told.evidence, *told.doubts],
            }
        )
        + "\n"
    )


def _record(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8-sig", "surrogateescape"))
    except RecursionError:
        raise documents.NoTicket("is nested too deeply") from None
    except ValueError as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "a number in it is too long"
        raise documents.NoTicket(f"is not JSON: {reason}") from None


def _skip(stream: IO[bytes], line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = stream.readline(MAX_LINE)
