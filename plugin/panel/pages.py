"""Turns cases into HTML: the templates, with what they need to say things."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from hashlib import sha256

from flask import Blueprint, render_template
from markupsafe import Markup

from plugin.desk import CaseView
from plugin.model import Agent
from plugin.notes.markup import moment, whole_minute_after
from plugin.panel import assets, states, words


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
        return render_template("panel/shell.html", source=source, ticket=ticket, assets=self.assets)

    def unknown_source(self, source: str) -> str:
        """The page for a ticket system that the settings do not know."""
        return render_template("panel/unknown.html", source=source, assets=self.assets)

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
        return render_template(
            "panel/view.html",
            source=source,
            ticket=ticket,
            agent=agent,
            cases=cases,
            replies=replies,
            message=message,
            links=self._links,
            now=self._clock(),
            states=states,
            words=words,
        )

    def _short(self, at: datetime) -> str:
        return words.short(at, self._zone, self._clock())

    def _exact(self, at: datetime) -> Markup:
        """Attributes of a ``<time>`` element: the moment for programs, and in full for people."""
        return Markup('datetime="{}" title="{}"').format(
            at.astimezone(UTC).isoformat(timespec="seconds"), moment(at, self._zone)
        )

    def _deadline(self, at: datetime) -> Markup:
        """A ``<time>`` element for a moment before which something must not be done: never too early, as in notes."""
        whole = whole_minute_after(at)
        return Markup("<time {}>{}</time>").format(self._exact(whole), moment(whole, self._zone))


def fingerprint(text: str) -> str:
    """Tells whether a part of the page has changed."""
    return sha256(text.encode()).hexdigest()[:16]
