"""Whether a customer says that mail fails, now or still."""

from functools import cache

from plugin.triage.knowledge import data
from plugin.triage.lexicon import Lexicon
from plugin.triage.plain import clean, folded, unquoted_lines
from plugin.triage.sentences import sentences_in


@cache
def _complaints() -> tuple[Lexicon, tuple[str, ...]]:
    rows = data("complaints.json")
    lexicon = Lexicon({name: rows[name] for name in ("recovered", "fails")})
    return lexicon, tuple(folded(text) + " " for text in rows["unless"])


def complains(text: str) -> bool:
    """Whether unquoted words say that mail (still) fails; "no longer bounces" and "if it still bounces" do not."""
    lexicon, unless = _complaints()
    for sentence in sentences_in(unquoted_lines(clean(text))):
        said = folded(sentence)
        if not f"{said} ".startswith(unless) and _fails(lexicon, said):
            return True
    return False


def _fails(lexicon: Lexicon, said: str) -> bool:
    """Whether a fragment of failing stands outside those of recovering."""
    found = lexicon.find(said)
    recovered = [(f.start, f.end) for f in found if f.concept == "recovered"]
    return any(
        f.concept == "fails" and not any(start < f.end and f.start < end for start, end in recovered) for f in found
    )
