"""Answers of mail systems found in a text: codes, and the sentences that go with them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice

from plugin.triage.knowledge import Refusal, others_say, refusals, refusals_by
from plugin.triage.plain import Skeleton, evidence, excerpt, places_of, skeleton
from plugin.triage.translated import answers_in

MAX_STATEMENTS = 60  # codes, and known sentences, that are looked at in one report
MIN_CUT = 5  # letters of an answer that was cut off by which it is known
ACCESS_DENIED = skeleton("access denied").letters  # with which most of Microsoft's answers begin
UNAVAILABLE = skeleton("service unavailable").letters  # which stands before it in some
MAX_SAID = 400  # characters of an answer that are looked at
NEAR = 90  # characters between a known sentence and its code
GAP = r"(?:=\n)?[ \t\n]{0,2}"  # with the soft line break of quoted-printable
# The digit stands before what must not stand before it: so the expression looks at places with such a digit only.
CODE = re.compile(
    rf"([245])(?<![a-zA-Z0-9_.].){GAP}[.,]{GAP}(\d{{1,3}}){GAP}[.,]{GAP}(\d{{1,3}})"
    r"(?![a-zA-Z0-9_]|\.\d)"  # other scripts write on without a space
)
SMTP_BEFORE = re.compile(r"(?<!\d)[245]\d\d[\s;,:('\"b#>=-]{1,6}\Z")
SCANNED = re.compile(r"(?<![\w.])(\w)[ .,·:\-\n]{1,3}(\w{1,2})[ .,·:\-\n]{1,3}(\w{1,3})(?!\w|\.\d)", re.ASCII)
LINK = re.compile(r"\bhttps?://[^\s<>\"]{1,2000}", re.IGNORECASE)  # whose hyphens make no code of its numbers
RUN = re.compile(r"(?<![\w.])\d{2,4}\.\d{1,3}(?![\w.])|(?<![\w.])\d\.\d{2,4}(?![\w.])")
MISREAD = str.maketrans({"o": "0", "l": "1", "i": "1", "s": "5", "b": "8", "|": "1"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """One answer of a mail system found in a text."""

    refusal: Refusal | None
    code: str | None
    smtp: bool  # a three-digit reply code stands before the enhanced one
    has_text: bool
    place: int
    words: str
    is_translated: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """An enhanced status code found in a text."""

    text: str
    smtp: bool  # a three-digit reply code stands before it
    start: int
    end: int


def codes_in(text: str) -> Iterator[Code]:
    """The enhanced status codes in a text, in their order."""
    for match in CODE.finditer(text):
        before = SMTP_BEFORE.search(text, max(0, match.start() - 10), match.start())
        start = before.start() if before else match.start()
        yield Code(f"{match[1]}.{int(match[2])}.{int(match[3])}", before is not None, start, match.end())


# ── answers of mail systems in a text ────────────────────────────────────────────────────────────────────────────


def statements_in(text: str, bones: Skeleton) -> list[Statement]:
    """Known sentences with the code beside them, and all other codes with what follows them."""
    found = list(_known_sentences(text, bones))
    found += [one for one in _translated(text, bones) if not any(abs(one.place - s.place) <= NEAR for s in found)]
    taken = {s.place for s in found}
    others = (c for c in islice(codes_in(text), MAX_STATEMENTS) if not any(abs(c.start - at) <= NEAR for at in taken))
    return [*found, *(_other(text, code) for code in others)]


def _known_sentences(text: str, bones: Skeleton) -> Iterator[Statement]:
    letters = bones.letters
    for sentence, refusal in [pair for pair in _sentences() if pair[0] in letters]:
        for place in islice(places_of(sentence, letters), MAX_STATEMENTS):
            start, end = bones.place(place), bones.place(place + len(sentence) - 1)
            statement = _sentence(text, refusal, start, end)
            if statement is not None:
                yield statement


def _translated(text: str, bones: Skeleton) -> Iterator[Statement]:
    """Answers of Microsoft in other languages; not beside a code that means something else, or words of others."""
    for refusal, first, last in answers_in(bones.letters):
        start, end = bones.place(first), bones.place(last)
        statement = _sentence(text, refusal, start, end)
        around = text[max(0, start - NEAR) : end + NEAR]
        is_other = statement is not None and statement.code is None and any(code.smtp for code in codes_in(around))
        if statement is not None and not is_other and not said_by_others(around):
            yield replace(statement, is_translated=True)


@cache
def _sentences() -> tuple[tuple[str, Refusal], ...]:
    return tuple((sentence, refusal) for refusal in refusals() for sentence in refusal.texts)


def _sentence(text: str, refusal: Refusal, start: int, end: int) -> Statement | None:
    before, after = text[max(0, start - NEAR) : start], text[end + 1 : end + NEAR]
    code = _code_in(before, refusal, last=True) or _code_in(after, refusal, last=False)
    if code is None and refusal.needs_code:
        return None
    words = excerpt(text, start - 40, end + 80)
    return Statement(refusal=refusal, code=code, smtp=True, has_text=True, place=start, words=words)


def _other(text: str, code: Code) -> Statement:
    ending = text.find("\n", code.end)
    line = text[code.end : ending if ending >= 0 else len(text)]
    says = skeleton(line[:200]).letters
    return Statement(
        refusal=next((r for r in refusals_by(code.text) if _is_cut_off(says, r)), None),
        code=code.text,
        smtp=code.smtp,
        has_text=sum(c.isalpha() for c in says) >= 4,
        place=code.start,
        words=evidence(text[code.start : code.end] + line[:MAX_SAID]),
    )


def _is_cut_off(says: str, refusal: Refusal) -> bool:
    """Whether a reply is the beginning of a known one, as in a message that was cut off."""
    if len(says) < MIN_CUT:
        return False
    says = says.removeprefix(UNAVAILABLE)
    if ACCESS_DENIED.startswith(says):
        return True
    says = says.removeprefix(ACCESS_DENIED)
    return any(text.removeprefix(ACCESS_DENIED).startswith(says) for text in refusal.texts)


def _run_together(text: str, refusal: Refusal) -> str | None:
    """One of the refusal's codes of which a dot was lost, such as 51.8."""
    digits = {code.replace(".", ""): code for code in refusal.codes}
    return next((digits[d] for found in RUN.findall(text) if (d := found.replace(".", "")) in digits), None)


