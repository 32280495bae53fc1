"""The locks on PostgreSQL: one holder at a time over all processes, gone with the connection however it ends."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from plugin.errors import StorageError
from plugin.store.locks import KEEPALIVE, MOST_WORKERS, SHOWN_AS, Locks, held, open_locks, take_name
from tests.postgresql import Cluster

pytestmark = pytest.mark.real


@pytest.fixture
def new_locks(postgresql: str) -> Iterator[Callable[[], Locks]]:
    """The locks as each process has them."""
    opened: list[Locks] = []

    def new() -> Locks:
        opened.append(open_locks(postgresql))
        return opened[-1]

    yield new
    for locks in opened:
        locks.close()


def holders(address: str) -> list[int]:
    """The server's processes that hold advisory locks."""
    with psycopg.connect(address) as connection:
        of_ours = "datname = current_database() AND application_name = %s"
        query = f"SELECT pid FROM pg_stat_activity WHERE {of_ours}"
        return [int(pid) for (pid,) in connection.execute(query.encode(), [SHOWN_AS])]


def cut(address: str) -> None:
    """End the connections that hold locks."""
    pids = holders(address)
    with psycopg.connect(address, autocommit=True) as connection:
        for pid in pids:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_lock_has_one_holder_whoever_asks_until_it_is_given_back(new_locks: Callable[[], Locks]) -> None:
    mine, other = new_locks(), new_locks()
    assert mine.take("leader")
    assert not mine.take("leader")  # nor again by the one that has it
    assert not other.take("leader")
    assert other.take("something else")
    mine.free("leader")
    assert other.take("leader")
    assert not mine.take("leader")


def test_what_is_closed_or_held_for_a_block_is_free_afterwards(new_locks: Callable[[], Locks]) -> None:
    mine, other = new_locks(), new_locks()
    with held(mine, "alone") as is_ours, held(other, "alone") as is_theirs:
        assert (is_ours, is_theirs) == (True, False)
    assert other.take("alone")
    assert mine.take("leader")
    mine.close()
    assert other.take("leader")


def test_every_worker_has_a_name_of_its_own_and_a_freed_one_is_taken_again(
    new_locks: Callable[[], Locks], postgresql: str
) -> None:
    first, second, third = (new_locks() for _ in range(3))
    assert [take_name(locks, postgresql) for locks in (first, second, third)] == ["worker-1", "worker-2", "worker-3"]
    second.close()
    assert take_name(new_locks(), postgresql) == "worker-2"
    assert MOST_WORKERS >= 64


def test_who_has_lost_the_connection_is_told_and_given_nothing_more(
    new_locks: Callable[[], Locks], postgresql: str
) -> None:
    mine, other = new_locks(), new_locks()
    assert mine.take("worker-1")
    assert mine.are_held()
    cut(postgresql)
    assert other.take("worker-1")
    assert not mine.are_held()
    with pytest.raises(StorageError, match="gone"):
        mine.take("worker-2")
    assert other.take("worker-2")


def test_locks_of_another_database_of_the_same_server_are_others(
    new_locks: Callable[[], Locks], cluster: Cluster, postgresql: str
) -> None:
    elsewhere = open_locks(cluster.new_database())
    assert new_locks().take("worker-1")
    assert elsewhere.take("worker-1")
    elsewhere.close()


def test_the_server_looks_after_a_silent_worker_within_half_a_minute(
    new_locks: Callable[[], Locks], postgresql: str
) -> None:
    """Its side gives the locks back when the worker's machine is gone; ours has given up by then."""
    names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
    with psycopg.connect(postgresql, **KEEPALIVE) as connection:  # type: ignore[arg-type]
        idle, interval, count, unheard = (
            int(connection.execute("SELECT setting FROM pg_settings WHERE name = %s", [name]).fetchone()[0])  # type: ignore[index]
            for name in names
        )
    theirs, ours = max(idle + interval * count, unheard / 1000), KEEPALIVE["tcp_user_timeout"]
    assert 0 < theirs <= 30
    assert isinstance(ours, int)
    assert ours / 1000 < theirs
