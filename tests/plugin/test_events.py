"""`m365-unblock events`: what operators see of events, and what a retry does and does not do again."""

import json
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from plugin import events_command
from plugin.app import Parts
from plugin.attempts import BUGS_FORGIVEN
from plugin.cli import main
from plugin.demo.desk.records import Person
from plugin.event_texts import Teller
from plugin.events import State, Wanted, Work
from plugin.manifest import manifest
from plugin.model import CaseState, Outcome, Task, TaskRecord
from plugin.settings import load
from plugin.store.outbox import Ended

BUCKY = "bucky.badger@example.edu"
SOON_DEAD = '[procedure]\nretry_first_after = "10s"\nretry_pause_at_most = "2d"\n'
"""Settings with which the third failure in three days is the last one."""

DEATH = timedelta(minutes=2)


class Gate:
    """Stands in front of the desk: counts its writes, and while it is told so refuses them, done or not."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.writes: Counter[str] = Counter()
        self.refuses = ""  # "before": 500, nothing done; "after": 500 although it was done

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "GET" or not environ["PATH_INFO"].startswith("/api/"):
            return self._app(environ, start_response)
        if environ["PATH_INFO"].endswith("/notes"):
            self.writes[environ["PATH_INFO"]] += 1
        if self.refuses == "after":
            list(self._app(environ, lambda *_: None))
        elif self.refuses:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if self.refuses:
            start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
            return [b"out of order"]
        return self._app(environ, start_response)


class Site:
    """A world with a gate before its desk, and the command on its databases."""

    def __init__(self, world: Any, config: Path) -> None:
        self.world, self.config = world, config
        self.gate = Gate(world.desk_app.wsgi_app)
        world.desk_app.wsgi_app = self.gate
        self.events = world.parts.events

    def run(self, *words: str, said: str | None = None) -> Result:
        """Run a command about events."""
        result = CliRunner().invoke(main, ["events", *words, "--config", str(self.config)], input=said)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def work(self, ticket: str, kind: str = "ticket.created") -> Work:
        """What the list tells of the one event of this kind on a ticket."""
        (work,) = [work for work in self.events.listed(Wanted(ticket=ticket)).works if work.kind == kind]
        return work

    def dead(self, *, refuses: str = "before") -> str:
        """A ticket whose note the desk has refused until it was given up."""
        self.gate.refuses = refuses
        ticket = self.world.file(email=BUCKY, report="ndr-5.1.8")
        self.world.pass_time(seconds=DEATH.total_seconds())
        assert self.work(ticket).state is State.DEAD
        return str(ticket)


@pytest.fixture
def make_site(make_world: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., Site]]:
    before = os.umask(0o022)  # the command changes it for its process

    def make(settings: str = "") -> Site:
        return Site(make_world(settings=settings), tmp_path / "world-0" / "m365-unblock.toml")

    yield make
    os.umask(before)


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """One where what fails is soon given up."""
    return make_site(SOON_DEAD)


def ready(site: Site) -> Any:
    """A case whose checklist is done."""
    ticket = site.world.file(email=BUCKY, report="ndr-5.1.8")
    case = site.world.only_case(ticket, CaseState.CHECKLIST_OPEN)
    return site.world.answer_all(case, bulk_sender={"yes": "no"})


def attempts_of(work: Work, name: str) -> tuple[TaskRecord, ...]:
    (step,) = [step for step in work.steps if step.last.task.name == name]
    return step.attempts


# ── what is seen ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_that_is_done_is_listed_with_what_it_was_about(site: Site) -> None:
    ticket = site.world.file(email=BUCKY, report="ndr-5.1.8")
    result = site.run("list", "--ticket", ticket)
    assert result.exit_code == 0
    headings, line = result.stdout.splitlines()
    assert headings.split() == ["ID", "RECEIVED", "SOURCE", "TICKET", "KIND", "STATE", "ATTEMPTS", "LAST", "ERROR"]
    assert re.fullmatch(rf"evt_\w{{32}}  2026-11-24 14:05:00  desk    {ticket}  +ticket\.created  done +1", line)


def test_the_state_of_an_event_is_that_of_all_that_was_done_for_it(site: Site) -> None:
    ticket = site.dead()
    work = site.work(ticket)
    assert {step.last.task.name: step.state for step in work.steps} == {"handle": State.DONE, "annotate": State.DEAD}
    assert (work.state, work.attempts) == (State.DEAD, 3)
    line = site.run("list", "--state", "dead").stdout.splitlines()[1]
    assert line.startswith(work.id)
    assert "  dead  " in line
    assert "answered 500" in line
    assert site.run("list", "--state", "done").exit_code == 1


def test_every_state_is_told_in_words_and_found_by_its_name(make_site: Callable[..., Site]) -> None:
    site = make_site()
    world = site.world

    def listed(state: str) -> list[str]:
        works = site.events.listed(Wanted(state=State(state))).works
        teller = Teller(zone=world.parts.settings.zone, now=world.clock(), secrets=())
        return [f"{work.ticket}: {teller.state(work.state, work.telling)}" for work in works]

    ticket = world.file(email=BUCKY, report="ndr-5.1.8", quietly=True)
    world.sender.flush(10)
    assert listed("waiting") == [f"{ticket}: waiting for its turn"]  # accepted, and no worker has looked at it yet
    world.tenant_faults.is_down = True
    world.run()
    assert listed("waiting") == []
    (failing,) = listed("failing")
    assert re.fullmatch(rf"{ticket}: tried again at 2026-11-24 14:05:0\d", failing)
    world.pass_time(minutes=2)
    (task,) = [task for task in world.store.waiting_tasks(10) if task.name == "handle"]
    world.parts.outbox.begin([task], worker="worker-1", at=world.clock())
    assert listed("failing") == [f"{ticket}: being worked on"]
    assert listed("dead") == []


def test_an_event_that_a_later_one_of_its_ticket_covers_is_told_so(site: Site) -> None:
    ticket = site.world.file(email=BUCKY, quietly=True)
    site.world.reply(ticket, BUCKY, "Still nothing.")
    states = {work.kind: work.state for work in site.events.listed(Wanted(ticket=ticket)).works}
    assert states == {"ticket.created": State.COVERED, "ticket.replied": State.DONE}
    assert [work.kind for work in site.events.listed(Wanted(state=State.COVERED)).works] == ["ticket.created"]


def test_a_ticket_that_its_event_settles_is_done_without_being_read_and_that_is_told(site: Site) -> None:
    person = Person(name="Ruth", email="ruth@example.edu")
    ticket = site.world.desk.open_ticket(person, "Printer", "It prints empty pages. Could somebody have a look?").id
    site.world.run()
    work = site.work(ticket)
    assert (work.state, [step.last.calls for step in work.steps]) == (State.DONE, [()])
    told = site.run("show", work.id).stdout
    assert "settled by its event, which shows no sign of mail trouble; ticket not read" in told
    shown = json.loads(site.run("show", work.id, "--json").stdout)
    assert [(one["outcome"], one["starts"]) for step in shown["steps"] for one in step["log"]] == [("settled", 0)]


def test_what_agents_and_the_scan_have_called_for_is_listed_too_by_the_ids_of_its_tasks(site: Site) -> None:
    case = site.world.unblock(ready(site))
    site.world.desk.open_ticket(site.world.desk.ticket(case.ticket).requester, "Mail comes back", "Undeliverable!")
    site.world.scan()
    works = site.events.listed(Wanted()).works
    (press,) = [work for work in works if work.kind == "unblock"]
    assert (press.source, press.ticket) == ("desk", case.ticket)
    assert press.id.startswith(f"unblock:{case.id}:")
    assert {step.last.task.name for step in press.steps} == {"unblock", "annotate", "recheck"}
    assert "scan" in {work.kind for work in works}
    assert not any(work.id.startswith("events:") for work in works)


def test_the_newest_come_first_and_no_more_than_asked_for(site: Site) -> None:
    for _ in range(4):
        site.world.file(email=BUCKY)
        site.world.clock.forward(minutes=1)
    listed = [work.received_at for work in site.events.listed(Wanted(limit=3)).works]
    assert listed == sorted(listed, reverse=True)
    assert len(listed) == 3
    assert listed[0] == site.world.clock() - timedelta(minutes=1)


def test_lists_are_narrowed_by_ticket_source_and_time(site: Site) -> None:
    first = site.world.file(email=BUCKY)
    site.world.clock.forward(hours=3)
    second = site.world.file(email=BUCKY)

    def tickets(**wanted: Any) -> set[str]:
        return {work.ticket for work in site.events.listed(Wanted(**wanted)).works}

    assert tickets() == tickets(source="desk") == {first, second}
    assert tickets(ticket=first) == tickets(ticket=first, source="desk") == {first}
    assert tickets(source="rt") == tickets(ticket=first, source="rt") == set()
    assert tickets(since=site.world.clock() - timedelta(hours=1)) == {second}
    assert tickets(ticket=first, since=site.world.clock() - timedelta(hours=1)) == set()


def test_since_is_written_as_a_while_or_as_a_moment_of_the_organisation(make_site: Callable[..., Site]) -> None:
    site = make_site()
    site.config.write_text(
        site.config.read_text().replace("[organisation]", '[organisation]\ntime_zone = "Asia/Tokyo"')
    )
    site.world.file(email=BUCKY)  # at 23:05 over there
    assert site.run("list", "--since", "2026-11-24T23:05").exit_code == 0
    assert "2026-11-24 23:05:00" in site.run("list", "--since", "3650d").stdout
    assert site.run("list", "--since", "2026-11-24T23:06").exit_code == 1
    wrong = site.run("list", "--since", "yesterday")
    assert wrong.exit_code == 2
    assert "write it as 2h, 3d or" in wrong.stderr


def test_a_list_for_programs_has_an_object_a_line_in_the_promised_form(site: Site) -> None:
    ticket = site.dead()
    (line,) = site.run("list", "--json", "--state", "dead").stdout.splitlines()
    event = json.loads(line)
    assert re.fullmatch(r"evt_\w{32}", event.pop("id"))
    assert "answered 500" in event.pop("error")
    assert event == {
        "received_at": "2026-11-24T14:05:00.000Z",
        "source": "desk",
        "ticket": ticket,
        "kind": "ticket.created",
        "state": "dead",
        "next_at": None,
        "attempts": 3,
    }


def test_one_event_is_shown_with_every_step_attempt_request_and_answer(site: Site) -> None:
    ticket = site.dead()
    shown = site.run("show", site.work(ticket).id).stdout
    lines = [line.strip() for line in shown.splitlines()]
    assert lines[0] == site.work(ticket).id
    assert lines[1:4] == [
        f"ticket.created, desk ticket {ticket}",
        "received 2026-11-24 14:05:00 (times are of UTC)",
        "dead",
    ]
    assert "1. handle: read the ticket and look the account up — done" in lines
    assert "2. annotate: show the case on the ticket — dead" in lines
    numbers = [line.split(",")[0] for line in lines if line.startswith("attempt ")]
    assert numbers == ["attempt 1", "attempt 1", "attempt 2", "attempt 3"]
    assert any(re.search(rf"desk: GET /api/tickets/{ticket} → 200, \d+ bytes, \d+ ms$", line) for line in lines)
    refused = rf"desk: POST /api/tickets/{ticket}/notes \(sent \d+ bytes: .*\) → 500, answered 500, \d+ ms$"
    assert any(re.search(refused, line) for line in lines)
    assert sum(line.startswith("desk: ") and "answered 500" in line for line in lines) == 3


def test_one_event_for_programs_has_its_steps_in_the_promised_form(site: Site) -> None:
    ticket = site.dead()
    event = json.loads(site.run("show", "--json", site.work(ticket).id).stdout)
    handle, annotate = event["steps"]
    assert (handle["name"], handle["state"], handle["attempts"]) == ("handle", "done", 1)
    assert (annotate["name"], annotate["state"], annotate["attempts"]) == ("annotate", "dead", 3)
    assert [attempt["outcome"] for attempt in annotate["log"]] == ["again", "again", "dead"]
    assert set(annotate["log"][0]) == {
        *("attempt", "retried_by_operator", "not_before", "started_at", "ended_at", "starts", "worker", "outcome"),
        *("error", "requests"),
    }
    assert set(handle["log"][0]["requests"][0]) == {
        *("at", "system", "doing", "method", "path", "sent", "status", "answer", "milliseconds"),
    }


def test_every_state_and_every_key_for_programs_is_in_the_docs(site: Site) -> None:
    docs = (Path(__file__).parent.parent.parent / "docs" / "events.md").read_text("utf-8")
    event = json.loads(site.run("show", "--json", site.work(site.dead()).id).stdout)
    (step, *_), (attempt, *_) = event["steps"], event["steps"][0]["log"]
    words = {*event, *step, *attempt, *attempt["requests"][0], *(outcome.name.lower() for outcome in Outcome), *State}
    assert [word for word in words if f"`{word}`" not in docs] == []


def test_a_worker_that_ended_in_the_middle_is_told(site: Site) -> None:
    ticket = site.world.file(email=BUCKY, quietly=True)
    site.world.sender.flush(10)
    task = Task(id="scan:desk:1", name="handle", args={"source": "desk", "ticket": ticket})
    with site.world.store.change() as change:
        change.put_task(task)
        change.handed([task], site.world.clock())
    for _ in range(2):
        site.world.parts.outbox.begin([task], worker="worker-1", at=site.world.clock())
    shown = site.run("show", task.id).stdout
    assert "its worker ended in the middle 1 times, and it was begun again" in shown
    assert "2026-11-24 14:05:00, worker-1: under way" in shown


def test_of_many_attempts_those_in_the_middle_are_shown_when_asked_for(make_site: Callable[..., Site]) -> None:
    site = make_site('[procedure]\nretry_pause_at_most = "10s"\n')
    site.world.tenant_faults.is_down = True
    ticket = site.world.file(email=BUCKY, report="ndr-5.1.8")
    site.world.pass_time(minutes=4)
    made = site.work(ticket).attempts
    assert made > 15
    shown = [site.run("show", site.work(ticket).id, *more).stdout for more in ((), ("--all-attempts",))]
    short, whole = (text.split("\n2. ")[0] for text in shown)  # the first step
    assert f"… {made + 1 - 7} attempts more; --all-attempts shows them" in short
    numbers = [int(number) for number in re.findall(r"attempt (\d+),", short)]
    assert numbers[:2] == [1, 2]
    assert numbers[-1] == made + 1
    assert len(numbers) == 7
    assert [int(number) for number in re.findall(r"attempt (\d+),", whole)] == [*range(1, made + 2)]


# ── which one is meant ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_part_of_an_id_that_no_other_has_is_enough_and_any_task_leads_to_its_event(site: Site) -> None:
    ticket = site.dead()
    work = site.work(ticket)
    annotate = attempts_of(site.events.work(work.cause), "annotate")[-1].task
    for text in (work.id, work.id[4:20], work.cause, annotate.id, annotate.base, annotate.base[:-3]):
        assert site.events.find(text) == work.cause


@pytest.mark.parametrize("text", ["evt_nonsense", "", "%", "__"])
def test_an_id_that_nothing_has_is_said(site: Site, text: str) -> None:
    site.world.file(email=BUCKY)
    result = site.run("show", text)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"there is no event or task “{text}”" in result.stderr


def test_a_part_that_several_ids_have_is_said_with_some_of_them(site: Site) -> None:
    for _ in range(3):
        site.world.file(email=BUCKY)
    result = site.run("show", "evt_")
    assert result.exit_code == 1
    assert "“evt_” is a part of several ids" in result.stderr
    assert all(work.id in result.stderr for work in site.events.listed(Wanted()).works)


def test_nothing_to_list_is_said(site: Site) -> None:
    result = site.run("list")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "There are no such events.\n")


def test_databases_that_are_not_there_are_said_and_not_made(site: Site, tmp_path: Path) -> None:
    store = '[store]\ncases_url = "sqlite:///elsewhere/cases.sqlite"\n[organisation]'
    site.config.write_text(site.config.read_text().replace("[organisation]", store))
    result = site.run("list")
    assert result.exit_code == 1
    assert "the cases database is not in its newest form; run `m365-unblock db upgrade`" in result.stderr
    assert not (tmp_path / "world-0" / "elsewhere").exists()


def test_wrong_settings_are_said_as_everywhere(site: Site) -> None:
    site.config.write_text(site.config.read_text().replace("[links]", "[lnks]"))
    result = site.run("list")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "did you mean 'links'?" in result.stderr


# ── nothing confidential ─────────────────────────────────────────────────────────────────────────────────────────

SECRETS = (
    "a-token-for-the-tests",
    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE",
    "a secret for launch tokens",
    "eyJhbGciOiJub25lIn0.e30.",
    "hunter2",
)


def test_no_secret_no_body_and_no_whole_address_is_told_anywhere(site: Site) -> None:
    site.gate.refuses = "before"
    ticket = site.world.file(
        email=BUCKY, subject=f"{BUCKY} bounces", text="Mine is ruth.mensah@partner.example", report="ndr-5.1.8"
    )
    why = (
        f"ValueError: {BUCKY} said a-token-for-the-tests, Authorization: Bearer eyJhbGciOiJub25lIn0.e30. and "
        "password=hunter2\x1b[2J whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE= a secret for launch tokens, "
        "thirty-two bytes or more"
    )
    work = site.work(ticket)
    (last,) = [task for task in site.world.store.waiting_tasks(10) if task.name == "annotate"]
    site.world.parts.outbox.end([Ended(task=last, outcome=Outcome.DEAD, error=why)], at=site.world.clock())
    told = [
        site.run(*words)
        for words in (
            ("list",), ("list", "--json"), ("list", "--state", "dead"), ("show", work.id), ("show", "--json", work.id),
            ("retry", work.id),
        )
    ]  # fmt: skip
    assert [result.exit_code for result in told] == [0] * 6
    for result in told:
        assert not [secret for secret in SECRETS if secret in result.output]
        assert BUCKY not in result.output
        assert "ruth.mensah@" not in result.output
        assert "Mine is" not in result.output
        assert "\x1b" not in result.output
    assert "ValueError: b…@example.edu said …" in told[3].stdout


def test_whatever_the_settings_call_a_secret_is_left_out() -> None:
    """The command goes by how a setting is named."""

    def secrets_in(described: Any, name: str = "") -> Iterator[str]:
        if isinstance(described, dict):
            if described.get("secret") is True or described.get("$ref") == "#/$defs/secret_list":
                yield name
            for key, inner in described.items():
                yield from secrets_in(inner, key)

    names = set(secrets_in(manifest()["settings"])) - {"secret_list"}
    assert names
    assert all(name.endswith(events_command.SECRETS) for name in names), names


# ── trying again ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_dead_is_tried_again_at_once_and_done(site: Site) -> None:
    ticket = site.dead()
    assert site.world.notes(ticket) == []
    site.gate.refuses = ""
    work = site.work(ticket)
    result = site.run("retry", work.id)
    assert result.exit_code == 0
    assert re.fullmatch(rf"{work.id}: tried again: annotate:\w+:\d+ \(attempt 4\)\n", result.stdout)
    assert site.work(ticket).state is State.WAITING
    site.world.run()
    assert site.work(ticket).state is State.DONE
    assert len(site.world.notes(ticket)) == 1
    assert "attempt 4, retried by an operator, 2026-11-24 14:07:00" in site.run("show", work.id).stdout
    assert site.run("list", "--state", "dead").exit_code == 1


def test_a_note_that_was_posted_without_an_answer_is_not_posted_again_by_a_retry(site: Site) -> None:
    ticket = site.dead(refuses="after")
    (posted,) = site.gate.writes.values()
    assert posted == 1  # the later attempts have found it there, and failed at what is shown beside it
    site.gate.refuses = ""
    assert site.run("retry", site.work(ticket).id).exit_code == 0
    site.world.run()
    assert site.work(ticket).state is State.DONE
    assert site.gate.writes.total() == 1
    assert len(site.world.notes(ticket)) == 1


def test_addresses_that_were_asked_about_are_not_asked_again_by_a_retry(site: Site) -> None:
    case = ready(site)
    site.world.tenant_faults.throttled = "bbadger@cs"
    case = site.world.unblock(case)
    assert case.state is CaseState.UNBLOCKING
    asked = site.world.asked()
    assert len(asked) == 1
    (press,) = site.events.listed(Wanted(state=State.FAILING)).works
    site.world.tenant_faults.throttled = ""
    assert site.run("retry", press.id).exit_code == 0
    site.world.run()
    assert sorted(site.world.asked()) == sorted({*asked, "bbadger@cs.example.edu"})
    site.world.pass_time(minutes=10)
    assert site.world.case(case.id).state is CaseState.UNBLOCKED
    assert len(site.world.asked()) == 2


def test_an_unblock_that_was_given_up_asks_nothing_when_it_is_retried(site: Site) -> None:
    case = ready(site)
    site.world.tenant_faults.throttled = "@"
    site.world.unblock(case)
    site.world.pass_time(minutes=2)
    (press,) = site.events.listed(Wanted(state=State.DEAD)).works
    assert site.world.case(case.id).state is CaseState.READY
    site.world.tenant_faults.throttled = ""
    assert site.run("retry", press.id).exit_code == 0
    site.world.run()
    assert site.world.asked() == []  # the agent was told that nothing was asked, and presses again
    assert site.events.work(press.cause).state is State.DONE


def test_a_ticket_that_could_not_be_checked_is_checked_by_a_retry_and_needs_nobody_any_more(site: Site) -> None:
    site.world.tenant_faults.is_down = True
    ticket = site.world.file(email=BUCKY, report="ndr-5.1.8")
    site.world.pass_time(minutes=2)
    work = site.work(ticket)
    assert work.state is State.DEAD
    assert CaseState.NEEDS_PERSON in {case.state for case in site.world.cases(ticket)}
    site.world.tenant_faults.is_down = False
    site.run("retry", work.id)
    site.world.run()
    assert site.work(ticket).state is State.DONE
    assert CaseState.NEEDS_PERSON not in {case.state for case in site.world.cases(ticket)}
    assert CaseState.CHECKLIST_OPEN in {case.state for case in site.world.cases(ticket)}


def test_after_a_retry_it_takes_as_many_failures_as_at_first_until_it_is_given_up(site: Site) -> None:
    ticket = site.dead()
    died = site.world.clock()
    site.run("retry", site.work(ticket).id)
    site.world.run()
    work = site.events.work(site.work(ticket).cause)
    (again,) = [record for record in attempts_of(work, "annotate") if record.outcome is None]
    assert work.state is State.FAILING
    assert again.task.not_before is not None
    assert again.task.not_before - died <= timedelta(seconds=10)  # the first pause, not the one after three failures
    site.world.pass_time(seconds=DEATH.total_seconds())
    outcomes = [record.outcome for record in attempts_of(site.events.work(work.cause), "annotate")]
    assert outcomes == [Outcome.AGAIN, Outcome.AGAIN, Outcome.DEAD] * 2


def test_after_a_retry_bugs_are_forgiven_anew(make_site: Callable[..., Site]) -> None:
    site = make_site('[procedure]\nretry_pause_at_most = "10s"\n')
    task = Task(id="annotate:none:1", name="annotate", args={"case": "none"})  # there is no such case
    with site.world.store.change() as change:
        change.put_task(task)
    site.world.run()
    site.world.pass_time(minutes=5)
    assert len(attempts_of(site.events.work(task.id), "annotate")) == BUGS_FORGIVEN + 1
    assert site.events.work(task.id).state is State.DEAD
    site.run("retry", task.id)
    site.world.run()
    assert site.events.work(task.id).state is State.FAILING
    site.world.pass_time(minutes=5)
    assert len(attempts_of(site.events.work(task.id), "annotate")) == 2 * (BUGS_FORGIVEN + 1)
    assert site.events.work(task.id).state is State.DEAD


def test_after_a_retry_crashes_are_forgiven_anew_but_a_suspect_goes_on_running_alone() -> None:
    dead = Task(id="work:1~20", name="work", args={}, attempt=20, crashes=10, cause="handle:evt_1", lane="a")
    again = dead.anew()
    assert again == replace(dead, id="work:1~21", attempt=21, crashes=1, counted_from=21)
    assert (again.failures, again.base) == (0, dead.base)
    assert replace(dead, crashes=0).anew().crashes == 0


def test_what_has_failed_and_waits_is_brought_forward_and_the_attempt_it_waited_for_is_not_made(
    make_site: Callable[..., Site],
) -> None:
    site = make_site()
    site.world.tenant_faults.is_down = True
    ticket = site.world.file(email=BUCKY, report="ndr-5.1.8")
    site.world.pass_time(minutes=3)
    (waiting,) = [task for task in site.world.store.waiting_tasks(10) if task.name == "handle"]
    assert waiting.not_before > site.world.clock()
    with site.world.store.change() as change:  # as it is as a rule: the engine has it, and starts it when it is due
        change.handed([waiting], site.world.clock())
    site.world.tenant_faults.is_down = False
    result = site.run("retry", site.work(ticket).id)
    assert f"handle:{site.work(ticket).id} (attempt {waiting.attempt + 2})" in result.stdout
    site.world.run()
    assert site.work(ticket).state is State.DONE
    site.world.parts.attempts.attempt(waiting)
    records = attempts_of(site.events.work(site.work(ticket).cause), "handle")
    given_up, made = records[-2:]
    assert (given_up.outcome, given_up.starts, given_up.calls) == (Outcome.RETRIED, 0, ())
    assert (made.outcome, made.starts) == (Outcome.DONE, 1)
    assert Outcome.RETRIED.value in site.run("show", site.work(ticket).id).stdout


def test_retrying_what_is_done_under_way_or_waits_for_its_time_says_so_and_does_nothing(site: Site) -> None:
    case = site.world.unblock(ready(site))
    site.world.pass_time(minutes=5)
    assert site.world.case(case.id).state is CaseState.UNBLOCKED
    created, press = site.work(case.ticket), site.work(case.ticket, "unblock")
    result = site.run("retry", created.id, press.id)
    assert result.exit_code == 1
    done, waits = result.stdout.splitlines()
    assert done == f"{created.id}: nothing to retry; it is done"
    assert waits.startswith(f"{press.id}: nothing to retry; it is waiting ")  # for the end of the 24 hours
    task = Task(id="scan:desk:1", name="handle", args={"source": "desk", "ticket": case.ticket}, attempt=0)
    with site.world.store.change() as change:
        change.put_task(task)
    site.world.parts.outbox.begin([task], worker="worker-1", at=site.world.clock())
    assert site.run("retry", task.id).stdout == f"{task.id}: nothing to retry; it is being worked on\n"
    assert {task.name for task in site.world.store.waiting_tasks(10)} == {"follow_up", "handle"}


def test_two_operators_at_once_retry_once(site: Site) -> None:
    ticket = site.dead()
    cause = site.work(ticket).cause
    others = [Parts(load(site.config, {}), clock=site.world.clock) for _ in range(4)]
    start, results = threading.Barrier(len(others)), []

    def press(parts: Parts) -> None:
        start.wait()
        results.append(parts.events.retry(cause))

    threads = [threading.Thread(target=press, args=(parts,)) for parts in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(retried.put) for retried in results) == 1
    assert len(attempts_of(site.events.work(cause), "annotate")) == 4


def test_an_operator_who_was_slower_is_told(site: Site) -> None:
    ticket = site.dead()
    work = site.work(ticket)
    (task,) = [step.last.task for step in work.steps if step.state is State.DEAD]
    assert site.world.parts.outbox.retry([task], site.world.clock()) == [task]
    assert site.world.parts.outbox.retry([task], site.world.clock()) == []


def test_all_that_is_dead_is_retried_after_a_question_that_says_how_many(site: Site) -> None:
    site.gate.refuses = "before"
    for _ in range(3):
        site.world.file(email=BUCKY, report="ndr-5.1.8")
    site.world.pass_time(seconds=DEATH.total_seconds())
    site.gate.refuses = ""
    no = site.run("retry", "--all-dead", said="n\n")
    assert "Retry all 3 events that are dead? [y/N]" in no.output
    assert no.exit_code == 1
    assert len(site.events.dead()) == 3
    yes = site.run("retry", "--all-dead", said="y\n")
    assert yes.exit_code == 0
    assert yes.output.count(": tried again: annotate:") == 3
    site.world.run()
    assert site.events.dead() == []
    assert len(site.events.listed(Wanted(state=State.DONE)).works) == 3


def test_all_that_is_dead_leaves_alone_what_is_only_failing(site: Site) -> None:
    dead, failing = site.dead(), site.world.file(email=BUCKY, report="ndr-5.1.8")
    beside = Task(id="post:m365-unblock/1", name="post", args={}, cause=site.work(dead).cause)
    with site.world.store.change() as change:
        change.put_task(beside)
    again = beside.next(site.world.clock() + timedelta(hours=1))
    site.world.parts.outbox.end([Ended(task=beside, outcome=Outcome.AGAIN)], at=site.world.clock(), then=[again])
    result = site.run("retry", "--all-dead", "--yes")
    assert result.exit_code == 0
    assert re.fullmatch(rf"{site.work(dead).id}: tried again: annotate:\w+:\d+ \(attempt 4\)\n", result.stdout)
    assert site.work(failing).state is State.FAILING
    assert "tried again: post:m365-unblock/1 (attempt 3)" in site.run("retry", site.work(dead).id).stdout


def test_nothing_dead_is_said(site: Site) -> None:
    site.world.file(email=BUCKY, report="ndr-5.1.8")
    result = site.run("retry", "--all-dead")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "Nothing is dead.\n")


@pytest.mark.parametrize("words", [(), ("evt_1", "--all-dead")])
def test_it_must_be_said_what_to_retry(site: Site, words: tuple[str, ...]) -> None:
    result = site.run("retry", *words)
    assert result.exit_code == 2
    assert "Name the events to retry, or say --all-dead" in result.stderr


def test_what_is_dead_is_logged_with_the_command_that_shows_it(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    ticket = site.dead()
    (dead,) = [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"]
    assert f"run='m365-unblock events show {site.work(ticket).id}'" in dead