def _code_in(text: str, refusal: Refusal, *, last: bool) -> str | None:
    """The refusal's code in a piece of text, also where it was misread or mistyped in one character."""
    codes = [code.text for code in codes_in(text)]
    codes = codes[::-1] if last else codes
    exact = next((code for code in codes if refusal.has(code)), None)
    exact = exact or next((code for code in codes if _is_akin(refusal, code)), None)
    if exact is not None:
        return exact
    off = next((c for seen in (*codes, *scanned_in(text)) for c in refusal.codes if _one_off(seen, c)), None)
    return off or _run_together(text, refusal)


def scanned_in(text: str) -> list[str]:
    """What may be codes that were misread or are written in another way, such as S.l.8 or 5-1-8."""
    return [".".join(match.groups()).lower().translate(MISREAD) for match in SCANNED.finditer(LINK.sub(" ", text))]


def _one_off(seen: str, code: str) -> bool:
    """Whether two codes differ in at most one character, and not in what makes a failure temporary."""
    if seen[0] in "24":
        return False
    if len(seen) == len(code):
        return sum(a != b for a, b in zip(seen, code, strict=True)) <= 1
    longer, shorter = (seen, code) if len(seen) > len(code) else (code, seen)
    return len(longer) == len(shorter) + 1 and any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))


def _is_akin(refusal: Refusal, code: str) -> bool:
    """Whether a code is given with the same words for another limit: so it is not mistyped."""
    return any(refusal.label is other.label and other.believed_alone for other in refusals_by(code))


def meant(refusal: Refusal, code: str | None) -> str | None:
    return code if code is None or refusal.has(code) or _is_akin(refusal, code) else refusal.codes[0]


def enhanced(text: str) -> str | None:
    return next((code.text for code in codes_in(text)), None)


def said_by_others(text: str) -> bool:
    letters = skeleton(text).letters
    return any(said in letters for said in others_say())
