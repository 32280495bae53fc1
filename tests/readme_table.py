"""The README's table of ticket systems, made from plugin.json. `python -m tests.readme_table` writes it anew."""

from pathlib import Path
from typing import Any

from plugin.manifest import manifest

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- ticket systems: python -m tests.readme_table -->", "<!-- end of ticket systems -->"
COLUMNS = ("events", "notes", "tags", "fields", "panel", "checklist", "scan")


def table() -> str:
    """The table between its two marks."""
    head = ["ticket system", *COLUMNS, "verified how"]
    rows = [head, ["---"] * len(head), *(_row(system) for system in manifest()["ticket_systems"])]
    return "\n".join([BEGIN, "", *(f"| {' | '.join(row)} |" for row in rows), "", END])


def _row(system: dict[str, Any]) -> list[str]:
    verified = f"{system['verified']['how']}: {system['verified']['words']}"
    return [f"[{system['name']}]({system['guide']})", *(system["shown"][name] for name in COLUMNS), verified]


def written(text: str) -> str:
    """The README with the table as it is to be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + table() + after


if __name__ == "__main__":
    README.write_text(written(README.read_text("utf-8")), "utf-8")
