"""Plays seeds on all cores. Each process has a stage of its own, and finds what it is to do by this module's name."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from itertools import islice
from time import monotonic
from typing import Any

from tests.chaos.run import Played, play
from tests.chaos.stage import stage

_held = ExitStack()
_stage: list[Any] = []


def play_one(seed: int) -> Played:
    """In this process, whose stage stays for the next one."""
    if not _stage:
        _stage.extend(_held.enter_context(stage()))
    return play(seed, *_stage)


def play_many(seeds: Sequence[int], until: float) -> Iterator[Played]:
    """As they come to their end; none begins after a moment of the monotonic clock."""
    cores = os.cpu_count() or 1
    waiting = iter(seeds)
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        at_work: set[Future[Played]] = {pool.submit(play_one, seed) for seed in islice(waiting, 2 * cores)}
        while at_work:
            done, at_work = wait(at_work, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
                if monotonic() < until:
                    at_work |= {pool.submit(play_one, seed) for seed in islice(waiting, 1)}
