"""The template engine: whatever a note prints is made inert; a site's template replaces ours by name.

Templates are loaded once, so that none runs that was not tried at start.
"""

import traceback
from collections.abc import Mapping
from datetime import datetime, tzinfo
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, TemplateSyntaxError
from markupsafe import Markup

from plugin.errors import SettingsError
from plugin.notes.markup import anchor, deadline, inert, is_web_address, moment

BUILT_IN = Path(__file__).parent / "templates"
LINKS = ("distribution_lists", "mass_email", "sign_in_tool", "security_team", "office365_team", "microsoft_support")
BROKEN = (TemplateError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a template's own code may raise while it is loaded and rendered."""


def note_templates(overrides: Path | None, links: Mapping[str, str], zone: tzinfo) -> Environment:
    """Templates of HTML notes: all values escaped, cleaned and capped; moments in the site's zone."""

    def shown(value: object) -> object:
        if value is None:
            return "unknown"
        if isinstance(value, datetime):
            return moment(value, zone)
        return value if isinstance(value, Markup) else inert(str(value))

    def link(key: str, words: str) -> Markup:
        url = _known(links, key)
        return anchor(url, words if is_web_address(url) or not url else f"{words} ({_address(url)})")

    made = Environment(autoescape=True, finalize=shown, **_common(overrides))
    made.globals["link"] = link
    made.filters["deadline"] = lambda at: deadline(at, zone) if at is not None else None
    return made


def reply_templates(overrides: Path | None, links: Mapping[str, str]) -> Environment:
    """Templates of plain-text replies, to be seen and edited by an agent; they get links only, nothing of the case."""

    def link(key: str, words: str) -> str:
        url = _known(links, key)
        return f"{words}: {_address(url)}" if url else words

    made = Environment(autoescape=False, **_common(overrides))  # noqa: S701 (plain text; escaped by `public_note`)
    made.globals["link"] = link
    return made


def render(templates: Environment, name: str, **context: Any) -> str:
    """A rendered template; `SettingsError` with file and line if it is broken."""
    try:
        return templates.get_template(name).render(context).strip()
    except BROKEN as error:
        raise SettingsError(
            f"{_place(error, name)}: the template is broken: {error or type(error).__name__}"
        ) from error


def check_links(links: Mapping[str, str]) -> None:
    """`SettingsError` for an address that is neither of the web nor of mail."""
    for key, url in links.items():
        if not is_web_address(url) and not url.startswith("mailto:"):
            raise SettingsError(f"[links] {key}: expected an address that begins with https://, http:// or mailto:")


def check_overrides(overrides: Path | None) -> None:
    """`SettingsError` for a directory that is not there, or a file in it that would replace nothing."""
    if overrides is None:
        return
    if not overrides.is_dir():
        raise SettingsError(f"[notes] templates: there is no directory {overrides}")
    known = sorted(path.name for path in BUILT_IN.iterdir())
    for path in sorted(overrides.iterdir()):
        if path.suffix in (".html", ".txt") and path.name not in known and not path.name.startswith("_"):
            near = get_close_matches(path.name, known, n=1)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise SettingsError(f"{path}: replaces no template; {advice} (names of parts begin with _)")


def _common(overrides: Path | None) -> dict[str, Any]:
    return {
        "loader": FileSystemLoader([folder for folder in (overrides, BUILT_IN) if folder]),
        "undefined": StrictUndefined,
        "auto_reload": False,
        "trim_blocks": True,
        "lstrip_blocks": True,
    }


def _known(links: Mapping[str, str], key: str) -> str:
    if key not in LINKS:
        raise LookupError(f"there is no link {key!r}; known are {', '.join(LINKS)}")
    return links.get(key, "")


def _address(url: str) -> str:
    """As people read it: a mail address without its scheme, anything else whole."""
    return url.removeprefix("mailto:").partition("?")[0] if url.startswith("mailto:") else url


def _place(error: Exception, name: str) -> str:
    if isinstance(error, TemplateSyntaxError):
        return f"{error.filename or error.name}, line {error.lineno}"
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith((".html", ".txt"))]
    return f"{lines[-1].filename}, line {lines[-1].lineno}" if lines else name
