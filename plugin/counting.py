"""What each process counts as it goes by: requests to other systems, and deliveries.

Web and worker are processes of their own, so what they count lies in files of one folder, and whoever is asked adds
all of them up (the multi-process mode of prometheus_client). The library would name the files after process ids, which
grow in number with every start and are the same in two containers. Here a process takes the lowest number that no
living one has, by a lock on a file, and goes on counting where the last one of that number was ended. Who starts while
none lives empties the folder.

Counting never keeps the program from its work: where the folder cannot be used, a process counts for itself.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO, Any

from prometheus_client import CollectorRegistry, Counter, Histogram, values
from prometheus_client.multiprocess import MultiProcessCollector

from plugin.log import log
from plugin.model import Call

KINDS = ("counter", "histogram")
"""The library has a file for each kind of metric, such as ``counter_1.db``."""

FILE_SIZE = 256 * 1024
"""Bytes reserved for a file at once. The library would leave them to the moment of writing, which ends the process by
SIGBUS if the disk is full by then."""

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds; an answer may take 30


class Counts:
    """Counters of this process, and in `registry` those of all processes that share a folder with it.

    `folder`: where they are shared; None counts for this process only. At most one a process may share.
    """

    def __init__(self, process: str, folder: Path | None = None) -> None:
        self._process = process
        self.registry = CollectorRegistry()
        own = None if folder is not None and self._share(folder) else self.registry
        self._requests = Histogram(
            "m365_unblock_request_seconds",
            "Requests to other systems, by outcome: the class of the answer's status, or none.",
            ["system", "outcome", "process"],
            buckets=BUCKETS,
            registry=own,
        )
        self._deliveries = Counter(
            "m365_unblock_deliveries",
            "Deliveries, by what became of them.",
            ["source", "outcome", "status"],
            registry=own,
        )

    def _share(self, folder: Path) -> bool:
        """Have everything counted from here on in a folder; False where that cannot be."""
        try:
            number, self._slot = take_slot(folder)
        except OSError as error:
            why = f"{error.strerror}; see [store] metrics_folder in the settings"
            log("metrics.not_shared", logging.ERROR, folder=folder, error=why)
            return False
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # the library looks for it there
        values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]
        MultiProcessCollector(self.registry)  # type: ignore[no-untyped-call]
        return True

    def requested(self, call: Call) -> None:
        """A request to another system was answered, or failed."""
        with suppress(OSError):
            self._requests.labels(call.system, _outcome(call.status), self._process).observe(call.seconds)

    def delivered(self, source: str, outcome: str, status: int) -> None:
        """A delivery was answered."""
        with suppress(OSError):
            self._deliveries.labels(source, outcome, status).inc()


def _outcome(status: int | None) -> str:
    match status:
        case None:
            return "none"
        case 429:
            return "429"
        case _:
            return f"{status // 100}xx"


def take_slot(folder: Path) -> tuple[int, IO[Any]]:
    """A number that no other living process has in this folder, for as long as the file is open; its files are there.

    `OSError` where the folder or its files cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone_in(folder):
        taken = {int(file.stem) for file in folder.glob("*.lock") if file.stem.isdigit() and not _is_free(file)}
        if not taken:
            for file in folder.glob("*.db"):
                file.unlink()
        number = next(number for number in count(1) if number not in taken)
        for kind in KINDS:
            _reserve(folder / f"{kind}_{number}.db")
        slot = (folder / f"{number}.lock").open("w")
        fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return number, slot


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    with (folder / "folder.lock").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


def _is_free(file: Path) -> bool:
    with file.open("w") as slot:
        try:
            fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _reserve(file: Path) -> None:
    with file.open("ab") as opened:
        os.posix_fallocate(opened.fileno(), 0, FILE_SIZE)
