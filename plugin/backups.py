"""Backup of the databases, and what is to be known and said once they were put back.

A backup is as of one moment; what was done after it the databases no longer know. Notes can be looked for on their
tickets, and events come back by the catch-up scan. Unblocks cannot be looked for: rule 4 then needs a named agent.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from plugin import rules
from plugin.casework import Casework
from plugin.errors import SettingsError, StorageError
from plugin.model import CaseState
from plugin.settings import Settings
from plugin.store import backup
from plugin.store.locks import Locks, worker_names

PRESSED = "Unblock had been pressed when the backup was made; whether Microsoft was asked since is not known."


def back_up(settings: Settings, folder: Path) -> Iterator[str]:
    """Copy the databases while everything runs, and say how to put them back.

    Cases first and deliveries second: an event that the copy of cases knows as relayed must be in the copy of
    deliveries, or its number would be used again for one that the relay then passes over. The other way round it is
    only relayed again, or for the first time. The engine's database is made anew out of the tasks.
    """
    cases, deliveries = _file("cases", settings.cases_url), _file("deliveries", settings.deliveries_url)
    copies = {cases: folder / "cases.sqlite"}
    if deliveries != cases:
        copies[deliveries] = folder / "deliveries.sqlite"
    _make(folder)
    for into in copies.values():
        if into.exists():
            raise StorageError(f"{into} is there already and is not overwritten; name another folder")
    made: list[Path] = []
    try:
        for file, into in copies.items():
            backup.copy(file, into)
            made.append(into)
            yield f"{into} ({into.stat().st_size:,} bytes)"
    except StorageError:
        for half in made:  # one without the other is no backup
            backup.remove(half)
        raise
    yield "To put it back: stop web and worker, then"
    for file, into in copies.items():
        yield f"  rm -f {file} {file}-wal {file}-shm && cp {into.resolve()} {file}"
    yield "  m365-unblock db restored"
    yield "and start them again. Keep the settings file and the secrets apart: they are not in it."


def make_sure_that_nothing_runs(settings: Settings, locks: Locks) -> None:
    """`SettingsError` or `StorageError` if a process is at work on these databases."""
    for name in worker_names(settings.engine_url):
        if not locks.take(name):
            raise SettingsError(f"{name} is running on these databases; stop web and worker first")
    for url in (settings.cases_url, settings.deliveries_url):
        if (file := backup.file_of(url)) is not None:
            backup.make_sure_that_nobody_has_open(file)


def put_back(work: Casework, settings: Settings) -> Iterator[str]:
    """Make databases that were put back fit to be worked on; changes nothing more when run twice. Asks for nothing."""
    now, cautioned = work.clock(), 0
    pressed = work.store.cases_in({CaseState.UNBLOCKING})
    with work.store.change() as change:
        for case in pressed:
            unknown = replace(case, state=CaseState.OUTCOME_UNKNOWN, reason=f"{PRESSED} {rules.PUT_BACK}")
            work.save_in(change, unknown, PRESSED)
        for case in work.store.cases_in(rules.PRESSING):
            warned = rules.cautioned(case, now)
            if warned != case:
                work.save_in(change, warned, rules.PUT_BACK)
                cautioned += 1
        tasks = change.put_back(now)
    yield f"Cases that were being unblocked: {len(pressed)}. They are “{CaseState.OUTCOME_UNKNOWN}” now; agents decide."
    yield f"Other cases in which Unblock can be pressed: {cautioned}. They say what is not known here."
    yield f"Tasks to begin again: {tasks}. Notes are looked for on their tickets before they are posted."
    engine = backup.file_of(settings.engine_url)
    if engine is None:
        yield "Unless the engine's database comes from the same dump, empty it now: DROP SCHEMA dbos CASCADE"
    elif backup.remove(engine):
        yield f"The engine's database {engine} is deleted; the worker makes it anew."
    yield "Now start web and worker. The catch-up scan brings what came in after the backup."


def _file(name: str, url: str) -> Path:
    file = backup.file_of(url)
    if file is None:
        raise SettingsError(
            f"[store] {name}_url is a PostgreSQL database: back it up with pg_dump, as docs/operations.md says"
        )
    return file


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageError(f"cannot make the folder {folder}: {error.strerror}") from error
