"""The command while web and workers run: it begins anew what ends by itself, and ends all together.

For that it needs nothing of what they have loaded. So `mind` puts this file into the command's place, in the same
process: it imports a little of the standard library and nothing of ours, and takes 5 MB where the command took 40.
"""

import os
import signal
import sys
import time

TYPE_CHECKING = False  # `typing` loads more than all the rest
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENDS = frozenset({signal.SIGTERM, signal.SIGINT})
"""What a process is told to end by."""

HEARD = ENDS | {signal.SIGCHLD, signal.SIGALRM}
"""What is waited for; blocked from before the first child begins, so that none is missed."""

REST, LONGEST_REST = 1.0, 16.0
"""Seconds before a child that has ended by itself is begun again: each time twice as long, if it ends soon again."""

SOON = 10.0
"""Seconds."""

WRONG_SETTINGS = 78
"""EX_CONFIG of sysexits.h: the code of a child that would end again however often it is begun; ours is 2 then.

Python's own code is 2 where its file is missing, as it is for a moment while a new version is installed.
"""

Children = dict[int, tuple[str, int]]
"""By its process id, a child's name and our end of its standard input: it ends in order once that is closed."""


def mind(children: Children, command: list[str], *, ends_with_parent: bool) -> None:
    """Mind these children from now on, with `HEARD` blocked; does not return.

    A child is begun again by `command`, ``--only`` and its name. With `ends_with_parent` our own standard input says
    when to end, as theirs does.
    """
    known = []
    for process, (name, end) in children.items():
        os.set_inheritable(end, True)
        known.append(f"{name}:{process}:{end}")
    words = [str(int(ends_with_parent)), ",".join(known), *command]  # the command is last, for people who look at `ps`
    os.execv(sys.executable, [sys.executable, "-I", "-S", __file__, *words])  # noqa: S606 - our own file


class Minder:
    """What is left of the command."""

    def __init__(self, children: Children, command: list[str]) -> None:
        self._children = children
        self._command = command
        self._begun = {name: time.monotonic() for name, _ in children.values()}
        self._rests: dict[str, float] = {}  # how long the last one was
        self._due: dict[str, float] = {}  # when a child is begun again
        self._worst = 0
        self._is_stopping = False

    def run(self) -> int:
        """Until all have ended; 0 after an orderly stop, else the worst of their codes."""
        while self._children or self._due:
            if self._due:
                # Not 0, which would be never.
                signal.setitimer(signal.ITIMER_REAL, max(0.001, min(self._due.values()) - time.monotonic()))
            if signal.sigwait(HEARD) in ENDS:
                self._stop()
            for process, code in _ended():
                if process in self._children:  # others are adopted, by the first process of a container
                    self._after(process, code)
            for name in [name for name, due in self._due.items() if due <= time.monotonic()]:
                self._begin(name)
        return self._worst

    def _stop(self) -> None:
        """Each finishes what it has under way."""
        self._is_stopping = True
        self._due.clear()
        for process in self._children:
            os.kill(process, signal.SIGTERM)

    def _after(self, process: int, code: int) -> None:
        name, end = self._children.pop(process)
        os.close(end)
        if not self._is_stopping:
            _tell("process.ended", name=name, code=code)
            if code != WRONG_SETTINGS:
                self._begin_later(name)
                return
            self._stop()
        self._worst = max(self._worst, 2 if code == WRONG_SETTINGS else code)

    def _begin_later(self, name: str) -> None:
        now = time.monotonic()
        is_soon = now - self._begun[name] < SOON
        rest = min(2 * self._rests[name], LONGEST_REST) if is_soon and name in self._rests else REST
        self._rests[name], self._due[name] = rest, now + rest

    def _begin(self, name: str) -> None:
        del self._due[name]
        self._begun[name] = time.monotonic()
        try:
            process, end = self._spawned(name)
        except OSError as error:
            _tell("process.not_begun", name=name, error=repr(error.strerror))
            self._begin_later(name)
        else:
            self._children[process] = name, end

    def _spawned(self, name: str) -> tuple[int, int]:
        """A new child: its process id and our end of its standard input."""
        theirs, ours = os.pipe()
        try:
            process = os.posix_spawn(
                self._command[0],
                [*self._command, "--only", name],
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, theirs, 0)],
                setsigmask=(),
            )
        except OSError:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        return process, ours


def _ended() -> "Iterator[tuple[int, int]]":
    """The process ids and codes of the children that have ended, those that nobody knows among them.

    One by one: until it is asked for, a child has not gone, and may be sent a signal.
    """
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not process:
            return
        yield process, os.waitstatus_to_exitcode(status)


def _tell(event: str, **fields: object) -> None:
    """A line like all others of the log (`plugin.log`)."""
    now = time.time()
    moment = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(now))},{int(now % 1 * 1000):03}"
    told = " ".join(f"{name}={value}" for name, value in fields.items())
    try:  # noqa: SIM105 - `contextlib` loads more than all the rest
        os.write(2, f"{moment} ERROR {event} {told}\n".encode())
    except OSError:
        pass  # nobody reads it any more


def be_called(name: str) -> None:
    """What `ps -o comm` and `top` call this process from now on."""
    try:
        with open("/proc/self/comm", "w") as comm:  # noqa: PTH123 - as for `contextlib`
            comm.write(name)
    except OSError:
        pass  # no Linux


def end_with_parent(tell: "Callable[[], object]") -> None:
    """End this process in order, as by SIGTERM, once its standard input ends, and `tell` of it before.

    The parent holds the other end, and the system closes that however it ends, by SIGKILL too.
    """
    import threading

    def watch() -> None:
        while os.read(0, 1024):
            pass
        tell()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def main() -> None:
    """Mind what the words of the command line tell (`mind`)."""
    ends_with_parent, known, *command = sys.argv[1:]
    children: Children = {}
    for each in known.split(","):
        name, process, end = each.split(":")
        children[int(process)] = name, int(end)
        os.set_inheritable(int(end), False)
    be_called("m365-unblock")
    if ends_with_parent == "1":
        end_with_parent(lambda: None)  # the children tell of theirs
    sys.exit(Minder(children, command).run())


if __name__ == "__main__":
    main()
