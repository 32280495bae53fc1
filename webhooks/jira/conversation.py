"""The messages of an issue: what it was opened with, then its comments, oldest first. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime

from plugin.model import Attachment, Message, Person, Visibility
from webhooks.jira.answers import Comment, File, Issue, Somebody
from webhooks.jira.people import Circle, is_opened_by_agent


def conversation(
    issue: Issue, comments: Sequence[Comment], people: Circle, attachment: Callable[[File], Attachment]
) -> tuple[Message, ...]:
    """The description and the comments, each with the files that came along with it."""
    ordered = sorted(comments, key=lambda comment: (comment.created, int(comment.id)))
    files = _files_by_message(issue, ordered)

    def having(message: str) -> tuple[Attachment, ...]:
        return tuple(attachment(file) for file in files.get(message, ()))

    opened = Message(
        id=issue.key,
        author=_opener(issue, people),
        text=issue.description_html,
        content_type="text/html",
        visibility=Visibility.PUBLIC,
        created_at=issue.created,
        attachments=having(issue.key),
    )
    return (opened, *(_said(comment, people, having(comment.id)) for comment in ordered))


def _opener(issue: Issue, people: Circle) -> Person:
    if is_opened_by_agent(issue, people) and issue.creator is not None:
        return issue.creator.as_person(is_agent=True)
    return issue.reporter.as_person(is_agent=False) if issue.reporter else Person()


def _said(comment: Comment, people: Circle, files: tuple[Attachment, ...]) -> Message:
    author = comment.author
    return Message(
        id=comment.id,
        author=author.as_person(is_agent=people.is_agent(author)) if author else Person(),
        text=comment.html,
        content_type="text/html",
        visibility=Visibility.PUBLIC if comment.is_public else Visibility.INTERNAL,
        created_at=comment.created,
        attachments=files,
    )


def _files_by_message(issue: Issue, comments: Sequence[Comment]) -> dict[str, list[File]]:
    """Jira keeps files with the issue: each goes to what its author wrote nearest in time, else to the description."""
    said = [(issue.key, issue.created, {_account(issue.reporter), _account(issue.creator)})]
    said += [(comment.id, comment.created, {_account(comment.author)}) for comment in comments]
    files: dict[str, list[File]] = {}
    for file in issue.files:
        by_author = [(message, at) for message, at, authors in said if _account(file.author) in authors]
        nearest = min(by_author, key=lambda it: _apart(it[1], file.created), default=(issue.key, issue.created))
        files.setdefault(nearest[0], []).append(file)
    return files


def _apart(at: datetime, other: datetime) -> float:
    return abs((at - other).total_seconds())


def _account(somebody: Somebody | None) -> str:
    return somebody.account if somebody else ""
