"""What we ask of RT: searches in its own languages, with everything in them quoted. Pure.

There are two: TicketSQL (and TransactionSQL), and JSON searches, a list of conditions on columns.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

NOTE_KEY = "M365 Note Key"
TAGS = "M365 Tags"
MESSAGES = ("Create", "Correspond", "Comment")  # the transactions that say something
PER_PAGE = 100  # RT gives no more

# TicketSQL takes a moment in the service user's or RT's own time zone, which nobody tells us: so we ask from a moment
# that is early enough in every zone (none is more than 12 hours behind UTC), and leave out what comes too early.
ZONES = timedelta(hours=13)

_PERSON = "id,Name,RealName,EmailAddress"
_READABLE = ("text/", "message/", "multipart/")
_LISTED = (*_READABLE, "application/octet-stream", "application/x-eml")  # what may be a mail, by its name

Params = Sequence[tuple[str, str]]


def ticket(ticket: int) -> Params:
    """One ticket with its people, fields and the ticket it was merged into.

    Naming EffectiveId in the query is what makes RT show merged tickets at all.
    """
    return (
        ("query", f"id = {ticket} AND EffectiveId > 0"),
        ("fields", "EffectiveId,Subject,Status,Queue,Requestor,Cc,CustomFields"),
        ("fields[Requestor]", _PERSON),
        ("fields[Cc]", _PERSON),
        ("fields[Queue]", "Name,Cc"),
        ("fields[Queue][Cc]", _PERSON),
    )


def history() -> Params:
    """A ticket's newest messages, without their texts. The history of a ticket holds that of those merged into it."""
    return (
        ("query", _all_of(_one_of("Type", MESSAGES))),
        ("fields", "Type,Creator,Created"),
        ("fields[Creator]", _PERSON),
        *_newest_first(),
    )


def parts(transactions: Iterable[str]) -> Params:
    """How messages are made up: their parts, without the outermost ones and without what is in them.

    RT answers 500 to a question for the Parent of a part that has none. Pictures and the like are never read.
    """
    return (
        ("query", _all_of(_one_of("TransactionId", transactions), _condition("Parent", ">", "0"), _kinds(_LISTED))),
        ("fields", "TransactionId,Parent,ContentType,Filename,ContentLength"),
        *_newest_first(),
    )


def contents(transactions: Iterable[str], *, without: Sequence[str]) -> Params:
    """What is in the readable parts of messages, but for some parts."""
    left_out = _condition("id", "NOT IN", list(without)) if without else []
    return (
        ("query", _all_of(_one_of("TransactionId", transactions), left_out, _kinds(_READABLE))),
        ("fields", "TransactionId,ContentType,Filename,Headers,Content"),
        *_newest_first(),
    )


def notes(key: str) -> Params:
    """The transactions that carry a note's key. RT compares without regard to case."""
    return (
        ("query", f"'CF.{{{NOTE_KEY}}}' = {_quoted(key)}"),
        ("fields", "Type,CustomFields"),
        ("per_page", str(PER_PAGE)),
    )


def changed(since: datetime, queues: Iterable[str], page: int) -> Params:
    """A page of the tickets changed since a moment or up to a day earlier, newest change first.

    In this order a ticket that changes while the pages are read moves to the front, and so leaves no gap.
    """
    moment = (since - ZONES).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    either = " OR ".join(f"Queue = {_quoted(queue)}" for queue in sorted(queues))
    return (
        ("query", f"LastUpdated >= '{moment}'" + (f" AND ({either})" if either else "")),
        ("fields", "LastUpdated"),
        ("orderby", "LastUpdated"),
        ("order", "DESC"),
        *_newest_first(),
        ("page", str(page)),
    )


def _newest_first() -> Params:
    return (("orderby", "id"), ("order", "DESC"), ("per_page", str(PER_PAGE)))


def _all_of(*conditions: list[object]) -> str:
    """RT joins conditions on different columns with AND, those on one column with OR."""
    return json.dumps([condition for several in conditions for condition in several])


def _condition(field: str, operator: str, value: object) -> list[object]:
    return [{"field": field, "operator": operator, "value": value}]


def _one_of(field: str, values: Iterable[str]) -> list[object]:
    return _condition(field, "IN", list(values))


def _kinds(kinds: Iterable[str]) -> list[object]:
    return [condition for kind in kinds for condition in _condition("ContentType", "STARTSWITH", kind)]


def _quoted(text: str) -> str:
    """A string of TicketSQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
