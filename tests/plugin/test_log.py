"""A log line is one line, with its fields told apart and nobody's whole address in it."""

import logging
from collections.abc import Callable

import pytest

from plugin.log import MaskingFormatter, log, masked

Logged = Callable[..., str]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Logged:
    """What one call of `log` writes."""
    caplog.set_level(logging.INFO)

    def logged(event: str, **fields: object) -> str:
        caplog.clear()
        log(event, **fields)  # type: ignore[arg-type]
        (record,) = caplog.records
        return record.getMessage()

    return logged


def test_fields_follow_the_name(logged: Logged) -> None:
    assert logged("task.again", task="handle:1", after=5.0) == "task.again task=handle:1 after=5.0"


@pytest.mark.parametrize("value", ["two words", 'a"b', "", "line\nbreak", "a\x1b[2Jb", "left\u202eright", "tab\there"])
def test_a_value_that_could_be_taken_for_something_else_is_quoted(logged: Logged, value: str) -> None:
    line = logged("x", why=value)
    assert line == f"x why={value!r}"
    assert line.isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("reading the account 'bucky.badger@example.edu'", "reading the account 'b…@example.edu'"),
        ("<bucky+x@cs.example.edu>, o'hara@example.edu;", "<b…@cs.example.edu>, o…@example.edu;"),
        ("https://a.example/v1/accounts/bucky%40example.edu", "https://a.example/v1/accounts/b…@example.edu"),
        ("jürgen@example.edu", "j…@example.edu"),
        ("no address @ all", "no address @ all"),
        ("x@y", "x…@y"),
    ],
)
def test_an_address_is_cut_to_its_first_letter(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_an_address_in_a_field_is_masked(logged: Logged) -> None:
    assert logged("x", error="reading 'b.b@example.edu': 500") == "x error=\"reading 'b…@example.edu': 500\""


def test_an_address_in_a_traceback_is_masked() -> None:
    try:
        raise KeyError("bucky.badger@example.edu")
    except KeyError as error:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "bug", (), (KeyError, error, error.__traceback__))
    told = MaskingFormatter("%(levelname)s %(message)s").format(record)
    assert "KeyError: 'b…@example.edu'" in told
    assert "bucky" not in told
