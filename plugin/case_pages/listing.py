"""What of the list somebody asked for, out of the address of the page and back into one. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from flask_babel import lazy_gettext as _

from plugin import rules
from plugin.model import CaseState
from plugin.store.case_list import Filter, Place

LONGEST = 200  # characters of a text that is searched for
PAGE = 50
NEWEST_FIRST = rules.OVER - {CaseState.OVERDUE}
"""States in which nothing waits: of these the last ones are of interest, of all others the oldest."""

NOT_OURS = frozenset(
    {CaseState.NOT_BLOCKED, CaseState.SENDING_LIMIT, CaseState.TENANT_BLOCKED, CaseState.REFER_TO_SECURITY}
)
WAITING = frozenset({CaseState.RECEIVED, CaseState.UNBLOCKING, CaseState.UNBLOCKED})
UNKNOWN = frozenset({CaseState.OUTCOME_UNKNOWN})
OVERDUE = frozenset({CaseState.OVERDUE})
CLOSED = frozenset({CaseState.CLOSED})
OPEN = frozenset(CaseState) - NOT_OURS - WAITING - UNKNOWN - OVERDUE - CLOSED
TABS = {
    "open": (_("Open"), OPEN, _("No case waits for an agent.")),
    "overdue": (_("Overdue"), OVERDUE, _("No case is overdue.")),
    "unknown": (_("Outcome unknown"), UNKNOWN, _("Of every unblock that was asked for the outcome is known.")),
    "waiting": (_("Waiting"), WAITING, _("No case waits for Microsoft or for its 24 hours.")),
    "closed": (_("Closed"), CLOSED, _("No case was closed yet.")),
    "not-ours": (_("Not ours to unblock"), NOT_OURS, _("No case had another cause than a block to be released here.")),
    "all": (_("All"), frozenset(CaseState), _("There is no case yet: no ticket has looked like a blocked sender.")),
}
"""By name: what the tab is called, its states, and what is said where nothing is in it."""

CURSOR = re.compile(r"([A-Z_]{1,40})~(\d{4}-\d\d-\d\dT[\d:.]{8,15})~(\w{1,32})")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A page of the list."""

    tab: str = "open"
    source: str = ""
    text: str = ""
    agent: str = ""
    since: str = ""  # days, as people and ``<input type=date>`` write them: 2026-11-24
    until: str = ""
    after: Place | None = None
    faults: tuple[str, ...] = field(default=(), compare=False)  # what could not be understood

    @property
    def states(self) -> tuple[CaseState, ...]:
        """The tab's states, the most urgent first."""
        wanted = TABS[self.tab][1]
        return tuple(state for state in rules.URGENCY if state in wanted)

    @property
    def is_filtered(self) -> bool:
        """Whether something is left out of the tab."""
        return bool(self.source or self.text or self.agent or self.since or self.until)

    def filter(self, zone: tzinfo) -> Filter:
        """The same for the store: days begin at midnight in the site's zone, and the last one counts."""
        until = _day(self.until)
        return Filter(
            source=self.source,
            text=self.text,
            agent=self.agent,
            since=_begin(_day(self.since), zone),
            before=_begin(until and until + timedelta(days=1), zone),
        )

    def query(self, *, tab: str = "", after: Place | None = None) -> dict[str, str]:
        """The page as the query of an address, or another tab or place of it."""
        parts = {
            "tab": tab or self.tab,
            "source": self.source,
            "text": self.text,
            "agent": self.agent,
            "since": self.since,
            "until": self.until,
            "after": _cursor(after) if after else "",
        }
        return {name: value for name, value in parts.items() if value}


def asked(query: Mapping[str, str]) -> Asked:
    """What an address asks for; what cannot be understood is left out and told."""
    texts = {name: query.get(name, "").strip()[:LONGEST] for name in ("source", "text", "agent", "since", "until")}
    faults = tuple(name for name in ("since", "until") if texts[name] and _day(texts[name]) is None)
    tab = query.get("tab", "")
    return Asked(
        tab=tab if tab in TABS else "open",
        **{name: "" if name in faults else text.replace("\0", "") for name, text in texts.items()},
        after=_place(query.get("after", "")),
        faults=tuple(texts[name] for name in faults),
    )


def _day(text: str) -> date | None:
    """A day on which there may have been a case."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1970 <= day.year < 9000 else None


def _begin(day: date | None, zone: tzinfo) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), zone).astimezone(UTC)


def _cursor(place: Place) -> str:
    return f"{place.state.name}~{place.created_at.astimezone(UTC).replace(tzinfo=None).isoformat()}~{place.id}"


def _place(text: str) -> Place | None:
    match = CURSOR.fullmatch(text)
    if match is None or match[1] not in CaseState.__members__:
        return None
    try:
        at = datetime.fromisoformat(match[2]).replace(tzinfo=UTC)
    except ValueError:
        return None
    return Place(state=CaseState[match[1]], created_at=at, id=match[3])
