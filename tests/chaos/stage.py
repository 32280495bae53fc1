"""What many runs share: the doors on loopback, databases in their newest form to copy, texts that were tried once."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from plugin.app import Parts, migrate
from plugin.notes.texts import Texts
from plugin.settings import Settings, load
from tests.chaos.doors import Door

START = datetime(2026, 11, 24, 14, 5, tzinfo=UTC)

SETTINGS = """
[server]
public_url = "http://127.0.0.1:9"
[organisation]
domains = ["example.edu"]
[sources.desk]
system = "generic"
api_url = "{desk}/api"
api_token = "a-token-for-the-tests"
webhook_secrets = ["whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="]
own_user = "m365-unblock@example.edu"
launch_secrets = ["a secret for launch tokens, thirty-two bytes or more"]
[mail_tenants.campus]
system = "account_admin"
url = "{campus}"
token = "a-token-for-the-tests"
[store]
cases_url = "sqlite:///cases.sqlite"
deliveries_url = "sqlite:///deliveries.sqlite"
engine_url = "sqlite:///engine.sqlite"
[procedure]
{extra}
"""


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        """Let time pass."""
        self.now += timedelta(**by)


class Stage:
    """Made once a process."""

    def __init__(self, folder: Path) -> None:
        self.doors = {"desk": Door(), "campus": Door()}
        self.template = folder / "template"
        self.template.mkdir()
        parts = Parts(self.settings(self.template, ""))
        migrate(parts.settings)
        self.texts: Texts = parts.texts

    def url_of(self, system: str) -> str:
        """The address of another system, as the plugin knows it."""
        return f"http://127.0.0.1:{self.doors[system].port}"

    def settings(self, folder: Path, extra: str) -> Settings:
        """The plugin's settings over the files of a folder."""
        file = folder / "m365-unblock.toml"
        file.write_text(SETTINGS.format(desk=self.url_of("desk"), campus=self.url_of("campus"), extra=extra))
        return load(file, {})

    def close(self) -> None:
        """Answer no more."""
        for door in self.doors.values():
            door.close()


@contextmanager
def stage() -> Iterator[tuple[Stage, Path]]:
    """A stage and a folder for its runs: in memory where there is room for files, nobody pulls a plug here."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="chaos-") as folder:
        made = Stage(Path(folder))
        try:
            yield made, Path(folder)
        finally:
            made.close()
