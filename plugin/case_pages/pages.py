"""Turns the list, the pictures and one case into whole pages that need no script."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from flask import Response, abort, g, render_template
from flask_babel import format_date, format_timedelta, get_locale
from flask_babel import lazy_gettext as _

from plugin import rules
from plugin.case_pages import listing, pictures
from plugin.case_pages.listing import Asked
from plugin.case_views import value_told
from plugin.desk import CaseView, LookUp
from plugin.model import Case, Role
from plugin.panel import assets, states, words, written
from plugin.panel.pages import Message
from plugin.store.case_list import Page

STYLES = ("cases.css",)
ROLES = {Role.VIEWER: _("viewer"), Role.AGENT: _("agent"), Role.SUPERVISOR: _("supervisor")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """A page that tells something and nothing else."""

    title: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """One case as a page shows it."""

    view: CaseView
    others: Sequence[Case]  # the other cases of its ticket
    reply: str = ""  # the text to preview
    typed: Mapping[str, str] = field(default_factory=dict)  # what was refused, so that it is not typed again
    message: Message | None = None
    found: LookUp | None = None  # an account that was looked up
    not_found: str = ""
    is_for_ticket: bool = False  # looked up for another case of the ticket, not to say which one this is
    is_confirming: bool = False  # Unblock was pressed and is to be confirmed


class Pages:
    """The desk's HTML. The panel's own templates show the case; its filters must be there."""

    def __init__(self, *, links: Mapping[str, str], zone: tzinfo, clock: Callable[[], datetime]) -> None:
        self.assets = assets.load(Path(__file__).parent / "static", STYLES)
        self._shared = assets.load(names=assets.STYLES)
        self._links = links
        self._zone = zone
        self._clock = clock

    def asset(self, name: str) -> Response:
        """A style sheet."""
        if name not in self.assets:
            abort(404)
        return assets.answer(self.assets, name)

    def list(self, asked: Asked, page: Page, sources: Sequence[str]) -> str:
        """A page of the list."""
        counts = {name: sum(page.counts[state] for state in of) for name, (_words, of, _none) in listing.TABS.items()}
        return self._page(
            "list", asked=asked, page=page, counts=counts, tabs=listing.TABS, sources=sources, told=words.told
        )

    def figures(self, days: pictures.Days, times: pictures.Times, causes: Sequence[pictures.Bar]) -> str:
        """The pictures."""
        return self._page(
            "figures",
            days=days,
            times=times,
            causes=causes,
            outcomes=pictures.OUTCOMES,
            sizes=pictures,
            format_date=format_date,
            format_timedelta=format_timedelta,
        )

    def case(self, shown: Shown) -> str:
        """One case, with everything that the panel offers."""
        view, now = shown.view, self._clock()
        return self._page(
            "confirm" if shown.is_confirming else "case",
            shown=shown,
            view=view,
            source=view.case.source,
            ticket=view.case.ticket,
            agent=g.case_session.agent,
            may_act=view.may_act,
            replies={view.case.id: shown.typed.get("text", shown.reply)},
            typed=shown.typed,
            message=shown.message,
            is_looked_up=shown.found is not None or bool(shown.not_found),
            found=shown.found,
            why=shown.not_found,
            decides=True,
            case_id="" if view.case.account or shown.is_for_ticket else view.case.id,
            mark_of=rules.mark_of,
            is_clock_over={view.case.id: rules.is_clock_over(view.case, now)},
            words=words,
            written=written,
            value_told=value_told,
        )

    def told(self, said: Words, *, sign_in: str | None = None) -> str:
        """A page that tells something; with a way to sign in and go on to a place, where one is named."""
        return self._page("told", said=said, sign_in=sign_in)

    def signed_out(self, host: str, address: str | None) -> str:
        """Signed out here; `address` is where to sign out at the provider."""
        return self._page("signed_out", host=host, address=address)

    def _page(self, name: str, **more: Any) -> str:
        return render_template(
            f"case_pages/{name}.html",
            plain=True,
            here=name,
            roles=ROLES,
            assets=self.assets,
            shared=self._shared,
            links=self._links,
            now=self._clock(),
            states=states,
            language=str(get_locale() or "en").replace("_", "-"),
            session=g.get("case_session"),
            form_key=g.get("form_key", ""),
            **more,
        )
