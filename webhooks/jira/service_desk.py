"""What customers see of a service project: the forms of its request types."""

from collections.abc import Iterator

from plugin.errors import NotFound
from webhooks.jira import answers
from webhooks.jira.rest import SERVICE_DESK, Rest

PER_PAGE = 50
MOST_PAGES = 20


def shown_to_customers(rest: Rest, project: str, fields: frozenset[str]) -> list[str]:
    """Which of these fields stand on a request form of the project, as ``field on form``.

    What a form shows, the customer reads on the request as well. Raises `NotFound` where the project has no portal.
    """
    desk = _desk_of(rest, project)
    types = list(_rows(rest, f"list the request types of {project}", "servicedesk", desk, "requesttype"))
    return [f"{field} on “{kind.get('name')}”" for kind in types for field in _on_form(rest, desk, kind, fields)]


def _desk_of(rest: Rest, project: str) -> str:
    doing = "list the service projects"
    for desk in _rows(rest, doing, "servicedesk"):
        if desk.get("projectKey") == project:
            return str(desk["id"])
    raise NotFound(rest.system, doing, f"{project} is no service project, or our user is no agent of it")


def _on_form(rest: Rest, desk: str, kind: dict[str, object], fields: frozenset[str]) -> Iterator[str]:
    doing = f"look at the form of request type {kind.get('name')}"
    reply = rest.get(doing, *SERVICE_DESK, "servicedesk", desk, "requesttype", str(kind["id"]), "field")
    for field in answers.form(reply):
        if field["field_id"] in fields and field["visible"]:
            yield field["name"]


def _rows(rest: Rest, doing: str, *path: str) -> Iterator[dict[str, object]]:
    for number in range(MOST_PAGES):
        params = {"start": str(number * PER_PAGE), "limit": str(PER_PAGE)}
        rows, is_last = answers.page(rest.get(doing, *SERVICE_DESK, *path, params=params))
        yield from rows
        if is_last:
            return
