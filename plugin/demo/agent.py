"""An agent at the demo desk, acting as a browser does: signs in, opens the ticket, uses the panel through its own HTTP.

Nothing here has a key that an agent's browser would not have: the launch token is the one that the desk put into the
ticket's page, and every answer and press goes through the forms that the panel served.
"""

import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests

IFRAME = re.compile(r'<iframe[^>]*\ssrc="([^"]+)"')


@dataclass
class Form:
    """A form of the panel: where it posts, its fields by name with their kinds, and the words on it."""

    address: str
    kinds: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    is_off: bool = False


class _Forms(HTMLParser):
    """Collects the forms of a view."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._open: Form | None = None
        self._textarea = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note forms and their fields."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and "hx-post" in given:
            self._open = Form(given["hx-post"])
            self.found.append(self._open)
        elif self._open is not None and tag in ("input", "textarea", "button"):
            self._note(self._open, tag, given)

    def _note(self, form: Form, tag: str, given: dict[str, str]) -> None:
        form.is_off = form.is_off or "disabled" in given
        name = given.get("name")
        if name:
            form.kinds[name] = given.get("type", "text") if tag == "input" else tag
            form.values[name] = given.get("value", "")
            self._textarea = name if tag == "textarea" else ""

    def handle_data(self, data: str) -> None:
        """The text to preview in a text area."""
        if self._open is not None and self._textarea:
            self._open.values[self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        """A form or a text area ends."""
        if tag == "form":
            self._open = None
        if tag in ("form", "textarea"):
            self._textarea = ""


class AgentAtDesk:
    """One agent's browser."""

    def __init__(self, desk_url: str, sign_in_key: str) -> None:
        self._desk_url = desk_url
        self._browser = requests.Session()
        self._browser.trust_env = False
        self._browser.get(f"{desk_url}/sign-in", params={"key": sign_in_key}, timeout=10).raise_for_status()

    def open(self, ticket: str) -> "OpenPanel":
        """Open a ticket; the panel in its page is launched with the token that the page carries."""
        page = self._browser.get(f"{self._desk_url}/tickets/{ticket}", timeout=10)
        page.raise_for_status()
        frame = IFRAME.search(page.text)
        if frame is None:
            raise LookupError(f"the page of ticket {ticket} holds no panel")
        return OpenPanel(frame[1].replace("&amp;", "&"))


class OpenPanel:
    """The panel in a ticket's page, as its script talks to the plugin."""

    def __init__(self, address: str) -> None:
        self._address, _, fragment = address.partition("#token=")
        parts = urlsplit(self._address)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._browser = requests.Session()
        self._browser.trust_env = False
        answer = self._browser.post(f"{self._address}/session", json={"token": fragment}, timeout=10)
        answer.raise_for_status()
        self._browser.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        self.html = ""
        self.look()

    def look(self) -> str:
        """The view as it is now."""
        return self._take(self._browser.get(f"{self._address}/view", timeout=10))

    def forms(self, ending: str) -> list[Form]:
        """The forms whose address matches."""
        parser = _Forms()
        parser.feed(self.html)
        return [form for form in parser.found if re.search(ending, form.address)]

    def send(self, form: Form, values: dict[str, str]) -> str:
        """Send a form of the view."""
        return self._take(self._browser.post(urljoin(self._origin, form.address), data=values, timeout=30))

    def check_all(self) -> str:
        """Have everything checked that checks itself."""
        (form,) = self.forms(r"/looks$")
        return self.send(form, form.values)

    def verdicts(self) -> list[str]:
        """What was found by looking, in the words of the page, by item."""
        shown = re.findall(r'<p class="verdict[^>]*>(.*?)</p>', self.html, re.DOTALL)
        return [
            unescape(" ".join(re.sub(r"<small>.*?</small>|<[^>]*>", " ", each, flags=re.DOTALL).split()))
            for each in shown
        ]

    def answer_checklist(self, said: dict[str, str]) -> int:
        """Answer every item; `said` are the answers to yes-no questions by the item's id (yes where not named)."""
        forms = self.forms(r"/answers/[^/]+$")
        for form in forms:
            item = form.address.rsplit("/", 1)[1]
            values = {
                name: "yes"
                if kind == "checkbox"
                else said.get(item, "yes")
                if kind == "radio"
                else form.values[name]
                if kind == "hidden"
                else TOLD.get(name, "Seen")
                for name, kind in form.kinds.items()
            }
            self.send(form, values)
        return len(forms)

    def _take(self, answer: requests.Response) -> str:
        answer.raise_for_status()
        renewed = answer.headers.get("X-Panel-Token")
        if renewed:
            self._browser.headers["Authorization"] = f"Bearer {renewed}"
        self.html = answer.text
        return self.html


TOLD = {
    "how": "Called back on the number in the directory",
    "by-whom": "Alex Agent",
    "why": "Compromised Account",
    "name": "Sam Secure",
    "reference": "SEC-2231",
    "reason": "Seen in Outlook with the customer",
}
"""What the demo's agent writes into the checklist's text fields."""
