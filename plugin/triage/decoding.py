"""Transfer encodings and character sets of mails, from lists of those that cannot misbehave.

Python knows codecs that take quadratic time or raise whatever the error handler says; a stranger chooses the name.
"""

import binascii
import codecs
import quopri
import re
from email.errors import HeaderParseError
from email.header import decode_header

from plugin.triage.plain import MAX_TEXT, clean

MAX_TEXT_BYTES = 4 * MAX_TEXT
SINGLE_BYTE = ("ascii", "koi8-r", "koi8-u", "mac-roman", "tis-620", "cp437", "cp850", "cp852", "cp866", "cp874")
UNICODE = ("utf-8", "utf-16", "utf-16-le", "utf-16-be")
CHINESE = ("gb2312", "gbk", "gb18030", "big5", "big5hkscs")
JAPANESE_KOREAN = ("shift_jis", "cp932", "euc_jp", "iso2022_jp", "euc_kr", "cp949", "iso2022_kr")
CHARSETS = frozenset((*SINGLE_BYTE, *UNICODE, *CHINESE, *JAPANESE_KOREAN))


def decoded_text(content: bytes, charset: str) -> str:
    """Bytes as text in a named character set; unknown ones and unfit bytes do no harm."""
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        name = "utf-8"
    if name not in CHARSETS and not name.startswith(("iso8859-", "cp125")):
        name = "utf-8"
    return content[:MAX_TEXT_BYTES].decode(name, "replace")


def decoded_header(value: str) -> str:
    """A header's value, its bytes as characters, in plain text; encoded words are decoded where they can be."""
    if value.isascii() and value.isprintable() and "=?" not in value:
        return clean(value).strip()
    raw = value.encode("latin-1", "replace").decode("utf-8", "replace")
    try:
        pieces = decode_header(raw) if "=?" in raw else []
    except (HeaderParseError, ValueError):
        pieces = []
    words = [piece if isinstance(piece, str) else decoded_text(piece, charset or "utf-8") for piece, charset in pieces]
    return clean("".join(words) or raw).replace("\n", " ").strip()


def decoded_bytes(content: bytes, encoding: str) -> bytes:
    """Bytes without their transfer encoding; those that are not in it are returned as they are."""
    if encoding == "quoted-printable":
        return quopri.decodestring(content)
    if encoding != "base64":
        return content
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", content)
    try:
        return binascii.a2b_base64(letters[: len(letters) - len(letters) % 4] + _rest(letters))
    except binascii.Error:
        return content


def _rest(letters: bytes) -> bytes:
    rest = letters[len(letters) - len(letters) % 4 :]
    return rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""
