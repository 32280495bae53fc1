"""Which language people read: that of the browser, where a complete translation of it is there; else English."""

from flask import Flask, request
from flask_babel import Babel

LANGUAGES = ("en",)
"""Complete translations, the first for everybody else. English is the language of the source."""


def set_up(app: Flask) -> None:
    """Have `gettext` in templates and modules find the texts of the language chosen for a request."""
    Babel(app, default_translation_directories="translations", locale_selector=_chosen)


def _chosen() -> str:
    return request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]
