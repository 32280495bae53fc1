"""Fetching an attachment, capped in size, and only if it is the file that comes. Whether to go there adapters say."""

from plugin.errors import OutcomeUnknown, PermanentError
from plugin.http import Remote, Reply
from plugin.model import Attachment

LARGEST_ATTACHMENT = 5 * 1024 * 1024
NO_FILES = frozenset({"text/html", "application/json", "application/problem+json"})
"""Content types of what comes with 200 in place of a file: a sign-in page, an error."""


def fetch(remote: Remote, attachment: Attachment) -> bytes:
    """The bytes of an attachment, whose address the adapter has looked at."""
    doing = f"fetch attachment {attachment.filename[:100]!r}"
    # The size that is told is not believed, but a large one saves the way.
    if (attachment.size or 0) > LARGEST_ATTACHMENT:
        raise _too_large(remote, doing)
    reply = remote.call(doing, "GET", attachment.url)
    if len(reply.body) > LARGEST_ATTACHMENT:
        raise _too_large(remote, doing)
    if _is_no_file(reply, attachment):
        raise OutcomeUnknown(remote.system, doing, f"answered {reply.status}, but not with the file")
    return reply.body


def _too_large(remote: Remote, doing: str) -> PermanentError:
    return PermanentError(remote.system, doing, f"larger than {LARGEST_ATTACHMENT} bytes")


def _is_no_file(reply: Reply, attachment: Attachment) -> bool:
    came, told = (_kind(it) for it in (reply.headers.get("Content-Type", ""), attachment.content_type))
    return (came in NO_FILES and came != told) or (not reply.body and bool(attachment.size))


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
