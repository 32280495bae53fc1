"""What operators see and have tried again, with the command itself beside real processes and between them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

from plugin.app import Parts
from plugin.events import State, Wanted
from plugin.settings import load


class Refusing:
    """Stands in front of the desk and takes no notes while it is told so."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.is_on = True
        self.posted: list[str] = []

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        if not self.is_on and environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].endswith("/notes"):
            self.posted.append(environ["PATH_INFO"])
        if self.is_on and environ["REQUEST_METHOD"] != "GET" and environ["PATH_INFO"].startswith("/api/"):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("422 Unprocessable Content", [("Content-Type", "text/plain")])
            return [b"no"]
        return self._app(environ, start_response)


class Operator:
    """Somebody who types commands."""

    def __init__(self, life: Any, *, first: str, at_most: str) -> None:
        """Attempts pause so long at first, and at most."""
        self.life = life
        text = life.config.read_text()
        text = text.replace('retry_first_after = "0.2s"', f'retry_first_after = "{first}"')
        life.config.write_text(text.replace('retry_pause_at_most = "1s"', f'retry_pause_at_most = "{at_most}"'))
        self.desk = life.at_desk._app = Refusing(life.at_desk._app)
        self.events = Parts(load(life.config, {})).events
        self.end_worker()
        self.start_worker()

    def end_worker(self) -> None:
        self.life.worker.kill()
        self.life.worker.wait()

    def start_worker(self) -> None:
        self.life.worker = self.life.start("worker")

    def run(self, *words: str) -> tuple[int, str]:
        """Run a command about events: its exit status and what it printed."""
        command = [sys.executable, "-m", "plugin.cli", "events", *words, "--config", str(self.life.config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout

    def until(self, state: State, ticket: str) -> str:
        """Wait for the one event of a ticket to come to a state; its id."""

        def is_there() -> bool:
            return [work.ticket for work in self.events.listed(Wanted(state=state)).works] == [ticket]

        self.life.until(is_there, f"the event of ticket {ticket} is {state}")
        (line,) = self.run("list", "--state", state.value, "--json")[1].splitlines()
        return str(json.loads(line)["id"])


def test_a_refused_note_is_dead_is_shown_and_is_posted_once_after_a_retry_while_everything_runs(
    make_life: Callable[..., Any],
) -> None:
    life = make_life()
    operator = Operator(life, first="0.1s", at_most="2d")  # the third failure is the last one
    ticket = life.file()
    event = operator.until(State.DEAD, ticket)
    life.until(lambda: f"m365-unblock events show {event}" in life.said(), "the log says what to run")
    status, shown = operator.run("show", event)
    assert status == 0
    assert "annotate: show the case on the ticket — dead" in shown
    assert shown.count(f"POST /api/tickets/{ticket}/notes") == 3
    assert shown.count("→ 422, answered 422") >= 3
    operator.desk.is_on = False
    assert operator.run("retry", "--all-dead", "--yes")[0] == 0
    assert life.until_state(ticket, "Checklist open")
    assert operator.until(State.DONE, ticket) == event
    assert len(life.notes(ticket)) == len(operator.desk.posted) == 1
    assert operator.run("retry", event) == (1, f"{event}: nothing to retry; it is done\n")
    assert len(operator.desk.posted) == 1


def test_a_retry_while_nothing_runs_is_carried_out_by_the_next_worker(make_life: Callable[..., Any]) -> None:
    life = make_life()
    operator = Operator(life, first="0.1s", at_most="2d")
    ticket = life.file()
    event = operator.until(State.DEAD, ticket)
    operator.end_worker()
    life.web.kill()
    life.web.wait()
    operator.desk.is_on = False
    assert operator.run("retry", event)[0] == 0
    assert operator.until(State.WAITING, ticket) == event
    operator.start_worker()
    life.until_state(ticket, "Checklist open")
    operator.until(State.DONE, ticket)
    assert len(life.notes(ticket)) == len(operator.desk.posted) == 1


def test_a_pause_that_the_engine_sits_out_is_cut_short_by_a_retry(make_life: Callable[..., Any]) -> None:
    life = make_life()
    operator = Operator(life, first="20m", at_most="2d")
    ticket = life.file()
    event = operator.until(State.FAILING, ticket)
    assert "tried again at 20" in operator.run("list", "--ticket", ticket)[1]
    operator.desk.is_on = False
    assert operator.run("retry", event)[0] == 0
    life.until_state(ticket, "Checklist open")
    operator.until(State.DONE, ticket)
    log = json.loads(operator.run("show", "--json", event)[1])["steps"][1]["log"]
    assert [attempt["outcome"] for attempt in log] == ["again", "retried", "done"]
    assert len(operator.desk.posted) == 1
