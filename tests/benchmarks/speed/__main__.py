"""`python -m tests.benchmarks.speed [--only acks,notes] [--full] [--profile FOLDER]`: figures beside their goals."""

import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.benchmarks.speed import sending, table
from tests.benchmarks.speed.parts import PARTS
from tests.benchmarks.speed.place import Place
from tests.benchmarks.speed.processes import Stub


@click.command()
@click.option("--only", default="", help=f"Some parts of {', '.join(PARTS)}, with commas.")
@click.option("--full", is_flag=True, help="1,000,000 deliveries and 100,000 cases where the databases are filled.")
@click.option("--burst", default=400, show_default=True, help="Events of a burst whose notes are waited for.")
@click.option(
    "--profile", type=click.Path(path_type=Path), help="A folder for flame graphs of web and worker, by part."
)
def main(only: str, full: bool, burst: int, profile: Path | None) -> None:
    """Measure what the plugin costs."""
    chosen = only.split(",") if only else list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        raise click.BadParameter(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    load = os.getloadavg()[0]
    if profile is not None:
        profile.mkdir(parents=True, exist_ok=True)
        click.echo("with profiles, which cost as well: the figures are not those of other runs")
    click.echo(f"Python {platform.python_version()}, {os.cpu_count()} cores, load before: {load:.1f}")
    with tempfile.TemporaryDirectory(prefix="m365-unblock-bench-") as temporary:
        folder = Path(temporary)
        with Stub(folder) as stub:
            click.echo(f"the stub's own limit: {_limit(stub):.0f} calls a second\n")
            size = (1_000_000, 100_000) if full else (100_000, 10_000)
            place = Place(folder=folder, stub=stub, deliveries=size[0], cases=size[1], burst=burst, profiles=profile)
            for name in chosen:
                begun = time.monotonic()
                stub.set()
                place.part, place.drawn = name, []
                click.echo(f"{name}: {' '.join((PARTS[name].__doc__ or '').split())}")
                for line in table.lines(PARTS[name](place)):
                    click.echo(line)
                for line in (line for drawn in place.drawn for line in drawn.lines()):
                    click.echo(line)
                click.echo(f"  ({time.monotonic() - begun:.0f} s, load {os.getloadavg()[0]:.1f})\n")


def _limit(stub: Stub) -> float:
    """Calls a second with nobody else at work, each over a connection of its own."""
    many = [
        sending.Event(ticket=str(n), request=b"GET /v1/accounts/x HTTP/1.1\r\nConnection: close\r\n\r\n")
        for n in range(2000)
    ]
    return sending.send_at_once(stub.port, many).per_second


if __name__ == "__main__":
    sys.exit(main())
