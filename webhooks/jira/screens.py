"""Custom fields onto the screens of a project: what is on none of them cannot be written.

A project has a scheme of screens for its types of issues, each of those has screens for what is done with an issue,
each screen has tabs, and fields stand on tabs.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from plugin.errors import PluginError
from webhooks.jira.rest import PLATFORM, Rest

NEEDS = "the global permission Administer Jira"


def screens_of(rest: Rest, project: str) -> list[int]:
    """The screens on which issues of a project are looked at and edited.

    `PluginError` for a team-managed project, which has none of these.
    """
    row = _got(rest, f"look at project {project}", *PLATFORM, "project", project)
    if row.get("simplified"):
        raise PluginError(
            f"project {project} is team-managed: it takes no fields of the whole site. Set fields = false for the "
            "source, or use a company-managed project"
        )
    doing = f"look at the screens of {project}"
    schemes = _values(rest, doing, "issuetypescreenscheme", "project", projectId=str(row["id"]))
    scheme = next((str(it["issueTypeScreenScheme"]["id"]) for it in schemes), None)
    if scheme is None:
        raise PluginError(f"Jira tells no screens of project {project}: put the fields on its screens by hand")
    mapped = _values(rest, doing, "issuetypescreenscheme", "mapping", issueTypeScreenSchemeId=scheme)
    found: set[int] = set()
    for one in sorted({str(it["screenSchemeId"]) for it in mapped}):
        for row in _values(rest, doing, "screenscheme", id=one):
            found |= _chosen(row["screens"])
    return sorted(found)


def _chosen(screens: Mapping[str, Any]) -> set[int]:
    """Where a screen of its own is missing, the default one is shown."""
    return {int(screens.get(use) or screens["default"]) for use in ("view", "edit")}


def missing_on(rest: Rest, screen: int, fields: Mapping[str, str]) -> tuple[str, list[str]]:
    """The first tab of a screen, and which of these fields, by their ids, stand on none of its tabs."""
    doing, path = f"look at screen {screen}", (*PLATFORM, "screens", str(screen), "tabs")
    tabs = [str(tab["id"]) for tab in _got(rest, doing, *path)]
    if not tabs:
        raise PluginError(f"Jira's screen {screen} has no tab: put the fields there by hand")
    there = {row["id"] for tab in tabs for row in _got(rest, doing, *path, tab, "fields")}
    return tabs[0], [field for field in fields if field not in there]


def put_on(rest: Rest, screen: int, tab: str, field: str) -> None:
    """One more field on a tab."""
    path = (*PLATFORM, "screens", str(screen), "tabs", tab, "fields")
    rest.send(f"put field {field} on screen {screen}", "POST", *path, body={"fieldId": field}, needs=NEEDS)


def _values(rest: Rest, doing: str, *path: str, **params: str) -> Iterator[dict[str, Any]]:
    """The rows of a list; a project has few of these."""
    page = _got(rest, doing, *PLATFORM, *path, **params, maxResults="100")
    yield from page["values"]


def _got(rest: Rest, doing: str, *path: str, **params: str) -> Any:
    return rest.get(doing, *path, params=params, needs=NEEDS).json()
