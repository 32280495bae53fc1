"""The command as an operator runs it: real processes, which end in order, are started again, and leave no orphans."""

import fcntl
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from plugin.minding import WRONG_SETTINGS
from tests.journeys.site import SETTINGS, Site, is_running


def is_serving(site: Site, serve: subprocess.Popen[bytes]) -> bool:
    return site.get("/readyz") == 200 and "worker.started" in site.log.read_text() and serve.poll() is None


def below(parent: int) -> list[int]:
    """The processes that a process has started."""
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def test_serve_runs_both_starts_again_what_died_and_ends_both_in_order(site: Site) -> None:
    serve = site.start("serve")
    site.until(lambda: is_serving(site, serve))
    before = site.children(serve.pid)
    assert set(before) == {"web", "worker"}

    for path in [site.folder / "var", *(site.folder / "var").iterdir()]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, f"{path} is open to others"

    code, said = site.run("worker")
    assert code == 2
    assert "another worker is running on these databases" in said
    assert "engine.lock" in said
    assert "Traceback" not in said

    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    site.until(lambda: site.log.read_text().count("worker.started") == 2)
    site.until(lambda: is_serving(site, serve))
    after = site.children(serve.pid)
    assert set(after) == {"web", "worker"}
    assert not set(before.values()) & set(after.values())
    assert "ERROR process.ended name=web code=-9\n" in site.log.read_text()

    serve.terminate()
    assert serve.wait(25) == 0
    assert not any(is_running(pid) for pid in after.values())
    assert "worker.stopped" in site.log.read_text()
    assert "Traceback" not in site.log.read_text()


def test_what_is_not_needed_at_rest_is_not_loaded(site: Site) -> None:
    serve = site.start("serve")
    site.until(lambda: is_serving(site, serve))
    for name, process in site.children(serve.pid).items():
        mapped = Path(f"/proc/{process}/maps").read_text()
        assert "_sqlite3" in mapped, f"{name}: this test finds nothing"
        loaded = {library for library in ("psycopg", "cryptography", "yaml") if f"/{library}" in mapped}
        assert not loaded, f"{name} has loaded {loaded}"


def test_making_the_databases_may_be_ended_and_begun_anew(site: Site) -> None:
    (site.folder / "var").mkdir()
    with closing(sqlite3.connect(site.folder / "var" / "cases.sqlite")) as held:
        held.execute("BEGIN IMMEDIATE")
        first = site.start("serve")
        site.until(lambda: below(first.pid))
        os.kill(below(first.pid)[0], signal.SIGKILL)
        assert first.wait(25) == 1
        assert "try again" in site.log.read_text().splitlines()[-1]

        second = site.start("serve")
        site.until(lambda: below(second.pid))
        left = below(second.pid)
        second.terminate()
        assert second.wait(25) == -signal.SIGTERM
        held.rollback()
    site.until(lambda: not any(is_running(pid) for pid in left))

    third = site.start("serve")
    site.until(lambda: is_serving(site, third))
    assert "Traceback" not in site.log.read_text()


def test_serve_ends_at_once_while_it_waits_to_begin_a_child_again(site: Site) -> None:
    serve = site.start("serve")
    site.until(lambda: is_serving(site, serve))
    children = site.children(serve.pid)
    os.kill(children["web"], signal.SIGKILL)
    site.until(lambda: "process.ended" in site.log.read_text())
    serve.terminate()
    assert serve.wait(25) == 0
    assert not any(is_running(pid) for pid in children.values())
    assert site.log.read_text().count("web.listening") == 1


MINDS = """
import sys
from plugin import minding, serving
minding.mind(serving.begin(WORK), ["/bin/false"], ends_with_parent=False)
"""


def minder(work: str) -> list[str]:
    """A program that minds children of other work than ours."""
    return [sys.executable, "-c", MINDS.replace("WORK", work)]


