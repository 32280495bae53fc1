"""One way to log: a constant dotted name and fields. Never a token, a body or a whole customer address."""

import logging

_logger = logging.getLogger("m365-unblock")


def log(event: str, level: int = logging.INFO, **fields: object) -> None:
    """Log an event by its constant name with its fields."""
    _logger.log(level, "%s %s", event, " ".join(f"{name}={_value(value)}" for name, value in fields.items()))


def _value(value: object) -> str:
    text = str(value)
    return repr(text) if not text or any(character.isspace() or character == '"' for character in text) else text
