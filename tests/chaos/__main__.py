"""`make chaos`: many runs over all cores, or one told step by step.

python -m tests.chaos --seeds 2000 --minutes 30
python -m tests.chaos --seed 1234
"""

import argparse
import sys
from dataclasses import fields
from time import monotonic

import click

from tests.chaos.kept import kept
from tests.chaos.players import play_many, play_one
from tests.chaos.run import Played


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
    played = play_one(seed)
    click.echo("\n".join(played.story))
    click.echo(f"\nseed {seed}, story {played.digest}: {_sum([played])}")
    for broken in played.broken:
        click.echo(f"BROKEN: {broken}")
    return 1 if played.broken else 0


def _play_many(seeds: list[int], minutes: float) -> int:
    began, played = monotonic(), []
    failed = 0
    for run in play_many(seeds, began + minutes * 60):
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


def _sum(played: list[Played]) -> str:
    counted = [field.name for field in fields(Played) if field.type is int and field.name != "seed"]
    return ", ".join(f"{sum(getattr(run, name) for run in played)} {name}" for name in counted)


if __name__ == "__main__":
    sys.exit(main())
