"""The pages to look at: the list, the pictures, one case."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo

from flask import Blueprint, Response, abort, request, url_for
from flask_babel import gettext as _

from plugin.case_pages import listing, pictures
from plugin.case_pages.pages import Pages, Shown
from plugin.case_pages.session import Session
from plugin.case_pages.sign_in import Door, see_other
from plugin.desk import Desk, LookUp
from plugin.errors import NotAllowed
from plugin.model import Case
from plugin.panel.pages import Message
from plugin.store.case_list import CaseList
from plugin.store.cases import CaseStore

FIGURES_FOR = timedelta(minutes=1)
"""So long the pictures stay as they are, however often they are looked at."""


class Views:
    """The request handlers that change nothing."""

    def __init__(
        self,
        *,
        door: Door,
        desk: Desk,
        store: CaseStore,
        cases: CaseList,
        pages: Pages,
        sources: Sequence[str],
        zone: tzinfo,
        clock: Callable[[], datetime],
    ) -> None:
        self._door = door
        self._desk = desk
        self._store = store
        self._cases = cases
        self._pages = pages
        self._sources = sources
        self._zone = zone
        self._clock = clock
        self._figures: tuple[datetime, pictures.Days, pictures.Times, tuple[pictures.Bar, ...]] | None = None

    def add_to(self, blue: Blueprint) -> None:
        """Give every handler its address."""
        blue.add_url_rule("", "list", self.list)
        blue.add_url_rule("/", "slash", lambda: see_other(url_for("case_pages.list")))
        blue.add_url_rule("/figures", "figures", self.figures)
        blue.add_url_rule("/<case_id>", "case", self.case)
        blue.add_url_rule("/<case_id>/unblock", "confirm", self.confirm)

    def list(self) -> str:
        """A page of the cases."""
        self._door.session()
        asked = listing.asked(request.args)
        wanted = asked.filter(self._zone)
        page = self._cases.page(
            asked.states, wanted, newest_first=listing.NEWEST_FIRST, after=asked.after, limit=listing.PAGE
        )
        return self._pages.list(asked, page, self._sources)

    def figures(self) -> str:
        """The pictures."""
        self._door.session()
        now = self._clock()
        if self._figures is None or not timedelta(0) <= now - self._figures[0] < FIGURES_FOR:
            since, ends, days = pictures.day_ends(now, self._zone)
            self._figures = (
                now,
                pictures.days_picture(days, self._cases.by_day(ends, since)),
                pictures.times_picture(self._cases.releases(since)),
                pictures.causes_picture(self._cases.causes(since)),
            )
        return self._pages.figures(*self._figures[1:])

    def case(self, case_id: str) -> Response:
        """One case; with an account that was looked up, where one is asked about."""
        session = self._door.session()
        return self.shown(session, self.found(case_id), said=request.args.get("said", ""))

    def confirm(self, case_id: str) -> Response:
        """The question before Microsoft is asked."""
        session = self._door.session()
        case = self.found(case_id)
        view = self._desk.view(case, session.agent)
        if not view.gate.is_open:
            message = Message(place=f"case-{case_id}", text=" ".join(view.gate.reasons), is_refusal=True)
            return self.shown(session, case, 409, message)
        return Response(self._pages.case(Shown(view=view, others=(), is_confirming=True)))

    def found(self, case_id: str) -> Case:
        """The case; 404 if there is none."""
        case = self._store.case(case_id)
        if case is None:
            abort(404, _("There is no such case; it may have been forgotten since, as the settings say."))
        return case

    def shown(
        self,
        session: Session,
        case: Case,
        status: int = 200,
        message: Message | None = None,
        *,
        said: str = "",
        typed: Mapping[str, str] | None = None,
    ) -> Response:
        """The page of a case, with what was said in answer to what the agent did."""
        view = self._desk.view(case, session.agent)
        account = request.args.get("account", "")[:320]
        look_up, refusal = self._look_up(case, account, session)
        text = self._desk.reply_text(view.reply) if view.reply else ""
        told = done(said, case.id)
        return Response(
            self._pages.case(
                Shown(
                    view=view,
                    others=[other for other in self._store.cases_of_ticket(case.source, case.ticket) if other != case],
                    reply=text,
                    typed=typed or {},
                    message=message or told,
                    found=look_up,
                    not_found=refusal,
                    is_for_ticket=request.args.get("for") == "ticket",
                )
            ),
            status,
        )

    def _look_up(self, case: Case, account: str, session: Session) -> tuple[LookUp | None, str]:
        if not account.strip():
            return None, ""
        try:
            return self._desk.look_up(case.source, case.ticket, account, session.agent), ""
        except NotAllowed as error:
            return None, str(error)


def done(what: str, case_id: str) -> Message | None:
    """What is said once something was done, by the word that the address carries; it can carry no other text."""
    words = {
        "refreshed": (f"case-{case_id}", _("Read again just now.")),
        "checked": (f"case-{case_id}", _("Checked just now.")),
        "asked": (f"case-{case_id}", _("Microsoft is being asked.")),
        "relied": (f"case-{case_id}", _("Relied on, in your name.")),
        "chosen": (f"case-{case_id}", _("The account is settled.")),
        "opened": (f"case-{case_id}", _("Opened.")),
        "sent": (f"reply-{case_id}", _("The reply goes to the customer.")),
        "noted": (f"after-{case_id}", _("Noted. What to do next stands above.")),
        "escalated": (f"after-{case_id}", _("The evidence goes on the ticket as an internal note.")),
    }
    if what not in words:
        return None
    place, text = words[what]
    return Message(place=place, text=text, is_refusal=False)
