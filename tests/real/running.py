"""What runs beside a real ticket system: the plugin as its command runs it, and customers with their bounces."""

import email
import email.policy
import os
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from secrets import token_bytes, token_urlsafe
from typing import TYPE_CHECKING, Any

import requests

from tests.ports import free_port

if TYPE_CHECKING:  # the driver is installed by `make test-real` only
    from playwright.sync_api import Browser, BrowserContext

MAIL = Path(__file__).parents[2] / "plugin" / "demo" / "mail"
PATIENCE = 45.0  # seconds for something to have happened


def until(happened: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Wait for something to have happened; what it came to."""
    end = time.monotonic() + seconds
    while not (came := happened()):
        if time.monotonic() > end:
            raise AssertionError(f"did not happen within {seconds:.0f} seconds: {what}")
        time.sleep(0.1)
    return came


def environment() -> dict[str, str]:
    """Ours, without settings of a plugin that somebody runs here."""
    return {name: value for name, value in os.environ.items() if not name.startswith("M365_UNBLOCK")}


def is_answering(url: str) -> bool:
    """Whether a server says 200 here."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


class Plugin:
    """The plugin as its command runs it; `settings` are TOML with gaps."""

    def __init__(self, folder: Path, settings: str, environment: Mapping[str, str], **values: object) -> None:
        self.folder, self._environment = folder, environment
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.config = folder / "m365-unblock.toml"
        self.config.touch(mode=0o600)
        self.config.write_text(
            settings.format(
                plugin_port=self.port,
                webhook_secret="whsec_" + b64encode(token_bytes(32)).decode(),
                launch_secret=token_urlsafe(48),
                **values,
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One of the plugin's commands."""
        name, *rest = arguments
        words = [name] if name != "install" else [name, rest.pop(0)]
        return subprocess.run(
            [sys.executable, "-m", "plugin.cli", *words, "--config", str(self.config), *rest],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=self._environment,
        )

    def start(self, **settings: str) -> None:
        """Web and worker, until they are ready; `settings` override, by their variables' names."""
        with (self.folder / "plugin.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "plugin.cli", "serve", "--config", str(self.config)],
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**self._environment, **settings},
            )
        until(lambda: is_answering(f"http://127.0.0.1:{self.port}/readyz"), f"the plugin is ready:\n{self.log()}")

    def stop(self) -> None:
        """Everything of it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process = None

    def log(self) -> str:
        """What it logged."""
        file = self.folder / "plugin.log"
        return file.read_text("utf-8") if file.exists() else ""


def account(netid: str, name: str) -> dict[str, Any]:
    """A blocked account with two addresses."""
    addresses = [f"{name.lower().replace(' ', '.')}@example.edu", f"{netid}@cs.example.edu"]
    reason = "OutboundSpamLast24Hours=412;OutboundMailLast24Hours=455;OutboundSpamPercent=90;"
    blocked = [{"address": address, "reason": reason, "minutes_ago": 190} for address in addresses]
    return {"display_name": name, "addresses": addresses, "blocked": blocked}


def report(sender: str, subject: str, *, report: str = "ndr-5.1.8", **more: str) -> EmailMessage:
    """A customer's mail with the bounce attached as mail programs do."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"A Customer <{sender}>", "support@example.edu", subject
    mail["Message-ID"] = f"<{token_urlsafe(12)}@example.edu>"
    for name, value in more.items():
        mail[name] = value
    mail.set_content("Hello,\n\nnobody gets my mail any more, it says undeliverable. Please help!\n")
    mail.add_attachment(bounce(sender, report), filename="Undeliverable.eml")
    return mail


def bounce(sender: str, report: str = "ndr-5.1.8") -> Any:
    """What Microsoft sent back to them, as a mail."""
    text = (MAIL / f"{report}.eml").read_text("utf-8")
    filled = text.format(
        sender=sender,
        recipient="ruth.mensah@partner.example",
        date="Tue, 24 Nov 2026 13:50:00 +0000",
        message_id="<b1@example.edu>",
    )
    return email.message_from_string(filled, policy=email.policy.default)


def complaints_of(context: "BrowserContext") -> list[str]:
    """What a browser complains of from now on."""
    heard: list[str] = []
    context.on("console", lambda said: said.type == "error" and heard.append(said.text))
    context.on("weberror", lambda error: heard.append(str(error.error)))
    return heard


@contextmanager
def seats(browser: "Browser", make: Callable[["BrowserContext", str], Any]) -> Iterator[Callable[[str], Any]]:
    """Seats to order, by login, with their ``complaints``; nothing may have complained in any of them."""
    taken: list[Any] = []

    def take(login: str) -> Any:
        taken.append(make(browser.new_context(viewport={"width": 1280, "height": 1400}), login))
        return taken[-1]

    yield take
    for seat in taken:
        seat.context.close()
    assert [fault for seat in taken for fault in seat.complaints] == []
