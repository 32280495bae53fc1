"""A folder for each run of the demo. Several may run at once; what an ended one left is there until the next begins."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp


@contextmanager
def a_folder(place: Path) -> Iterator[Path]:
    """A new folder under a place, for our own user only; it is kept afterwards, for its logs."""
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as ours:
        with _locked(place, fcntl.LOCK_EX):  # so that nobody clears away what another has only just made
            _clear(place)
            folder = Path(mkdtemp(prefix="run-", dir=place))
            ours.enter_context(_locked(folder, fcntl.LOCK_EX))
        yield folder


def _clear(place: Path) -> None:
    """Remove what ended runs left behind; the system gives up a run's lock however it ends."""
    for folder in place.iterdir():
        if folder.is_dir():
            with suppress(BlockingIOError), _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)
