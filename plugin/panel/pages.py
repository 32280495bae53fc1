"""Turns cases into HTML: the templates, with what they need to say things."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from hashlib import sha256

from flask import Blueprint, render_template
from flask_babel import get_locale
from flask_babel import gettext as _
from markupsafe import Markup

from plugin import rules
from plugin.case_views import value_told
from plugin.desk import CaseView, LookUp
from plugin.model import Agent
from plugin.notes.markup import whole_minute_after
from plugin.panel import assets, states, words, written


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """Words shown in answer to what the agent did, at the place where it was done."""

    place: str
    text: str
    is_refusal: bool


class Pages:
    """The panel's HTML."""

    def __init__(
        self, *, blue: Blueprint, links: Mapping[str, str], zone: tzinfo, clock: Callable[[], datetime]
    ) -> None:
        self.assets = assets.load()
        self._links = links
        self._zone = zone
        self._clock = clock
        blue.add_app_template_filter(fingerprint, "m365_fingerprint")
        blue.add_app_template_filter(self._short, "m365_short")
        blue.add_app_template_filter(self._exact, "m365_exact")
        blue.add_app_template_filter(self._deadline, "m365_deadline")

    def shell(self, source: str, ticket: str) -> str:
        """The page: nothing of the ticket in it."""
        return render_template(
            "panel/shell.html",
            source=source,
            ticket=ticket,
            assets=self.assets,
            language=_language(),
            texts=words_of_script(),
        )

    def opening(self, source: str, token: str, scripts: Sequence[str]) -> str:
        """The page that finds out the ticket; `scripts` are addresses of the ticket system's own."""
        return render_template(
            "panel/opening.html",
            source=source,
            token=token,
            scripts=scripts,
            name=opening_script(source),
            assets=self.assets,
            language=_language(),
        )

    def unknown_source(self, source: str) -> str:
        """The page for a ticket system that the settings do not know."""
        return render_template("panel/unknown.html", source=source, assets=self.assets, language=_language())

    def view(
        self,
        *,
        source: str,
        ticket: str,
        agent: Agent,
        cases: Sequence[CaseView],
        replies: Mapping[str, str],
        message: Message | None,
    ) -> str:
        """All cases of a ticket, as the script merges them into the page; `replies` are texts to preview, by case."""
        now = self._clock()
        return render_template(
            "panel/view.html",
            source=source,
            ticket=ticket,
            agent=agent,
            cases=cases,
            replies=replies,
            message=message,
            links=self._links,
            now=now,
            pause=words.pause(cases, now),
            mark_of=rules.mark_of,
            is_clock_over={view.case.id: rules.is_clock_over(view.case, now) for view in cases},
            states=states,
            words=words,
            written=written,
            value_told=value_told,
        )

    def found(self, *, source: str, ticket: str, found: LookUp, case_id: str, decides: bool) -> str:
        """An account that was looked up; with the button that decides, where asked for."""
        return render_template(
            "panel/found.html",
            source=source,
            ticket=ticket,
            found=found,
            case_id=case_id,
            decides=decides,
            states=states,
        )

    def not_found(self, words: str) -> str:
        """Why there is nothing to show."""
        return render_template("panel/found.html", found=None, why=words)

    def _short(self, at: datetime) -> str:
        return words.short(at, self._zone, self._clock())

    def _exact(self, at: datetime) -> Markup:
        """Attributes of a ``<time>`` element: the moment for programs, and in full for people."""
        return Markup('datetime="{}" title="{}"').format(
            at.astimezone(UTC).isoformat(timespec="seconds"), words.exact(at, self._zone)
        )

    def _deadline(self, at: datetime) -> Markup:
        """A ``<time>`` element for a moment before which something must not be done: never too early, as in notes."""
        whole = whole_minute_after(at)
        return Markup("<time {} data-exact>{}</time>").format(self._exact(whole), words.exact(whole, self._zone))


def opening_script(source: str) -> str:
    """What the script of a source's opening page is called among the assets."""
    return f"opening/{source}.js"


def fingerprint(text: str) -> str:
    """Tells whether a part of the page has changed."""
    return sha256(text.encode()).hexdigest()[:16]


def _language() -> str:
    return str(get_locale() or "en").replace("_", "-")


def words_of_script() -> dict[str, str]:
    """What the script says by itself, by its own names; `{…}` are filled in by it."""
    return {
        "openFromTicket": _(
            "Open this panel from the ticket, or reload the ticket: only the ticket system can say who you are."
        ),
        "notReached": _("The panel could not be reached. Reload the ticket to try again."),
        "noConnection": _("No connection. What you type is kept here and is saved as soon as the connection is back."),
        "notDone": _("Not done. {why}"),
        "kept": _(
            "The panel could not be reached. What you typed is still here; it is saved once the connection is back."
        ),
        "tryAgain": _("Try again"),
        "fillIn": _("Saved once “{line}” is filled in too."),
        "restored": _("Typed before the page was reloaded, and not saved yet."),
        "saveNow": _("Save now"),
        "theirs": _("Keep theirs"),
        "mine": _("Save mine instead"),
        "justNow": _("just now"),
        "secondsAgo": _("{n} s ago"),
        "minutesAgo": _("{n} min ago"),
        "siteTime": _("{time} at the site"),
        "exactTimes": _("Exact times"),
        "shortTimes": _("Short times"),
    }
