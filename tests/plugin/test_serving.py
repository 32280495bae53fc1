"""What an operator learns from the log when the web process starts."""

import io
import logging
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from werkzeug.test import run_wsgi_app

from plugin.errors import SettingsError
from plugin.serving import check_workers, only_whole_bodies, warn_of_panels
from plugin.settings import Settings, load
from tests.smallest import SETTINGS

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


SCALED_OUT = {
    f"M365_UNBLOCK__STORE__{name}_URL": "postgresql://db.example.edu/m365" for name in ("DELIVERIES", "CASES", "ENGINE")
}


def settings_of(folder: Path, environment: dict[str, str]) -> Settings:
    file = folder / "m365-unblock.toml"
    file.write_text(SETTINGS, "utf-8")
    return load(file, environment)


def test_several_workers_need_postgresql_for_everything(tmp_path: Path) -> None:
    check_workers(settings_of(tmp_path, {}), 1)
    check_workers(settings_of(tmp_path, SCALED_OUT), 3)
    for name in SCALED_OUT:
        partly = {other: url for other, url in SCALED_OUT.items() if other != name}
        with pytest.raises(SettingsError, match=r"--workers 2: several workers need PostgreSQL"):
            check_workers(settings_of(tmp_path, partly), 2)


def test_several_workers_cannot_listen_at_one_address(tmp_path: Path) -> None:
    listening = SCALED_OUT | {"M365_UNBLOCK__SERVER__WORKER_LISTEN": "127.0.0.1:8801"}
    check_workers(settings_of(tmp_path, listening), 1)
    with pytest.raises(SettingsError, match="worker_listen"):
        check_workers(settings_of(tmp_path, listening), 2)


@pytest.mark.parametrize(
    ("come", "status"), [(b"reason=it+is+clean", "200 OK"), (b"reason=it", "400 BAD REQUEST"), (b"", "400 BAD REQUEST")]
)
def test_a_form_that_broke_off_is_refused(come: bytes, status: str) -> None:
    app = Flask("form")
    app.add_url_rule("/", view_func=lambda: request.form["reason"], methods=["POST"])
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
        "SERVER_NAME": "plugin",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(come),
        "wsgi.input_terminated": True,  # as granian says
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(b"reason=it+is+clean")),
    }
    assert run_wsgi_app(only_whole_bodies(app), environ)[1] == status
