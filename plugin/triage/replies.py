"""Answers of mail systems found in a text: codes, the sentences that go with them, and which host gave them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from plugin.triage.knowledge import Refusal, is_microsoft, others_say, refusals
from plugin.triage.plain import LEFT_OUT, LONG_WORD, Skeleton, evidence, skeleton

MAX_STATEMENTS = 60  # codes, and known sentences, that are looked at in one report
NEAR = 90  # characters between a known sentence and its code
GAP = r"[ \t\n]{0,2}"
CODE = re.compile(
    rf"(?:(?<!\d)(?P<smtp>[245]\d\d)[\s;,:('\"b#>=-]{{1,6}})?"
    rf"(?<![\w.])(?P<class>[245]){GAP}[.,]{GAP}(?P<subject>\d{{1,3}}){GAP}[.,]{GAP}(?P<detail>\d{{1,3}})(?![\w]|\.\d)"
)
SCANNED = re.compile(r"(?<![\w.])(\w)[ .,·:\-\n]{1,3}(\w{1,2})[ .,·:\-\n]{1,3}(\w{1,3})(?![\w]|\.\d)")
MISREAD = str.maketrans({"o": "0", "l": "1", "i": "1", "s": "5", "b": "8", "|": "1"})
HOST = r"[a-z0-9_](?:[a-z0-9_-]{0,62}\.){1,8}[a-z]{2,18}"
HOST_LINE = re.compile(rf"^[ \t]*(?:\[?({HOST})\]?)(?:[ \t]*[\[(][\d.: a-f]{{3,45}}[\])])?[ \t]*$", re.IGNORECASE)
HOST_SAYS = re.compile(rf"^[ \t]*({HOST})[ \t][^\n]{{2,120}}:[ \t]*$", re.IGNORECASE)
HOST_SAID = re.compile(
    rf"({HOST})[ \t\n]{{0,6}}(?:[\[(][\da-f.: ]{{3,45}}[\])][ \t\n]{{0,6}})?(?:said|returned|replied)\b", re.IGNORECASE
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


# ── answers of mail systems in a text ────────────────────────────────────────────────────────────────────────────


def statements_in(text: str, bones: Skeleton) -> list[Statement]:
    """Known sentences with the code beside them, and all other codes with what follows them."""
    found = list(_known_sentences(text, bones))
    taken = {s.place for s in found}
    for _, match in zip(range(MAX_STATEMENTS), CODE.finditer(text), strict=False):
        if not any(abs(match.start() - place) <= NEAR for place in taken):
            found.append(_other(text, match))
    return found


def _known_sentences(text: str, bones: Skeleton) -> Iterator[Statement]:
    for refusal in refusals():
        for sentence in refusal.texts:
            place = bones.letters.find(sentence)
            for _ in range(MAX_STATEMENTS):
                if place < 0:
                    break
                start, end = bones.places[place], bones.places[place + len(sentence) - 1]
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


def _other(text: str, match: re.Match[str]) -> Statement:
    code = f"{match['class']}.{int(match['subject'])}.{int(match['detail'])}"
    ending = text.find("\n", match.end())
    line = text[match.end() : ending if ending >= 0 else len(text)]
    says = skeleton(line[:200]).letters
    refusal = next((r for r in refusals() if r.has(code) and _is_cut_off(says, r)), None)
    words = evidence(text[match.start() : match.end()] + line)
    has_text = sum(c.isalpha() for c in says) >= 4
    return Statement(
        refusal=refusal, code=code, smtp=bool(match["smtp"]), has_text=has_text, place=match.start(), words=words
    )


def _is_cut_off(says: str, refusal: Refusal) -> bool:
    """Whether a reply is the beginning of a known one, as in a message that was cut off."""
    says = says.removeprefix("accessdenied") or says
    return any(
        len(says) >= 5 and (text.startswith(says) or text.removeprefix("accessdenied").startswith(says))
        for text in refusal.texts
    )


def _code_in(text: str, refusal: Refusal, *, last: bool) -> str | None:
    """The refusal's code in a piece of text, also where it was misread or mistyped in one character."""
    codes = [f"{m['class']}.{int(m['subject'])}.{int(m['detail'])}" for m in CODE.finditer(text)]
    codes = codes[::-1] if last else codes
    exact = next((code for code in codes if refusal.has(code)), None)
    if exact is not None:
        return exact
    scanned = [".".join(m.groups()).lower().translate(MISREAD) for m in SCANNED.finditer(text)]
    return next((c for seen in (*codes, *scanned) for c in refusal.codes if _one_off(seen, c)), None)


def _one_off(seen: str, code: str) -> bool:
    """Whether two codes differ in at most one character."""
    if len(seen) == len(code):
        return sum(a != b for a, b in zip(seen, code, strict=True)) <= 1
    longer, shorter = (seen, code) if len(seen) > len(code) else (code, seen)
    return len(longer) == len(shorter) + 1 and any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))


def meant(refusal: Refusal, code: str | None) -> str | None:
    return code if code is None or refusal.has(code) else refusal.codes[0]


def enhanced(text: str) -> str | None:
    match = CODE.search(text)
    return f"{match['class']}.{int(match['subject'])}.{int(match['detail'])}" if match else None


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


def framed(text: str) -> bool:
    """Whether a host of Microsoft's appears in a report."""
    return any(is_microsoft(match[1]) for _, match in zip(range(200), ANY_HOST.finditer(text), strict=False))


def refused_elsewhere(text: str, place: int) -> bool:
    """Whether the report names a host that is not Microsoft's as the one that gave the answer at this place."""
    before = text[max(0, place - 1500) : place]
    lines = [line for line in before.split("\n")[:-1] if line.strip()]
    named = [m[1] for line in lines[-2:] if (m := HOST_LINE.match(line))]
    named += [m[1] for line in lines if (m := HOST_SAYS.match(line))]
    named += [m[1] for m in HOST_SAID.finditer(before[-400:])]
    named += REMOTE_MTA.findall(text[max(0, place - 400) : place + 600])
    return any(not is_microsoft(host) for host in named)