def told_by(command: list[str], lines: int) -> list[str]:
    """The first lines of what a minder says, which is told to end then."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as minds:
        assert minds.stderr is not None
        patience = threading.Timer(25, minds.kill)
        patience.start()
        told = [minds.stderr.readline() for _ in range(lines)]
        patience.cancel()
        minds.terminate()
        assert minds.wait(25) == 0
    return told


def test_what_ends_soon_again_and_again_is_begun_again_more_and_more_rarely() -> None:
    told = told_by(minder('{"web": lambda: sys.exit(1)}'), 3)
    assert all(line.endswith(" ERROR process.ended name=web code=1\n") for line in told)
    first, second, third = (datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").astimezone() for line in told)
    assert third - second > 1.5 * (second - first)


def test_an_end_is_heard_of_by_who_was_started_to_ignore_it() -> None:
    command = minder('{"web": lambda: sys.exit(1)}')
    ignoring = f"import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n{command[-1]}"
    assert told_by([*command[:-1], ignoring], 1)[0].endswith("process.ended name=web code=1\n")


def test_two_that_find_the_settings_wrong_at_once_end_all_with_status_2() -> None:
    command = minder(f'{{"web": lambda: sys.exit({WRONG_SETTINGS}), "worker": lambda: sys.exit({WRONG_SETTINGS})}}')
    done = subprocess.run(command, capture_output=True, text=True, timeout=25, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 2
    assert [line.split()[3:4] for line in done.stderr.splitlines()] == [["process.ended"]]


def test_what_is_begun_again_after_an_upgrade_leaves_the_databases_to_the_next_start(site: Site) -> None:
    serve = site.start("serve")
    site.until(lambda: is_serving(site, serve))
    children = site.children(serve.pid)
    with closing(sqlite3.connect(site.folder / "var" / "cases.sqlite", isolation_level=None)) as cases:
        newest = cases.execute("SELECT version_num FROM cases_revision").fetchone()[0]
        cases.execute("UPDATE cases_revision SET version_num = 'older'")
        os.kill(children["web"], signal.SIGKILL)
        site.until(lambda: "end serve and start it again" in site.log.read_text())
        assert cases.execute("SELECT version_num FROM cases_revision").fetchone()[0] == "older"
        assert is_running(children["worker"])
        cases.execute("UPDATE cases_revision SET version_num = ?", [newest])
    site.until(lambda: is_serving(site, serve))


def test_serve_ends_with_status_2_where_a_child_begun_again_finds_the_settings_wrong(site: Site) -> None:
    serve = site.start("serve")
    site.until(lambda: is_serving(site, serve))
    children = site.children(serve.pid)
    site.write(SETTINGS.format(port=site.port) + "[serve]\n")
    os.kill(children["web"], signal.SIGKILL)
    assert serve.wait(25) == 2
    assert not any(is_running(pid) for pid in children.values())
    said = site.log.read_text()
    assert "serve" in said.partition("process.ended name=web code=-9\n")[2].splitlines()[0]
    assert "process.ended name=web code=78\n" in said
    assert "worker.stopped" in said
    assert "Traceback" not in said


def test_serve_that_dies_by_sigkill_leaves_no_orphans_and_no_lock(site: Site) -> None:
    serve = site.start("serve")
    site.until(lambda: is_serving(site, serve))
    children = site.children(serve.pid)
    serve.kill()
    serve.wait()
    site.until(lambda: not any(is_running(pid) for pid in children.values()))
    assert "worker.stopped" in site.log.read_text()  # in order, not by force
    with (site.folder / "var" / "engine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert site.get("/healthz") == 0


@pytest.mark.parametrize("name", ["serve", "web", "worker"])
def test_a_broken_checklist_ends_each_command_with_status_2_and_the_place(site: Site, name: str) -> None:
    (site.folder / "own.json").write_text('{"id": "own", "version": "1", "title": "t", "items": [{"id": 7}]}')
    site.write(SETTINGS.format(port=site.port) + '[checklist]\nfile = "own.json"\n')
    code, said = site.run(name)
    assert code == 2
    assert "own.json: /items/0" in said
    assert "Traceback" not in said
    assert not (site.folder / "var").exists()
