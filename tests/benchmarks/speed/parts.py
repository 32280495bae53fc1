"""What is measured, a function a part; each gives its figures. The goals are those of the project's issue on speed."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from statistics import median

from plugin.app import Parts
from plugin.model import Case, CaseState
from plugin.naming import follow_up
from plugin.settings import load
from tests.benchmarks.speed import filling, pages
from tests.benchmarks.speed.place import Place, waits, warm_up
from tests.benchmarks.speed.processes import SECRET, Hello, Plugin, wait_until
from tests.benchmarks.speed.sending import events, percentiles, send_at_once, send_at_rate
from tests.benchmarks.speed.table import Figure, at_least, at_most, told

AT_ONCE = 2000
ROUNDS = 5
SETTLE = 4.0  # seconds until a started process has come to rest
WAITING = 10_000


def acks(place: Place) -> Iterator[Figure]:
    """2,000 events at once, beside hello in turn; then once more with the worker at the notes meanwhile."""
    with Hello(place.folder) as hello:
        bare, ours, shares = [], [], []
        with place.plugin(what="web") as web:
            send_at_once(web.port, events(200, "blocked", SECRET))
            for _ in range(ROUNDS):
                one = send_at_once(hello.port, events(AT_ONCE, "blocked", SECRET))
                two = send_at_once(web.port, events(AT_ONCE, "blocked", SECRET))
                bare.append(one.per_second)
                ours.append(two.per_second / one.per_second)
                shares.append((one.own_share, two.own_share))
    with place.plugin() as plugin:
        busy = send_at_once(plugin.port, events(AT_ONCE, "blocked", SECRET)).per_second
    yield told("hello: answers a second", f"{median(bare):.0f}")
    yield told(
        "the sender's share of a core, at hello and at ours",
        " and ".join(f"{median(s):.2f}" for s in zip(*shares, strict=True)),
    )
    yield at_least("acks, of hello's (aiming at 0.55)", median(ours), 0.35, "", 2)
    yield told("the same while the worker is at the notes, of hello's", f"{busy / median(bare):.2f}")


def latency(place: Place) -> Iterator[Figure]:
    """100 events a second for ten seconds while notes are being posted, three times."""
    p50s, p99s = [], []
    for _ in range(3):
        with place.plugin() as plugin:
            warm_up(place, plugin)
            send_at_once(plugin.port, events(100, "blocked", SECRET))
            sent = send_at_rate(plugin.port, events(1000, "blocked", SECRET), 100)
        p50, p99 = percentiles(sent.took)
        p50s.append(p50)
        p99s.append(p99)
    yield told("ack p50 at 100 events/s while notes are posted", f"{median(p50s):.1f} ms")
    yield at_most("ack p99 at 100 events/s while notes are posted", median(p99s), 20, "ms", 1)


def notes(place: Place) -> Iterator[Figure]:
    """The way from the webhook to the note at 20 events/s, and how many notes a burst gets in a second."""
    with place.plugin() as plugin:
        warm_up(place, plugin)
        sent_events = events(300, "blocked", SECRET)
        sent = send_at_rate(plugin.port, sent_events, 20)
        p50, p99 = waits(sent, place.await_notes(sent_events, 60))
        yield at_most("webhook to note p50 at 20 events/s", p50, 60, "ms")
        yield at_most("webhook to note p99 at 20 events/s", p99, 200, "ms")
    for milliseconds in (0, 50):
        with place.plugin() as plugin:
            warm_up(place, plugin)
            with place.slow_apis(milliseconds / 1000):
                burst = place.notes_of_burst(plugin, place.burst)
        yield at_least(f"notes/s, APIs at {milliseconds} ms (aiming at 321)", burst.per_second, 200, "")
        yield told(
            "  calls of the APIs an event; CPU of the plugin an event",
            f"{burst.calls:.1f}; {burst.plugin_cpu * 1000:.1f} ms",
        )
        yield told("  the stub's share of a core", f"{burst.stub_share:.2f}")


def ordinary(place: Place) -> Iterator[Figure]:
    """The CPU of tickets that are not ours: an ordinary question, its whole text in the event."""
    with place.plugin() as plugin:
        warm_up(place, plugin)
        time.sleep(SETTLE)
        idle = _cpu_within(plugin, lambda: time.sleep(5)) / 5
        many = 500
        seconds = many / 50 + 2

        def work() -> None:
            send_at_rate(plugin.port, events(many, "ordinary", SECRET), 50)
            time.sleep(2)

        busy = _cpu_within(plugin, work)
    yield at_most(
        "CPU of a ticket that is not ours, at 50 a second", (busy - idle * seconds) / many * 1000, 2.5, "ms", 1
    )


def idle(place: Place) -> Iterator[Figure]:
    """Start, and rest after it."""
    firsts, webs, alls = [], [], []
    for _ in range(3):
        with place.plugin() as plugin:
            firsts.append(plugin.all_ready_after)
        with Plugin(plugin.config.parent, place.stub.port) as plugin:
            webs.append(plugin.web_ready_after)
            alls.append(plugin.all_ready_after)
            time.sleep(SETTLE)
            pss = plugin.pss()
            each = " + ".join(f"{size:.0f}" for size in plugin.each_pss())
            cpu = _cpu_within(plugin, lambda: time.sleep(10)) * 10
    yield at_most("ready after the start", median(webs), 1.5, "s", 2)
    yield told("  with the worker at work; at the very first start", f"{median(alls):.2f} s; {median(firsts):.2f} s")
    yield at_most("idle memory (PSS) of all processes together", pss, 120, "MB")
    yield told("  each: command, web, worker", each)
    yield at_most("idle CPU, of a core", cpu, 2, "%", 1)


def waiting(place: Place) -> Iterator[Figure]:
    """Cases that wait for their 24 hours: what they add to a plugin at rest, started anew."""
    with place.plugin() as plugin:
        warm_up(place, plugin)
    folder = plugin.config.parent
    before = _pss_at_rest(place, plugin)
    parts = Parts(load(plugin.config, {}))
    now = datetime.now(UTC)
    with parts.casework.store.change() as change:
        for number in range(WAITING):
            case = Case(
                id=f"waiting{number}", source="desk", ticket=f"w-{number}", account=f"w-{number}",
                state=CaseState.UNBLOCKED, round=1, opened_by="bench", created_at=now, updated_at=now, version=1,
                unblocked_at=now, escalate_after=now + timedelta(hours=24),
            )  # fmt: skip
            change.add_case(case)
            change.put_task(follow_up(case))
    with Plugin(folder, place.stub.port):
        wait_until("all waits are handed to the engine", lambda: not parts.casework.store.waiting_tasks(1), 300)
    after = _pss_at_rest(place, plugin)
    yield at_most("10,000 cases that wait add", after - before, 10, "MB", 1)


def flat(place: Place) -> Iterator[Figure]:
    """An event on empty databases and on full ones, in turn; then the pages on the full ones."""
    yield from _flat(place, lambda: "")


def flat_postgresql(place: Place) -> Iterator[Figure]:
    """The same on PostgreSQL."""
    from tests.postgresql import Cluster

    cluster = Cluster()
    try:
        yield from _flat(place, cluster.new_database)
    finally:
        cluster.close()


def _flat(place: Place, new_database: Callable[[], str]) -> Iterator[Figure]:
    with place.plugin(database=new_database()) as empty:
        database = new_database()
        with place.plugin(database=database) as full:
            place.notes_of_burst(full, 1)
            time.sleep(1)
        settings = load(full.config, {})
        begun = time.monotonic()
        filling.fill(settings, deliveries=place.deliveries, cases=place.cases)
        filled = time.monotonic() - begun
        with Plugin(full.config.parent, place.stub.port, database=database) as full:
            ratios, delays = [], []
            for plugin in (empty, full):
                warm_up(place, plugin)
            for _ in range(ROUNDS):
                (cpu, delay), (cpu_full, delay_full) = _event_at(place, empty), _event_at(place, full)
                ratios.append(cpu_full / cpu)
                delays.append(delay_full / delay)
            times = pages.times(full, load(full.config, {}))
    yield told(f"filled with {place.deliveries:,} deliveries and {place.cases:,} cases in", f"{filled:.0f} s")
    yield at_most("CPU of an event there, of that on empty databases", median(ratios), 1.2, "", 2)
    yield at_most("webhook to note p50 there, of that on empty databases", median(delays), 1.2, "", 2)
    for what, seconds in times.items():
        yield at_most(f"{what} there", seconds * 1000, 100, "ms")


def workers(place: Place) -> Iterator[Figure]:
    """Notes a second on PostgreSQL by the number of workers."""
    from tests.postgresql import Cluster

    cluster = Cluster()
    try:
        for milliseconds in (0, 50):
            for many in (1, 2, 4):
                with place.plugin(workers=many, database=cluster.new_database(), calls=16) as plugin:
                    warm_up(place, plugin)
                    with place.slow_apis(milliseconds / 1000):
                        burst = place.notes_of_burst(plugin, place.burst)
                yield told(f"PostgreSQL, {many} workers, APIs at {milliseconds} ms: notes/s", f"{burst.per_second:.0f}")
    finally:
        cluster.close()


def _event_at(place: Place, plugin: Plugin) -> tuple[float, float]:
    """CPU and p50 of the way to the note, at 10 events a second."""
    many = 50
    sent_events = events(many, "blocked", SECRET)
    before = plugin.cpu()
    sent = send_at_rate(plugin.port, sent_events, 10)
    p50, _ = waits(sent, place.await_notes(sent_events, 30))
    time.sleep(0.5)
    return plugin.cpu() - before, p50


def _cpu_within(plugin: Plugin, work: Callable[[], None]) -> float:
    before = plugin.cpu()
    work()
    return plugin.cpu() - before


def _pss_at_rest(place: Place, plugin: Plugin) -> float:
    with Plugin(plugin.config.parent, place.stub.port) as anew:
        time.sleep(SETTLE)
        return anew.pss()


PARTS = {
    "acks": acks,
    "latency": latency,
    "notes": notes,
    "ordinary": ordinary,
    "idle": idle,
    "waiting": waiting,
    "flat": flat,
    "workers": workers,
    "flat-postgresql": flat_postgresql,
}
