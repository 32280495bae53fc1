"""The demo as a visitor meets it: real processes, whose ends and ports and addresses are as they are told to be."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from plugin.demo.folders import a_folder
from plugin.demo.playing import COMPLAINT, show_doors, stay
from plugin.demo.stage import Stage
from plugin.model import CaseState
from tests.ports import free_port

Demo = Callable[..., subprocess.Popen[str]]


def until(happened: Callable[[], object], seconds: float = 20) -> Any:
    end = time.monotonic() + seconds
    while not (what := happened()):
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)
    return what


def processes(folder: Path, command: str = "") -> list[int]:
    """The plugin's processes that work in a folder; once `serve` has forked, all bear names of their own."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().split("\0")
            name = (process / "comm").read_text().strip()
            place = (process / "cwd").resolve()
        except OSError:
            continue  # it has just ended
        if place == folder and "plugin.cli" in words:
            does = name.removeprefix("m365-") if name.startswith("m365-") else words[words.index("plugin.cli") + 1]
            does = "serve" if does == "unblock" else does
            if does.startswith(command):
                found.append(int(process.name))
    return found


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """Starts the command in a folder of its own, as a terminal does: one that Ctrl-C ends."""
    started = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it

    def demo(*words: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "plugin.cli", "demo", *words],
                cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
            )
        )  # fmt: skip
        return started[-1]

    yield demo
    signal.signal(signal.SIGINT, before)
    for process in started:
        process.kill()
        process.communicate()
    for left in processes(tmp_path):
        os.kill(left, signal.SIGKILL)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage(tmp_path_factory.mktemp("stage"), (0, 0, 0)) as stage:
        yield stage


# ── how it ends ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", ["serve", "w"])
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_demo_that_is_ended_while_it_starts_leaves_nothing_running(
    demo: Demo, tmp_path: Path, ending: signal.Signals, command: str
) -> None:
    running = demo("--once")
    until(lambda: processes(tmp_path, command))
    running.send_signal(ending)
    running.communicate(timeout=25)
    until(lambda: not processes(tmp_path))
    assert running.returncode == (-ending if ending is signal.SIGKILL else 130)


def test_a_plugin_that_ends_by_itself_is_told_and_ends_the_story(demo: Demo, tmp_path: Path) -> None:
    running = demo("--once")
    assert running.stdout is not None
    until(lambda: "files ticket" in running.stdout.readline())
    os.kill(processes(tmp_path, "serve")[0], signal.SIGKILL)
    said, _ = running.communicate(timeout=25)
    assert re.search(r"The plugin ended by itself\. Its log: \.demo/run-\w+/plugin\.log", said)
    assert running.returncode == 1


# ── its ports ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("offset", "what"), [(0, "the plugin"), (1, "the demo desk"), (2, "the demo tenant")])
def test_a_port_that_is_taken_is_named_with_who_wanted_it_and_the_way_out(
    demo: Demo, tmp_path: Path, offset: int, what: str
) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:  # where its neighbours stay free
        port = taken.getsockname()[1]
        running = demo("--port", str(port - offset))
        said, _ = running.communicate(timeout=25)
    assert said == (
        f"m365-unblock demo: port {port}, wanted for {what}, is not to be had: something else is using it.\n"
        "The demo takes three ports in a row; name the first of three free ones:  make demo PORT=9000\n"
    )
    assert running.returncode == 1
    assert not processes(tmp_path)


def test_the_demo_of_microsoft_365_takes_a_fourth_port(demo: Demo) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:  # where its neighbours stay free
        running = demo("--port", str(taken.getsockname()[1] - 3), "--tenant", "exchange_online")
        said, _ = running.communicate(timeout=25)
    assert "wanted for the demo of Microsoft 365, is not to be had" in said
    assert "The demo takes four ports in a row; name the first of four free ones:  make demo PORT=9000\n" in said
    assert running.returncode == 1


def test_a_port_without_two_more_after_it_is_refused(demo: Demo) -> None:
    running = demo("--port", "65534")
    said, _ = running.communicate(timeout=25)
    assert "65533" in said
    assert running.returncode == 2


# ── its files ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_runs_at_the_same_time_have_folders_of_their_own_and_the_next_clears_what_they_left(tmp_path: Path) -> None:
    place = tmp_path / "demo"
    with a_folder(place) as first:
        (first / "plugin.log").write_text("mine")
        with a_folder(place) as second:
            assert first != second
            assert (first / "plugin.log").read_text() == "mine"
        assert second.is_dir()
    with a_folder(place) as third:
        assert list(place.iterdir()) == [third]
        assert third.stat().st_mode & 0o077 == 0


# ── what it tells ────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_address_that_is_told_opens(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    show_doors(stage)
    addresses = re.findall(r"http://\S+", capsys.readouterr().out)
    assert len(addresses) == 5
    for address in addresses:
        assert requests.get(address, timeout=5).status_code == 200, address


def test_the_web_process_says_in_its_log_where_it_listens(stage: Stage) -> None:
    assert f"web.listening at={stage.plugin_url}" in stage.log.read_text("utf-8")


def test_visitors_are_told_whom_to_try_and_when_the_plugin_ends_by_itself(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    until(lambda: "worker.started" in stage.end_of_log())
    for pid in processes_of(stage):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not stage.is_plugin_running())
    assert stay(stage) == 1
    told = capsys.readouterr()
    assert COMPLAINT in told.out
    assert re.search(r"Bucky Badger +bucky\.badger@example\.edu$", told.out, re.MULTILINE)
    assert re.search(
        r"Philip Shed +philip\.shed@example\.edu +sign-in disabled: Compromised Account$", told.out, re.MULTILINE
    )
    assert "Fiona" not in told.out
    assert "the plugin ended by itself" in told.err
    assert "worker.started" in told.err


def processes_of(stage: Stage) -> list[int]:
    """The plugin of a stage."""
    return [
        pid for pid in processes(Path.cwd(), "serve") if str(stage.folder) in Path(f"/proc/{pid}/cmdline").read_text()
    ]


def test_the_text_to_paste_leads_for_each_of_them_to_the_panel(world: Any) -> None:
    blocked = [account for account in world.tenant.accounts() if account.listed]
    states = {}
    for account in blocked:
        states[account.netid] = world.only_case(world.file(email=account.addresses[0], text=COMPLAINT)).state
    assert states.pop("hrhold") is CaseState.REFER_TO_SECURITY
    assert set(states.values()) == {CaseState.CHECKLIST_OPEN}
    assert len(states) >= 6
