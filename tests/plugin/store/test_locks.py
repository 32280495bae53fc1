"""Locks on SQLite: one worker by a file, and one thread at a time within it. PostgreSQL has tests of its own."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from plugin.errors import SettingsError
from plugin.store.locks import MOST_WORKERS, FileLocks, held, open_locks, take_name, worker_names

HOLD = """
import sys
from plugin.store.locks import open_locks
locks = open_locks(sys.argv[1])
locks.take("worker-1")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'engine.sqlite'}"


@pytest.fixture
def locks(url: str) -> Iterator[FileLocks]:
    locks = open_locks(url)
    assert isinstance(locks, FileLocks)
    yield locks
    locks.close()


def test_lock_is_given_once_until_it_is_freed(locks: FileLocks) -> None:
    assert locks.take("leader")
    assert not locks.take("leader")
    assert locks.take("another")
    locks.free("leader")
    assert locks.take("leader")


def test_lock_that_was_never_taken_may_be_freed(locks: FileLocks) -> None:
    locks.free("leader")
    assert locks.take("leader")


def test_of_many_threads_one_gets_the_lock(locks: FileLocks) -> None:
    together = threading.Barrier(8, timeout=10)

    def take(_number: int) -> bool:
        together.wait()
        return locks.take("leader")

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 1


def test_block_holds_the_lock_and_frees_only_what_it_has_taken(locks: FileLocks) -> None:
    with held(locks, "alone") as is_ours:
        assert is_ours
        with held(locks, "alone") as is_ours_too:
            assert not is_ours_too
        assert not locks.take("alone")
    with pytest.raises(LookupError), held(locks, "alone"):
        raise LookupError
    assert locks.take("alone")


def test_locks_are_held_from_the_first_one_until_the_end(locks: FileLocks) -> None:
    assert not locks.are_held()
    locks.take("worker-1")
    assert locks.are_held()
    locks.close()
    assert not locks.are_held()
    assert locks.take("worker-1")


def test_second_worker_is_refused_as_long_as_the_first_one_lives_and_told_what_to_do(
    url: str, locks: FileLocks
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(SettingsError, match=r"another worker is running on these databases .*stop it first"):
            locks.take("worker-1")
        other.kill()  # however it ends, its lock ends with it
        other.wait(10)
        assert locks.take("worker-1")


def test_place_where_no_lock_can_be_kept_is_named(tmp_path: Path) -> None:
    locks = open_locks(f"sqlite:///{tmp_path / 'nowhere' / 'engine.sqlite'}")
    with pytest.raises(SettingsError, match=r"nowhere/engine\.lock, which makes sure of one worker: No such file"):
        locks.take("worker-1")


def test_there_is_one_worker_on_sqlite_and_many_on_postgresql(url: str) -> None:
    assert list(worker_names(url)) == ["worker-1"]
    names = list(worker_names("postgresql://db.example.edu/m365"))
    assert (len(names), len(set(names)), names[0]) == (MOST_WORKERS, MOST_WORKERS, "worker-1")


def test_worker_takes_the_first_name_that_is_free_and_is_told_where_none_is(url: str, locks: FileLocks) -> None:
    assert take_name(locks, url) == "worker-1"
    with pytest.raises(SettingsError, match="another worker is running"):
        take_name(locks, url)
    many = "postgresql://db.example.edu/m365"
    assert [take_name(locks, many) for _ in range(2)] == ["worker-2", "worker-3"]
