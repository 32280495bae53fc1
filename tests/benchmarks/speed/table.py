"""The figures as a table that is read beside its goals."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One figure. `goal` in words; `is_met` is None where there is none."""

    what: str
    value: str
    goal: str = ""
    is_met: bool | None = None


def at_most(what: str, value: float, goal: float, unit: str, digits: int = 0) -> Figure:
    """A figure that must not be above its goal."""
    shown = f"{value:.{digits}f} {unit}".strip()
    return Figure(what=what, value=shown, goal=f"at most {goal:g} {unit}".strip(), is_met=value <= goal)


def at_least(what: str, value: float, goal: float, unit: str, digits: int = 0) -> Figure:
    """A figure that must not be below its goal."""
    shown = f"{value:.{digits}f} {unit}".strip()
    return Figure(what=what, value=shown, goal=f"at least {goal:g} {unit}".strip(), is_met=value >= goal)


def told(what: str, value: str) -> Figure:
    """A figure without a goal, for reading the others."""
    return Figure(what=what, value=value)


def lines(figures: Iterable[Figure]) -> Iterable[str]:
    """A line a figure."""
    marks = {True: "✓", False: "✗", None: " "}
    for figure in figures:
        yield f"  {marks[figure.is_met]} {figure.what:<62} {figure.value:>16}   {figure.goal}".rstrip()
