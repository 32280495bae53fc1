"""`make chaos`: many runs over all cores, or one told step by step.

python -m tests.chaos --seeds 2000 --minutes 30
python -m tests.chaos --seed 1234
"""

import argparse
import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import fields
from itertools import islice
from time import monotonic
from typing import Any

import click

from tests.chaos.kept import kept
from tests.chaos.run import Played, play
from tests.chaos.stage import stage

_held = ExitStack()
_stage: list[Any] = []


def _prepare() -> None:
    """Once in each process."""
    _stage.extend(_held.enter_context(stage()))


def _play(seed: int) -> Played:
    return play(seed, *_stage)


def main() -> int:
    """0 where every promise held."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--seed", type=int, help="play this one and tell its story")
    parser.add_argument("--seeds", type=int, default=2000, help="how many to play")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--minutes", type=float, default=60, help="begin no run after so long")
    chosen = parser.parse_args()
    if chosen.seed is not None:
        return _tell(chosen.seed)
    return _play_many([*kept(), *range(chosen.first, chosen.first + chosen.seeds)], chosen.minutes)


def _tell(seed: int) -> int:
    _prepare()
    with _held:
        played = _play(seed)
    click.echo("\n".join(played.story))
    click.echo(f"\nseed {seed}, story {played.digest}: {_sum([played])}")
    for broken in played.broken:
        click.echo(f"BROKEN: {broken}")
    return 1 if played.broken else 0


def _play_many(seeds: list[int], minutes: float) -> int:
    began, played = monotonic(), []
    failed = 0
    for run in _over_all_cores(seeds, began + minutes * 60):
        played.append(run)
        if run.broken:
            failed += 1
            click.echo(f"seed {run.seed} breaks {len(run.broken)} promises; replay it by:  make chaos SEED={run.seed}")
            for broken in run.broken[:5]:
                click.echo(f"    {broken}")
        if len(played) % 100 == 0 or len(played) == len(seeds):
            click.echo(f"{len(played)} of {len(seeds)} runs in {monotonic() - began:.0f} s, {failed} failed")
    if len(played) < len(seeds):
        click.echo(f"stopped after {minutes:g} minutes")
    click.echo(f"{len(played)} runs, {failed} failed: {_sum(played)}")
    return 1 if failed else 0


def _over_all_cores(seeds: list[int], until: float) -> Iterator[Played]:
    cores = os.cpu_count() or 1
    waiting = iter(seeds)
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn"), _prepare) as pool:
        at_work: set[Future[Played]] = {pool.submit(_play, seed) for seed in islice(waiting, 2 * cores)}
        while at_work:
            done, at_work = wait(at_work, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
                if monotonic() < until:
                    at_work |= {pool.submit(_play, seed) for seed in islice(waiting, 1)}


def _sum(played: list[Played]) -> str:
    counted = [field.name for field in fields(Played) if field.type is int and field.name != "seed"]
    return ", ".join(f"{sum(getattr(run, name) for run in played)} {name}" for name in counted)


if __name__ == "__main__":
    sys.exit(main())
