"""What an operator learns from the log when the web process starts."""

import logging
from typing import Any

import pytest

from plugin.serving import warn_of_panels

KEY = {"launch_secrets": ["a secret for launch tokens, thirty-two bytes"]}
ORIGIN = {"panel_origins": ["https://desk.example.edu"]}


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({**ORIGIN}, ["panel.closed source=desk why='launch_secrets is not set: the panel opens for nobody'"]),
        ({**ORIGIN, "launch_secrets": []}, ["panel.closed source=desk why='launch_secrets is not set"]),
        ({**KEY, "panel_origins": []}, ["panel.closed source=desk why='panel_origins is empty: no frame may show"]),
        ({**KEY, **ORIGIN}, []),
        ({"launch_public_keys": ["-----BEGIN PUBLIC KEY-----"], **ORIGIN}, []),
    ],
)
def test_a_panel_that_nobody_can_open_or_show_is_warned_of(
    caplog: pytest.LogCaptureFixture, chosen: dict[str, Any], told: list[str]
) -> None:
    caplog.set_level(logging.INFO)
    warn_of_panels({"desk": chosen})
    assert len(caplog.records) == len(told)
    for record, words in zip(caplog.records, told, strict=True):
        assert record.levelno == logging.WARNING
        assert record.getMessage().startswith(words)
