"""What costs while a part is measured: a flame graph a process, drawn from outside by py-spy, and the most in words.

Counted is where Python computes (py-spy's ``--gil``): what waits, for a disk or an answer, is not in it.
"""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from html import unescape
from pathlib import Path

RATE = 200  # samples a second
PATIENCE = 60.0  # seconds for drawing, once a process has ended
MOST = 12  # functions that are told
FRAME = re.compile(r"<title>([^<]+?) \(((?:plugin|webhooks)/[\w/.]+):\d+\) \([\d,]+ samples, ([\d.]+)%\)</title>")


class Profile:
    """Of processes that run; each is drawn when it ends."""

    def __init__(self, folder: Path, title: str, processes: Sequence[int]) -> None:
        self._drawn: dict[str, tuple[Path, subprocess.Popen[bytes]]] = {}
        for process in processes:
            name = Path(f"/proc/{process}/comm").read_text().strip().removeprefix("m365-")
            if name == "unblock":
                continue  # the command, which has nothing to do
            file = folder / f"{title}-{name}.svg"
            command = [Path(sys.executable).with_name("py-spy"), "record", "--gil", "--function", "--nonblocking"]
            where = ["--rate", str(RATE), "--pid", str(process), "--output", file]
            log = file.with_suffix(".log").open("wb")
            self._drawn[name] = file, subprocess.Popen([*command, *where], stdout=log, stderr=log)
            log.close()

    def lines(self) -> Iterator[str]:
        """Where the graphs are, and our own functions that take the most, with all that they call."""
        for name, (file, recorder) in self._drawn.items():
            try:
                recorder.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                recorder.kill()
            if not file.is_file():
                why = file.with_suffix(".log").read_text().strip() or "py-spy said nothing"
                yield f"  {name}: no profile; where only root may look into other processes, run this as root. {why}"
                continue
            file.with_suffix(".log").unlink()
            yield f"  {name}: {file}"
            for function, share in shares(file.read_text()).most_common(MOST):
                yield f"    {share:5.1f} %  {function}"


def shares(graph: str) -> Counter[str]:
    """Per cent of what was counted, by function of ours, in a flame graph."""
    found: Counter[str] = Counter()
    for function, file, share in FRAME.findall(graph):
        found[f"{unescape(function)} ({file})"] += float(share)
    return found
