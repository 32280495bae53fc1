"""A real PostgreSQL for tests: a cluster of its own in a temporary folder, and a database for each test that asks."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tests.ports import free_port

PATIENCE = 30.0  # seconds
USER = "m365"


class Cluster:
    """A server that listens on 127.0.0.1 until `close`; as durable as Debian makes it."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="m365-unblock-postgresql-"))
        self._numbers = count(1)
        self.port = free_port()
        self._log = (self._folder / "log").open("wb")
        # PostgreSQL refuses to run as root; Debian's package brings a user for it.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self._folder, self._user)
        data = str(self._folder / "data")
        options = ("-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")
        made = self._start("initdb", "-D", data, *options).wait(120)
        if made != 0:
            raise AssertionError(f"initdb ended with {made}:\n{self.said()}")
        self._data = data
        self._serve()

    def _serve(self) -> None:
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": ""}
        chosen = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._server = self._start("postgres", "-D", self._data, *chosen)
        self._await_answer()

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [_place_of(program), *arguments],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
        )

    def _await_answer(self) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self.run("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > end or self._server.poll() is not None:
                    raise AssertionError(f"PostgreSQL does not answer:\n{self.said()}") from None
                time.sleep(0.05)

    def url(self, database: str) -> str:
        """The address of a database, as settings have it."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def run(self, statement: str) -> None:
        """Run a statement of the administrator's."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def new_database(self) -> str:
        """The address of a new, empty database."""
        name = f"test_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self.run(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def restart(self, away: float) -> None:
        """Stop the server, as an administrator does who waits for nobody, and start it again after so many seconds."""
        self._stop()
        time.sleep(away)
        self._serve()

    def _stop(self) -> None:
        self._server.send_signal(signal.SIGINT)
        self._server.wait(PATIENCE)

    def said(self) -> str:
        """The server's log."""
        return (self._folder / "log").read_text("utf-8", "replace")

    def close(self) -> None:
        """Stop the server and remove its files."""
        self._stop()
        self._log.close()
        shutil.rmtree(self._folder)


def _place_of(program: str) -> str:
    """Debian keeps the server's programs out of the path."""
    found = shutil.which(program) or next(
        (str(place) for place in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), reverse=True)), None
    )
    if found is None:
        pytest.fail(f"PostgreSQL's {program} is missing: run  sudo apt-get install postgresql  and try again")
    return found


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The session's PostgreSQL."""
    running = Cluster()
    yield running
    running.close()


@pytest.fixture
def postgresql(cluster: Cluster) -> Iterator[str]:
    """The address of a new PostgreSQL database."""
    url = cluster.new_database()
    yield url
    cluster.drop(url)
