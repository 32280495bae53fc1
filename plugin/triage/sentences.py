"""A writer's words cut into sentences."""

import re

MAX_WORDS = 20_000  # characters of one message's own words that are weighed
WRAPPED = 50  # characters; a longer line that goes on below was broken by a mail program
SENTENCE = re.compile(r"[.!;]+(?=\s|$)|(?<=\?)(?=[^!-~])|[。！]|\n")  # a question keeps its mark
LINE_END = re.compile(rf"(?<=[^\n]{{{WRAPPED}}})\n(?=[^\W\d_])")


def sentences_in(text: str) -> list[str]:
    """The sentences and lines of a text, as far as it is weighed; a line that a mail program broke goes on."""
    return SENTENCE.split(LINE_END.sub(" ", text[:MAX_WORDS]))
