"""How fast triage is, in processor time of one core: `python -m tests.benchmarks.triage`; 1 where it is too slow.

The figures depend on the machine and on what else runs on it; they are no part of the tests.
"""

import json
import sys
import time
from collections.abc import Iterator

from plugin.model import AttachedFile, Said, TicketText
from plugin.triage import triage
from plugin.triage.documents import of_record
from tests.benchmarks.hostile import Hostile, hostile
from tests.triage.scoring import DOMAINS, HERE

AT_LEAST = 1_500  # tickets a second
AT_MOST = 0.25  # seconds for any input
ROUNDS = 12


def speed() -> float:
    """Tickets a second over the examples, the best of some rounds."""
    lines = (HERE / "examples.jsonl").read_text("utf-8").splitlines()
    tickets = [of_record(json.loads(line)) for line in lines]
    best = min(_seconds(tickets) for _ in range(ROUNDS + 1))
    return len(tickets) / best


def _seconds(tickets: list[TicketText]) -> float:
    started = time.process_time()
    for ticket in tickets:
        triage(ticket, DOMAINS)
    return time.process_time() - started


def slowest() -> list[tuple[float, str]]:
    """Seconds that each hostile ticket takes, the slowest first."""
    return sorted(((_seconds([ticket]), name) for name, ticket in _tickets()), reverse=True)


def _tickets() -> Iterator[tuple[str, TicketText]]:
    crowd: list[Said] = []
    for one in hostile():
        said = Said(text=one.text, files=_files(one))
        crowd.append(said)
        yield one.name, TicketText(subject=one.subject, said=(said,))
    for start in range(0, len(crowd), 30):
        yield f"all at once, from {start}", TicketText(subject="", said=tuple(crowd[start : start + 30]))


def _files(one: Hostile) -> tuple[AttachedFile, ...]:
    return (AttachedFile(filename="a", content_type=one.kind, content=one.content),) if one.content else ()


if __name__ == "__main__":
    rate = speed()
    sys.stdout.write(f"{rate:,.0f} tickets a second (at least {AT_LEAST:,})\n")
    times = slowest()
    for seconds, name in times[:10]:
        sys.stdout.write(f"{seconds * 1000:6.0f} ms  {name}\n")
    sys.stdout.write(
        f"{len(times)} hostile tickets, the slowest {times[0][0] * 1000:.0f} ms (at most {AT_MOST * 1000:.0f})\n"
    )
    sys.exit(0 if rate >= AT_LEAST and times[0][0] <= AT_MOST else 1)
