"""What the pictures show, in numbers and in lengths of their bars. Pure; the templates draw them as SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from statistics import quantiles

from flask_babel import lazy_gettext as _

from plugin.model import CaseState, Cause
from plugin.panel import states
from plugin.store.case_list import Release

DAYS = 30
HEIGHT, BAR, GAP = 120.0, 14.0, 6.0  # of the picture of days, in its own units

OUTCOMES = {
    "released": (_("Released"), frozenset({CaseState.UNBLOCKED, CaseState.CLOSED})),
    "work": (
        _("In work"),
        frozenset(
            {
                CaseState.RECEIVED, CaseState.NEEDS_PERSON, CaseState.CHECKLIST_OPEN, CaseState.READY,
                CaseState.UNBLOCKING, CaseState.BULK_SENDER,
            }
        ),
    ),
    "trouble": (
        _("Overdue, refused or unknown"),
        frozenset({CaseState.OVERDUE, CaseState.OUTCOME_UNKNOWN, CaseState.STILL_BLOCKED, CaseState.REFUSED}),
    ),
    "other": (
        _("Not ours to unblock"),
        frozenset(
            {CaseState.NOT_BLOCKED, CaseState.SENDING_LIMIT, CaseState.TENANT_BLOCKED, CaseState.REFER_TO_SECURITY}
        ),
    ),
}  # fmt: skip
"""What became of a case, as the picture tells it: each with its states."""

SPANS = (
    (timedelta(minutes=15), _("under 15 minutes")),
    (timedelta(minutes=30), _("15 to 30 minutes")),
    (timedelta(hours=1), _("30 to 60 minutes")),
    (timedelta(hours=2), _("1 to 2 hours")),
    (timedelta(hours=4), _("2 to 4 hours")),
    (timedelta(hours=8), _("4 to 8 hours")),
    (timedelta(hours=24), _("8 to 24 hours")),
    (timedelta.max, _("a day or longer")),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A part of a day's bar: a rectangle."""

    outcome: str
    count: int
    y: float
    height: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """A day's bar, from the bottom up."""

    day: date
    total: int
    counts: Mapping[str, int]  # by outcome
    x: float
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Days:
    """The bars of the last days."""

    days: tuple[Day, ...]
    most: int
    total: int
    width: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A bar that lies, with its words."""

    words: str
    count: int
    percent: float  # of the longest


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """How long it took to release."""

    bars: tuple[Bar, ...]
    count: int
    median: timedelta | None
    ninth: timedelta | None  # nine of ten were quicker


def day_ends(now: datetime, zone: tzinfo) -> tuple[datetime, list[datetime], list[date]]:
    """Where the last days begin, the end of each, and the days; midnights are the site's."""
    today = now.astimezone(zone).date()
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    return _midnight(days[0], zone), [_midnight(day + timedelta(days=1), zone) for day in days], days


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def days_picture(days: Sequence[date], counted: Sequence[Mapping[CaseState, int]]) -> Days:
    """Bars for days, stacked by outcome."""
    by_outcome = [
        {name: sum(counts.get(state, 0) for state in of) for name, (_words, of) in OUTCOMES.items()}
        for counts in counted
    ]
    most = max((sum(counts.values()) for counts in by_outcome), default=0)
    bars = tuple(
        _day(day, counts, number, HEIGHT / max(1, most))
        for number, (day, counts) in enumerate(zip(days, by_outcome, strict=True))
    )
    width = len(bars) * (BAR + GAP)
    return Days(days=bars, most=most, total=sum(bar.total for bar in bars), width=width)


def _day(day: date, counts: Mapping[str, int], number: int, scale: float) -> Day:
    pieces, top = [], HEIGHT
    for outcome, count in counts.items():
        if count:
            top -= count * scale
            pieces.append(Piece(outcome=outcome, count=count, y=round(top, 2), height=round(count * scale, 2)))
    x = number * (BAR + GAP) + GAP / 2
    return Day(day=day, total=sum(counts.values()), counts=counts, x=x, pieces=tuple(pieces))


def times_picture(releases: Sequence[Release]) -> Times:
    """How many took how long, with the median and the time within which nine of ten were done."""
    took = sorted(max(timedelta(0), release.released_at - release.opened_at) for release in releases)
    counts = [0] * len(SPANS)
    for span in took:
        counts[next(number for number, (limit, _words) in enumerate(SPANS) if span < limit)] += 1
    tenths = quantiles([span.total_seconds() for span in took], n=10, method="inclusive") if len(took) > 1 else []
    return Times(
        bars=_bars([(str(words), count) for (_limit, words), count in zip(SPANS, counts, strict=True)]),
        count=len(took),
        median=timedelta(seconds=tenths[4]) if tenths else next(iter(took), None),
        ninth=timedelta(seconds=tenths[8]) if tenths else next(iter(took), None),
    )


def causes_picture(causes: Mapping[str, int]) -> tuple[Bar, ...]:
    """Why Microsoft blocked, the most frequent first."""
    names = {cause.value: str(states.CAUSES[cause]) for cause in Cause}
    ordered = sorted(causes.items(), key=lambda entry: -entry[1])
    return _bars([(names.get(cause, cause), count) for cause, count in ordered])


def _bars(counted: Sequence[tuple[str, int]]) -> tuple[Bar, ...]:
    most = max((count for _words, count in counted), default=0) or 1
    return tuple(Bar(words=words, count=count, percent=round(100 * count / most, 1)) for words, count in counted)
