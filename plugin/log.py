"""One way to log: a constant dotted name and fields. Never a token, a body or a whole customer address."""

import logging
import re

ADDRESS = re.compile(r"(\w)[\w.!#$%&'*+=?^`{|}~-]{0,63}(?:@|%40)(?=[\w-])")

_logger = logging.getLogger("m365-unblock")


class MaskingFormatter(logging.Formatter):
    """Masks what other libraries and tracebacks say; `log` has masked its own."""

    def format(self, record: logging.LogRecord) -> str:
        """The whole text, traceback and all, with mail addresses masked."""
        return masked(super().format(record))


def log(event: str, level: int = logging.INFO, **fields: object) -> None:
    """Log an event by its constant name with its fields."""
    _logger.log(level, "%s %s", event, " ".join(f"{name}={_value(value)}" for name, value in fields.items()))


def masked(text: str) -> str:
    """The text with the local part of every mail address cut to its first letter."""
    if "@" not in text and "%40" not in text:  # most have none, and looking for one at every letter takes long
        return text
    return ADDRESS.sub(r"\1…@", text)


def _value(value: object) -> str:
    text = masked(str(value))
    is_plain = text.isprintable() and not any(character.isspace() or character == '"' for character in text)
    return text if text and is_plain else repr(text)
