"""Texts for translators: the template that `make messages` writes holds each text of the pages, and no other."""

import subprocess
import sys
from pathlib import Path

from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "plugin" / "translations" / "messages.pot"


def test_the_template_for_translators_is_the_one_that_make_messages_writes(tmp_path: Path) -> None:
    recipe = (ROOT / "Makefile").read_text("utf-8").split("\nmessages:")[1].split("\n\n")[0]
    words = recipe.split("pybabel", 1)[1].replace("\\\n", " ").split()
    found = tmp_path / "messages.pot"
    arguments = [f"--output-file={found}" if word.startswith("--output-file") else word for word in words]
    subprocess.run([sys.executable, "-m", "babel.messages.frontend", *arguments], cwd=ROOT, check=True)
    assert found.read_text("utf-8") == KEPT.read_text("utf-8"), "run  make messages  and commit what it writes"


def test_every_text_can_be_translated_whole() -> None:
    """A text with a placeholder without a name could not be put in another order."""
    with KEPT.open("rb") as file:
        catalogue = read_po(file)
    assert len(catalogue) > 200
    texts = [text for message in catalogue for text in _texts(message.id)]
    assert [text for text in texts if "%s" in text or "%d" in text or "{}" in text] == []
    assert [text for text in texts if text != text.strip()] == []


def _texts(id_: str | tuple[str, ...]) -> tuple[str, ...]:
    return (id_,) if isinstance(id_, str) else id_
