"""Texts that are kept with a case: in English, for the journal and the notes, and translated when a page shows them."""


def kept(text: str) -> str:
    """The text itself; the word marks it for the catalogue of translations (`make messages`)."""
    return text
