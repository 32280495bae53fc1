"""Answers of mail systems found in a text: codes, the sentences that go with them, and which host gave them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice

from plugin.triage.knowledge import Refusal, is_microsoft, layout, mentions_microsoft, others_say, refusals
from plugin.triage.plain import LEFT_OUT, LONG_WORD, Skeleton, evidence, skeleton

MAX_STATEMENTS = 60  # codes, and known sentences, that are looked at in one report
MIN_CUT = 5  # letters of an answer that was cut off by which it is known
ACCESS_DENIED = skeleton("access denied").letters  # with which most of Microsoft's answers begin
MAX_HOSTS = 200  # that are looked at in one report
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
RUN = re.compile(r"(?<![\w.])\d{2,4}\.\d{1,3}(?![\w.])|(?<![\w.])\d\.\d{2,4}(?![\w.])")
MISREAD = str.maketrans({"o": "0", "l": "1", "i": "1", "s": "5", "b": "8", "|": "1"})
HOST = r"[a-z0-9_](?:[a-z0-9_-]{0,62}\.){1,8}[a-z]{2,18}"
HOST_LINE = re.compile(rf"^[ \t]*(?:\[?({HOST})\]?)(?:[ \t]*[\[(][\d.: a-f]{{3,45}}[\])])?[ \t]*$", re.IGNORECASE)
HOST_SAYS = re.compile(rf"^[ \t]*({HOST})[ \t][^\n]{{2,120}}:[ \t]*$", re.IGNORECASE | re.MULTILINE)
HOST_MARKED = re.compile(rf"(?<![\w.@-])({HOST}) #[<\d]", re.IGNORECASE)
HOST_AT_END = re.compile(
    rf"(?<![\w.@-])({HOST})[ \t\n]{{0,6}}(?:[\[(][\da-f.: ]{{3,45}}[\])][ \t\n]{{0,6}})?\Z", re.IGNORECASE
)
REMOTE_MTA = re.compile(rf"^[ \t]*remote-mta:[ \t]*dns[ \t]*;[ \t]*({HOST})", re.IGNORECASE | re.MULTILINE)
ANY_HOST = re.compile(rf"(?<![\w.@-])({HOST})(?![\w@])", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """One answer of a mail system found in a text."""

    refusal: Refusal | None
    code: str | None
    smtp: bool  # a three-digit reply code stands before the enhanced one
    has_text: bool
    place: int
    words: str


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
    taken = {s.place for s in found}
    others = (c for c in islice(codes_in(text), MAX_STATEMENTS) if not any(abs(c.start - at) <= NEAR for at in taken))
    return [*found, *(_other(text, code) for code in others)]


def _known_sentences(text: str, bones: Skeleton) -> Iterator[Statement]:
    for refusal in refusals():
        for sentence in refusal.texts:
            place = bones.letters.find(sentence)
            for _ in range(MAX_STATEMENTS):
                if place < 0:
                    break
                start, end = bones.place(place), bones.place(place + len(sentence) - 1)
                statement = _sentence(text, refusal, start, end)
                if statement is not None:
                    yield statement
                place = bones.letters.find(sentence, place + len(sentence))


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
        refusal=next((r for r in refusals() if r.has(code.text) and _is_cut_off(says, r)), None),
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
    if exact is not None:
        return exact
    off = next((c for seen in (*codes, *scanned_in(text)) for c in refusal.codes if _one_off(seen, c)), None)
    return off or _run_together(text, refusal)


def scanned_in(text: str) -> list[str]:
    """What may be codes that were misread or are written in another way, such as S.l.8 or 5-1-8."""
    return [".".join(match.groups()).lower().translate(MISREAD) for match in SCANNED.finditer(text)]


def _one_off(seen: str, code: str) -> bool:
    """Whether two codes differ in at most one character, and not in what makes a failure temporary."""
    if seen[0] in "24":
        return False
    if len(seen) == len(code):
        return sum(a != b for a, b in zip(seen, code, strict=True)) <= 1
    longer, shorter = (seen, code) if len(seen) > len(code) else (code, seen)
    return len(longer) == len(shorter) + 1 and any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))


def meant(refusal: Refusal, code: str | None) -> str | None:
    return code if code is None or refusal.has(code) else refusal.codes[0]


def enhanced(text: str) -> str | None:
    return next((code.text for code in codes_in(text)), None)


def said_by_others(text: str) -> bool:
    letters = skeleton(text).letters
    return any(said in letters for said in others_say())


# ── evidence ─────────────────────────────────────────────────────────────────────────────────────────────────────


def excerpt(text: str, start: int, end: int) -> str:
    """A place in a text, widened to whole words, as one short line that shows where something was left out."""
    start = min(max(0, start), len(text))
    end = min(max(start, end), len(text))
    if text[start : start + 1].strip():
        start -= len(re.findall(r"\S*\Z", text[max(0, start - LONG_WORD) : start])[0])
    if text[end - 1 : end].strip():
        end += len(re.findall(r"\A\S*", text[end : end + LONG_WORD])[0])
    before = LEFT_OUT if text[:start].strip() else ""
    after = LEFT_OUT if text[end:].strip() else ""
    return evidence(f"{before} {text[start:end]} {after}")


# ── who refused ──────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def _said() -> re.Pattern[str]:
    words = "|".join(re.escape(words) for words in layout().returned)
    return re.compile(rf"\b(?:said|returned|replied)\b|(?:{words})", re.IGNORECASE)


@cache
def _form_host() -> re.Pattern[str]:
    """The line of the newer reports' form that says which host refused."""
    names = "|".join(map(re.escape, sorted(layout().remote_servers)))
    return re.compile(rf"^(?:{names})[ \t]{{0,3}}:[ \t]*({HOST})[ \t]*$", re.IGNORECASE | re.MULTILINE)


def _hosts_that_said(text: str) -> Iterator[str]:
    for said in _said().finditer(text):
        match = HOST_AT_END.search(text, max(0, said.start() - 320), said.start())
        if match is not None:
            yield match[1]


def framed(text: str) -> bool:
    """Whether a host of Microsoft's appears in a report."""
    if not mentions_microsoft(text):
        return False
    return any(is_microsoft(match[1]) for match in islice(ANY_HOST.finditer(text), MAX_HOSTS))


def refused_elsewhere(text: str, place: int) -> bool:
    """Whether the report names a host that is not Microsoft's as the one that gave the answer at this place."""
    before = text[max(0, place - 1500) : place]
    above = (line for line in reversed(before.split("\n")[:-1]) if line.strip())
    named = [match[1] for line in islice(above, 2) if (match := HOST_LINE.match(line))]
    named += HOST_MARKED.findall(before[-120:])
    named += HOST_SAYS.findall(before) if ":\n" in before else ()
    named += _hosts_that_said(before[-400:])
    around = text[max(0, place - 400) : place + 600]
    named += REMOTE_MTA.findall(around) if "remote-mta" in around.lower() else ()
    named += _form_host().findall(around)
    return any(not is_microsoft(host) for host in named)
