"""A strict stand-in of Jira Service Management Cloud, written from its documents and not from the adapter.

docs/jira.md names the documents, and it keeps to them: Basic sign-in by e-mail address and API token, where a token
that is not taken is answered as anybody would be; comments of the service desk, public unless said otherwise and always
public for a customer; labels one by one; fields that must be on a screen; documents (ADF) for long texts; a search in
which dates are in the time zone of whoever asks, and which finds a change only some time after; attachments behind a
redirect; and it signs, sends and sends again its own webhooks, each comment in two of them. In memory; the clock is
handed in.
"""

import base64
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from threading import RLock
from typing import Any
from zoneinfo import ZoneInfo

import requests
from flask import Flask, Response, request

from plugin.demo.serving import RunningServer, serve

ATTEMPTS = 6  # the first and five more
WAIT = timedelta(minutes=5)
AGAIN_AFTER = (408, 409, 425, 429)  # and all of 5xx
ORGANISATIONS, PARTICIPANTS = "customfield_10002", "customfield_10026"
TYPES = "com.atlassian.jira.plugin.system.customfieldtypes"
AGENT_PERMISSIONS = frozenset(
    {"BROWSE_PROJECTS", "EDIT_ISSUES", "ADD_COMMENTS", "EDIT_OWN_COMMENTS", "SERVICEDESK_AGENT"}
)


@dataclass
class User:
    account: str
    name: str
    email: str
    type: str = "customer"
    token: str = ""
    is_admin: bool = False
    projects: frozenset[str] = frozenset()  # those that it is an agent of
    permissions: frozenset[str] = AGENT_PERMISSIONS
    hides_email: bool = False
    zone: str = "UTC"


@dataclass
class Job:
    id: str
    hook: int
    body: bytes
    due: datetime
    attempts: int = 0


@dataclass
class Organisation:
    id: str
    name: str
    members: list[User] = field(default_factory=list)


class Refused(Exception):
    def __init__(self, status: int, *messages: str, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(*messages)
        self.status, self.messages, self.errors = status, messages, errors or {}


class Jira:
    """One site; its tables are plain dictionaries, for tests to look at."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.url = ""
        self.users: dict[str, User] = {}
        self.projects: dict[str, dict[str, Any]] = {}
        self.issues: dict[str, dict[str, Any]] = {}  # by id
        self.keys: dict[str, str] = {}  # every key that an issue ever had → its id
        self.comments: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.fields: dict[str, dict[str, Any]] = {
            ORGANISATIONS: _field("Organizations", "com.atlassian.servicedesk:sd-customer-organizations"),
            PARTICIPANTS: _field("Request participants", "com.atlassian.servicedesk:sd-request-participants"),
        }
        self.screens: dict[int, list[str]] = {1: ["summary", "labels"], 2: ["summary", "labels"]}
        self.forms: dict[str, list[dict[str, Any]]] = {}  # by project: the fields of its one request type
        self.webhooks: dict[int, dict[str, Any]] = {}
        self.jobs: list[Job] = []
        self.lost: list[Job] = []
        self.mails: list[tuple[str, str]] = []  # to whom, and the comment
        self.calls: list[tuple[str, str, Any]] = []
        self.throttle: list[tuple[int, dict[str, str]]] = []  # the next answers, whatever is asked
        self.lose_answers: list[str] = []  # ends of “POST /path”: the next is done, but answered 502
        self.twins: tuple[str, ...] = ("comment_created", "jira:issue_updated")  # what tells of a comment
        self.indexed_after = timedelta(0)
        self.turns_public = False  # something of the site makes internal comments public
        self.cannot_hide = False
        self.keeps_internal = False  # or public ones internal
        self._ids = iter(range(10041, 10**6))
        self._lock = RLock()

    # ── tests and people ─────────────────────────────────────────────────────────────────────────────────────────

    def add_user(self, name: str, email: str, **more: Any) -> User:
        user = User(account=f"70121:{uuid.uuid5(uuid.NAMESPACE_DNS, email)}", name=name, email=email, **more)
        self.users[user.account] = user
        return user

    def user_of(self, email: str) -> User:
        found = next((user for user in self.users.values() if user.email == email), None)
        return found or self.add_user(email.split("@")[0], email)

    def add_project(self, key: str, *, simplified: bool = False) -> None:
        self.projects[key] = {"id": str(next(self._ids)), "key": key, "name": key, "simplified": simplified}
        self.forms[key] = [{"fieldId": "summary", "name": "Summary"}, {"fieldId": "description", "name": "Details"}]

    def write_in(
        self, email: str, subject: str, text: str, *, project: str = "SUP", files: Any = (), creator: User | None = None
    ) -> str:
        """A customer's mail, or request in the portal, or an agent in a customer's name; the new issue's key."""
        with self._lock:
            reporter, number, now = self.user_of(email), str(next(self._ids)), self.clock()
            key = f"{project}-{sum(1 for known in self.keys if known.startswith(project + '-')) + 1}"
            self.issues[number] = {
                "id": number, "key": key, "project": project, "summary": subject, "description": text, "labels": [],
                "reporter": reporter.account, "creator": (creator or reporter).account, "created": now, "updated": now,
                "status": "Waiting for support", "has_request_type": True, ORGANISATIONS: [], PARTICIPANTS: [],
            }  # fmt: skip
            self.keys[key] = number
            self._attach(number, creator or reporter, files)
            self._tell("jira:issue_created", self.issues[number], creator or reporter, changelog=str(next(self._ids)))
            return key

    def write_on(self, key: str, email: str, text: str, files: Any = ()) -> str:
        """A customer comments, in the portal or by mail."""
        with self._lock:
            user = self.user_of(email)
            self._attach(self.keys[key], user, files)
            return self._new_comment(self.issue_of(key), user, text, public=True)["id"]

    def comment_of_agent(self, key: str, agent: User, text: str, *, public: bool) -> str:
        with self._lock:
            return self._new_comment(self.issue_of(key), agent, text, public=public)["id"]

    def move(self, key: str, project: str) -> str:
        """The issue gets a new key; the old one still leads to it."""
        with self._lock:
            issue = self.issue_of(key)
            new = f"{project}-{sum(1 for known in self.keys if known.startswith(project + '-')) + 1}"
            issue |= {"key": new, "project": project, "updated": self.clock()}
            self.keys[new] = issue["id"]
            return new

    def delete(self, key: str) -> None:
        del self.issues[self.keys[key]]

    def issue_of(self, key: str) -> dict[str, Any]:
        return self.issues[self.keys[key]]

    def comments_of(self, key: str) -> list[dict[str, Any]]:
        return [row for row in self.comments.values() if row["issue"] == self.keys[key]]

    def _attach(self, issue: str, user: User, files: Any) -> None:
        for name, kind, content in files:
            number = str(next(self._ids))
            self.files[number] = {
                "id": number, "issue": issue, "author": user.account, "filename": name, "mimeType": kind,
                "content": content, "created": self.clock(),
            }  # fmt: skip

    def _new_comment(self, issue: dict[str, Any], user: User, text: str, *, public: bool) -> dict[str, Any]:
        number = str(next(self._ids))
        if user.type == "customer":
            public = True
        kept = (public or self.turns_public) and not (public and self.keeps_internal)
        self.comments[number] = {
            "id": number, "issue": issue["id"], "author": user.account, "body": text, "public": kept,
            "created": self.clock(), "updated": self.clock(),
        }  # fmt: skip
        issue["updated"] = self.clock()
        if kept:
            self._mail(issue, user, text)
        for event in self.twins:
            self._tell(event, issue, user, comment=self.comments[number])
        return self.comments[number]

    def _mail(self, issue: Mapping[str, Any], author: User, text: str) -> None:
        """“Public comment added”: to the reporter, the participants, and the organisations it is shared with."""
        members = [member for organisation in issue[ORGANISATIONS] for member in organisation.members]
        readers = [self.users[issue["reporter"]], *(self.users[it] for it in issue[PARTICIPANTS]), *members]
        self.mails += [(reader.email, text) for reader in readers if reader is not author]

    # ── webhooks ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _tell(
        self, event: str, issue: Mapping[str, Any], user: User, *, comment: Any = None, changelog: str | None = None
    ) -> None:
        for number, hook in self.webhooks.items():
            jql = hook["filters"].get("issue-related-events-section", "")
            if hook["enabled"] and event in hook["events"] and issue["project"] in _projects(jql):
                body = json.dumps(self._payload(event, issue, user, comment, changelog), ensure_ascii=False)
                self.jobs.append(Job(id=str(uuid.uuid4()), hook=number, body=body.encode(), due=self.clock()))

    def _payload(self, event: str, issue: Any, user: User, comment: Any, changelog: str | None) -> dict[str, Any]:
        told: dict[str, Any] = {"timestamp": int(self.clock().timestamp() * 1000), "webhookEvent": event}
        if event != "comment_created":
            names = {"jira:issue_created": "issue_created"}
            told["issue_event_type_name"] = names.get(event, "issue_commented" if comment else "issue_generic")
            told["user"] = self._in_webhook(user)
        told["issue"] = {
            "id": issue["id"],
            "self": f"{self.url}/rest/api/2/issue/{issue['id']}",
            "key": issue["key"],
            "fields": {
                "summary": issue["summary"],
                "project": {"key": issue["project"], "projectTypeKey": "service_desk"},
                "status": {"name": issue["status"]},
            },
        }
        if comment:
            told["comment"] = {
                "self": f"{self.url}/rest/api/2/issue/{issue['id']}/comment/{comment['id']}",
                "id": comment["id"],
                "author": self._in_webhook(user),
                "body": comment["body"],
                "created": _moment(comment["created"]),
                "jsdPublic": comment["public"],
            }
        if changelog:
            told["changelog"] = {"id": changelog, "items": []}
        return told

    def _in_webhook(self, user: User) -> dict[str, Any]:
        """Without a mail address: Cloud leaves it out."""
        return {"accountId": user.account, "displayName": user.name, "active": True, "accountType": user.type}

    def run_jobs(self) -> int:
        """Send what is due; what fails comes again later. How many were taken."""
        taken = 0
        for job in [job for job in self.jobs if job.due <= self.clock()]:
            self.jobs.remove(job)
            job.attempts += 1
            if self._send(job):
                taken += 1
            elif job.attempts < ATTEMPTS:
                job.due = self.clock() + WAIT
                self.jobs.append(job)
            else:
                self.lost.append(job)
        return taken

    def _send(self, job: Job) -> bool:
        hook = self.webhooks[job.hook]
        headers = {
            "User-Agent": "Atlassian Webhook HTTP Client",
            "Content-Type": "application/json; charset=UTF-8",
            "X-Atlassian-Webhook-Identifier": job.id,
            "X-Atlassian-Webhook-Retry": str(job.attempts - 1),
        }
        if hook.get("secret"):
            mac = hmac.new(hook["secret"].encode(), job.body, hashlib.sha256)
            headers["X-Hub-Signature"] = f"sha256={mac.hexdigest()}"
        try:
            answer = requests.post(hook["url"], data=job.body, headers=headers, timeout=(5, 20), allow_redirects=False)
        except requests.exceptions.RequestException:
            return False
        return answer.status_code < 500 and answer.status_code not in AGAIN_AFTER

    # ── who asks, and what they may ──────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self._lock:
            yield

    def who(self) -> User | None:
        """Nobody, for a token that is not taken: no more is said than in a header."""
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        try:
            email, _, token = base64.b64decode(given, validate=True).decode().partition(":")
        except ValueError:
            return None
        found = [user for user in self.users.values() if user.email.lower() == email.lower() and user.token]
        return found[0] if kind == "Basic" and found and found[0].token == token else None

    def issue_for(self, user: User | None, number: str) -> dict[str, Any]:
        row = self.issues.get(self.keys.get(number.upper(), number))
        if row is None or user is None or row["project"] not in user.projects:
            raise Refused(404, "Issue does not exist or you do not have permission to see it.")
        return row

    def request_for(self, user: User | None, number: str) -> dict[str, Any]:
        """As a request of the portal, which its customer sees as well; by its key of today alone."""
        if user is None:
            raise Refused(401, "Client must be authenticated to access this resource.")
        row = next((row for row in self.issues.values() if row["key"] == number), None)
        is_seen = row is not None and (row["project"] in user.projects or row["reporter"] == user.account)
        if row is None or not is_seen or not row["has_request_type"]:
            raise Refused(404, "The request you are trying to view does not exist, or you may not see it.")
        return row

    # ── as the APIs show things ──────────────────────────────────────────────────────────────────────────────────

    def shown_user(self, account: str) -> dict[str, Any]:
        user = self.users[account]
        shown = {
            "self": f"{self.url}/rest/api/3/user?accountId={user.account}", "accountId": user.account,
            "accountType": user.type, "displayName": user.name, "active": True, "timeZone": user.zone,
        }  # fmt: skip
        return shown if user.hides_email else shown | {"emailAddress": user.email}

    def shown_issue(self, row: Mapping[str, Any], asked: list[str], *, rendered: bool) -> dict[str, Any]:
        values = {
            "summary": row["summary"],
            "description": _document(row["description"]),
            "project": {"id": self.projects[row["project"]]["id"], "key": row["project"]},
            "status": {"name": row["status"]},
            "reporter": self.shown_user(row["reporter"]) if row["reporter"] else None,
            "creator": self.shown_user(row["creator"]),
            "created": _moment(row["created"]),
            "updated": _moment(row["updated"]),
            "labels": row["labels"],
            "attachment": [self._shown_file(it) for it in self.files.values() if it["issue"] == row["id"]],
            ORGANISATIONS: [{"id": it.id, "name": it.name} for it in row[ORGANISATIONS]],
            PARTICIPANTS: [self.shown_user(it) for it in row[PARTICIPANTS]],
        }
        values |= {number: row.get(number) for number in self.fields if number not in values}
        shown: dict[str, Any] = {
            "id": row["id"],
            "key": row["key"],
            "fields": {name: value for name, value in values.items() if name in asked or "*all" in asked},
        }
        return shown | ({"renderedFields": {"description": rendered_html(row["description"])}} if rendered else {})

    def _shown_file(self, file: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": file["id"], "filename": file["filename"], "mimeType": file["mimeType"], "size": len(file["content"]),
            "created": _moment(file["created"]), "author": self.shown_user(file["author"]),
            "content": f"{self.url}/rest/api/3/attachment/content/{file['id']}",
        }  # fmt: skip

    def shown_comment(self, row: Mapping[str, Any], *, rendered: bool) -> dict[str, Any]:
        shown = {
            "id": row["id"],
            "author": self.shown_user(row["author"]),
            "body": _document(row["body"]),
            "created": _moment(row["created"]),
            "updated": _moment(row["updated"]),
            "jsdPublic": row["public"],
        }
        shown |= {"visibility": row["visibility"]} if "visibility" in row else {}
        return shown | ({"renderedBody": rendered_html(row["body"])} if rendered else {})

    def shown_in_portal(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """CommentDTO."""
        author = self.shown_user(row["author"])
        del author["accountType"]
        created = {"iso8601": _moment(row["created"]), "epochMillis": int(row["created"].timestamp() * 1000)}
        return {
            "_expands": ["attachment", "renderedBody"], "id": row["id"], "body": row["body"], "public": row["public"],
            "author": author, "created": created,
        }  # fmt: skip

    # ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────

    def comment_in_portal(self, user: User | None, number: str, given: Mapping[str, Any]) -> dict[str, Any]:
        row = self.request_for(user, number)
        assert user is not None
        if not isinstance(given.get("body"), str) or not given["body"].strip():
            raise Refused(400, "Comment body can not be empty!")
        if len(given["body"]) > 32767:
            raise Refused(400, "The entered text is too long. It exceeds the allowed limit of 32,767 characters.")
        public = given.get("public", True)
        if not isinstance(public, bool):
            raise Refused(400, "Can not deserialize instance of boolean")
        return self.shown_in_portal(self._new_comment(row, user, given["body"], public=public))

    def change_comment(self, user: User | None, number: str, comment: str, given: Mapping[str, Any]) -> None:
        row = self.issue_for(user, number)
        kept = self.comments.get(comment)
        if kept is None or kept["issue"] != row["id"] or user is None or kept["author"] != user.account:
            raise Refused(404, "Can not find a comment for the id")
        if not isinstance(given.get("body"), str):
            raise Refused(400, errors={"comment": "Comment body can not be empty!"})
        kept["body"] = given["body"]
        for written in given.get("properties", ()):
            if written["key"] == "sd.public.comment":
                kept["public"] = self.cannot_hide or not written["value"]["internal"]

    def change_issue(self, user: User | None, number: str, given: Mapping[str, Any]) -> None:
        row = self.issue_for(user, number)
        values, update = given.get("fields", {}), given.get("update", {})
        if set(values) & set(update):
            raise Refused(400, "Field cannot be in both update and fields")
        unknown = {
            name: f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."
            for name in [*values, *update]
            if name not in self.screens[1]
        }
        wrong = {name: why for name, value in values.items() if (why := self._why_not(name, value))}
        if unknown or wrong:
            raise Refused(400, errors=wrong | unknown)
        before = json.dumps([row.get(name) for name in values] + row["labels"], default=str)
        row.update(values)
        for operation in update.get("labels", ()):
            self._change_label(row["labels"], operation)
        if json.dumps([row.get(name) for name in values] + row["labels"], default=str) != before:
            row["updated"] = self.clock()
            assert user is not None
            self._tell("jira:issue_updated", row, user, changelog=str(next(self._ids)))

    def _change_label(self, labels: list[str], operation: Mapping[str, str]) -> None:
        [(what, label)] = operation.items()
        if what not in ("add", "remove", "set") or " " in label:
            raise Refused(400, errors={"labels": f"The label '{label}' contains spaces which is invalid."})
        if what == "add" and label not in labels:
            labels.append(label)
        if what == "remove" and label in labels:
            labels.remove(label)

    def _why_not(self, name: str, value: Any) -> str:
        """A line of up to 255 characters, or a document."""
        kind = self.fields.get(name, {}).get("schema", {}).get("custom", "")
        if value is None:
            return ""
        if kind.endswith(":textarea"):
            is_document = isinstance(value, dict) and value.get("type") == "doc" and value.get("version") == 1
            return "" if is_document else "Operation value must be an Atlassian Document (see the ADF)"
        if not isinstance(value, str):
            return "Operation value must be a string"
        return "The entered text is too long. It exceeds 255 characters." if len(value) > 255 else ""

    def search(self, user: User | None, given: Mapping[str, Any]) -> dict[str, Any]:
        """Enhanced search: bounded queries, tokens for pages, only ids unless fields are asked for."""
        unknown = set(given) - {"jql", "fields", "maxResults", "nextPageToken", "expand", "reconcileIssues"}
        if unknown:
            raise Refused(400, f"Invalid request payload: {sorted(unknown)}")
        if user is None:
            return {"issues": [], "isLast": True}
        rows = sorted(self._matching(user, str(given.get("jql", ""))), key=lambda row: row["updated"], reverse=True)
        start = int(base64.b64decode(given["nextPageToken"])) if given.get("nextPageToken") else 0
        size = min(int(given.get("maxResults", 50)), 5000)
        asked = list(given.get("fields", ["id"]))
        page = rows[start : start + size]
        found: dict[str, Any] = {"issues": [self.shown_issue(row, asked, rendered=False) for row in page]}
        if start + size < len(rows):
            return found | {"nextPageToken": base64.b64encode(str(start + size).encode()).decode()}
        return found | {"isLast": True}

    def _matching(self, user: User, jql: str) -> list[dict[str, Any]]:
        read = re.fullmatch(
            r'project in \(([^)]*)\) AND updated >= (?:"(\d{4}-\d\d-\d\d \d\d:\d\d)"|-(\d+)d) ORDER BY updated DESC',
            jql,
        )
        if read is None:
            raise Refused(400, f"Error in the JQL Query: {jql}")
        asked = _projects(jql)
        for project in asked:
            if project not in user.projects:
                raise Refused(400, f"The value '{project}' does not exist for the field 'project'.")
        after = self.clock() - timedelta(days=int(read[3] or 0))
        if read[2]:
            after = datetime.strptime(read[2], "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(user.zone)).astimezone(UTC)
        indexed = self.clock() - self.indexed_after
        return [r for r in self.issues.values() if r["project"] in asked and after <= r["updated"] <= indexed]

    def add_field(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if not given.get("name") or not str(given.get("type", "")).startswith(f"{TYPES}:text"):
            raise Refused(400, "The custom field type is not valid")
        if given.get("searcherKey") != f"{TYPES}:textsearcher":
            raise Refused(400, "The searcher is not valid for the custom field type")
        number = f"customfield_{next(self._ids)}"
        self.fields[number] = _field(given["name"], given["type"]) | {"description": given.get("description", "")}
        return {"id": number, "key": number, **self.fields[number]}


# ── what wiki markup looks like to people ────────────────────────────────────────────────────────────────────────


def rendered_html(text: str) -> str:
    """Wiki markup as HTML, as far as it matters here: whatever has a meaning and was not meant shows."""
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found[1])
        return chr(0xE000 + len(kept) - 1)

    text = escape(re.sub(r"\\([{}\[\]|!*_+^~?#-])", keep, text), quote=False)
    text = text.replace("\\\\", "<br>")
    text = re.sub(r"\[~accountid:[^\]]*\]", '<span class="mention">somebody</span>', text)
    text = re.sub(r"\[\^[^\]]*\]", '<span class="attached">a file</span>', text)
    text = re.sub(r"\[([^|\]]*)\|([^\]]*)\]", r'<a href="\2">\1</a>', text)
    text = re.sub(r"(?<![\w&])!([^\s!|][^!\n]*)!", r'<img src="\1">', text)
    text = re.sub(r"\{(\w+)[^}\n]*\}", r'<div class="macro \1">', text)
    text = re.sub(r"(?<!\w)\*([^\s*][^*\n]*)\*(?!\w)", r"<b>\1</b>", text)
    text = re.sub(r"(?<!\w)-([^\s-][^-\n]*)-(?!\w)", r"<del>\1</del>", text)
    text = re.sub(r"^(h[1-6])\. *(.*)$", r"<\1>\2</\1>", text, flags=re.MULTILINE)
    text = re.sub(r"^\* (.*)$", r"<li>\1</li>", text, flags=re.MULTILINE)
    text = re.sub(r"^# (.*)$", r'<li class="numbered">\1</li>', text, flags=re.MULTILINE)
    text = re.sub(r"^\|.*\|$", r"<table>\g<0></table>", text, flags=re.MULTILINE)
    text = "".join(
        escape(kept[ord(c) - 0xE000], quote=False) if 0xE000 <= ord(c) < 0xE000 + len(kept) else c for c in text
    )
    return "".join(f"<p>{block}</p>" for block in re.split(r"\n{2,}", text)).replace("\n", "<br>")


def _document(text: str) -> dict[str, Any]:
    return {
        "type": "doc",
        "version": 1,
        "content": [{"type": "paragraph", "content": [{"type": "text", "text": text}]}],
    }


def _projects(jql: str) -> list[str]:
    found = re.search(r"project in \(([^)]*)\)", jql)
    return re.findall(r'"([^"]+)"', found[1]) if found else []


def _field(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "custom": True, "schema": {"custom": kind, "type": "string"}}


def _moment(at: datetime) -> str:
    """As Jira writes moments."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}+0000"


# ── over HTTP ────────────────────────────────────────────────────────────────────────────────────────────────────


def create_app(jira: Jira) -> Flask:
    """The APIs of one site."""
    app = Flask("jira", static_folder=None)

    def route(path: str, method: str, *, admin: bool = False) -> Callable[..., Any]:
        def add(view: Callable[..., Any]) -> Callable[..., Any]:
            def answer(**values: str) -> Response:
                return _answered(jira, admin, view, values)

            app.add_url_rule(path, f"{method} {path}", answer, methods=[method])
            return view

        return add

    for some in (_issues, _comments, _fields, _people, _service_desk, _screens, _webhooks):
        some(jira, route)

    @app.errorhandler(404)
    def no_route(_error: Exception) -> Response:
        return _error_of(Refused(404, f"null for uri: {request.path}"))

    return app


def _answered(jira: Jira, admin: bool, view: Callable[..., Any], values: Mapping[str, str]) -> Response:
    with jira.locked():
        if jira.throttle:
            status, headers = jira.throttle.pop(0)
            return Response("Rate limit exceeded", status=status, headers=headers, mimetype="text/plain")
        body = request.get_json(silent=True) if request.mimetype == "application/json" else None
        jira.calls.append((request.method, request.full_path.rstrip("?"), body))
        user = jira.who()
        try:
            if admin and user is None:
                raise Refused(401, "Client must be authenticated to access this resource.")
            if admin and user is not None and not user.is_admin:
                raise Refused(403, "Only administrators may do this.")
            if request.method in ("POST", "PUT") and not isinstance(body, dict):
                raise Refused(400, "Unexpected character: expected a valid value")
            status, shown = view(user, body or {}, **values)
        except Refused as refusal:
            return _error_of(refusal)
        asked = f"{request.method} {request.path}"
        if any(asked.endswith(lost) for lost in jira.lose_answers):
            jira.lose_answers = [lost for lost in jira.lose_answers if not asked.endswith(lost)]
            return Response("bad gateway", status=502, mimetype="text/html")
        if isinstance(shown, Response):
            return shown
        text = "" if status == 204 else json.dumps(shown)
        return Response(text, status=status, mimetype="application/json")


def _error_of(refusal: Refused) -> Response:
    if "servicedeskapi" in request.path:
        said: dict[str, Any] = {"errorMessage": "; ".join(refusal.messages), "i18nErrorMessage": {"i18nKey": "x"}}
    else:
        said = {"errorMessages": list(refusal.messages), "errors": dict(refusal.errors)}
    headers = {}
    if request.headers.get("Authorization") and refusal.status in (401, 404):
        headers["X-Seraph-Loginreason"] = "AUTHENTICATED_FAILED"
    return Response(json.dumps(said), status=refusal.status, headers=headers, mimetype="application/json")


def _signed_in(user: User | None) -> User:
    if user is None:
        raise Refused(401, "Client must be authenticated to access this resource.")
    return user


def _issues(jira: Jira, route: Callable[..., Any]) -> None:
    @route("/rest/api/3/issue/<number>", "GET")
    def show(user: User | None, _body: Any, number: str) -> Any:
        asked = request.args.get("fields", "*all").split(",")
        rendered = "renderedFields" in request.args.get("expand", "")
        return 200, jira.shown_issue(jira.issue_for(user, number), asked, rendered=rendered)

    @route("/rest/api/3/issue/<number>", "PUT")
    def change(user: User | None, body: Any, number: str) -> Any:
        jira.change_issue(user, number, body)
        return 204, None

    @route("/rest/api/3/issue/<number>/editmeta", "GET")
    def editmeta(user: User | None, _body: Any, number: str) -> Any:
        jira.issue_for(user, number)
        return 200, {"fields": {name: {"required": False, "operations": ["set"]} for name in jira.screens[1]}}

    @route("/rest/api/3/search/jql", "POST")
    def search(user: User | None, body: Any) -> Any:
        return 200, jira.search(user, body)

    @route("/rest/api/3/search", "POST")
    def old_search(_user: User | None, _body: Any) -> Any:
        raise Refused(410, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.")

    @route("/rest/api/3/attachment/content/<number>", "GET")
    def content(user: User | None, _body: Any, number: str) -> Any:
        file = jira.files.get(number)
        if file is None:
            raise Refused(404, f"The attachment with id '{number}' does not exist")
        jira.issue_for(user, file["issue"])
        if request.args.get("redirect", "true") != "false":
            return 303, Response(status=303, headers={"Location": f"https://api.media.atlassian.example/{number}"})
        return 200, Response(file["content"], mimetype=file["mimeType"])


def _comments(jira: Jira, route: Callable[..., Any]) -> None:
    @route("/rest/api/3/issue/<number>/comment", "GET")
    def comments(user: User | None, _body: Any, number: str) -> Any:
        row = jira.issue_for(user, number)
        rows = jira.comments_of(row["key"])
        if request.args.get("orderBy") == "-created":
            rows = rows[::-1]
        start, size = int(request.args.get("startAt", 0)), min(int(request.args.get("maxResults", 100)), 100)
        rendered = "renderedBody" in request.args.get("expand", "")
        page = [jira.shown_comment(it, rendered=rendered) for it in rows[start : start + size]]
        return 200, {"startAt": start, "maxResults": size, "total": len(rows), "comments": page}

    @route("/rest/api/2/issue/<number>/comment/<comment>", "PUT")
    def edit(user: User | None, body: Any, number: str, comment: str) -> Any:
        jira.change_comment(user, number, comment, body)
        return 200, jira.shown_comment(jira.comments[comment], rendered=False)

    @route("/rest/servicedeskapi/request/<number>/comment", "POST")
    def write(user: User | None, body: Any, number: str) -> Any:
        return 201, jira.comment_in_portal(user, number, body)

    @route("/rest/servicedeskapi/request/<number>/comment/<comment>", "GET")
    def comment(user: User | None, _body: Any, number: str, comment: str) -> Any:
        row = jira.request_for(user, number)
        kept = jira.comments.get(comment)
        if kept is None or kept["issue"] != row["id"]:
            raise Refused(404, "The comment does not exist.")
        return 200, jira.shown_in_portal(kept)

    @route("/rest/servicedeskapi/request/<number>/participant", "GET")
    def participants(user: User | None, _body: Any, number: str) -> Any:
        row = jira.request_for(user, number)
        return 200, _page([jira.shown_user(account) for account in row[PARTICIPANTS]])


def _fields(jira: Jira, route: Callable[..., Any]) -> None:
    @route("/rest/api/3/field", "GET")
    def fields(_user: User | None, _body: Any) -> Any:
        system = [{"id": name, "key": name, "name": name.title(), "custom": False} for name in ("summary", "labels")]
        return 200, system + [{"id": number, "key": number, **row} for number, row in jira.fields.items()]

    @route("/rest/api/3/field", "POST", admin=True)
    def make(_user: User | None, body: Any) -> Any:
        return 201, jira.add_field(body)


def _people(jira: Jira, route: Callable[..., Any]) -> None:
    @route("/rest/api/3/myself", "GET")
    def myself(user: User | None, _body: Any) -> Any:
        return 200, jira.shown_user(_signed_in(user).account)

    @route("/rest/api/3/user/search", "GET")
    def search(user: User | None, _body: Any) -> Any:
        _signed_in(user)
        wanted = request.args["query"].lower()
        return 200, [jira.shown_user(it.account) for it in jira.users.values() if it.email.lower().startswith(wanted)]

    @route("/rest/api/3/mypermissions", "GET")
    def permissions(user: User | None, _body: Any) -> Any:
        asked = request.args.get("permissions", "").split(",")
        project = request.args.get("projectKey", "")
        if not all(asked):
            raise Refused(400, "The 'permissions' query parameter is required.")
        if user is None or project not in user.projects:
            raise Refused(404, f"No project could be found with key '{project}'.")
        return 200, {"permissions": {it: {"key": it, "havePermission": it in user.permissions} for it in asked}}

    @route("/rest/api/3/project/<key>", "GET")
    def project(user: User | None, _body: Any, key: str) -> Any:
        if user is None or key not in jira.projects or not (user.is_admin or key in user.projects):
            raise Refused(404, f"No project could be found with key '{key}'.")
        return 200, jira.projects[key]


def _service_desk(jira: Jira, route: Callable[..., Any]) -> None:
    @route("/rest/servicedeskapi/servicedesk", "GET")
    def desks(user: User | None, _body: Any) -> Any:
        mine = [key for key in jira.projects if _signed_in(user).is_admin or key in _signed_in(user).projects]
        return 200, _page([{"id": jira.projects[key]["id"], "projectKey": key} for key in mine])

    @route("/rest/servicedeskapi/servicedesk/<desk>/requesttype", "GET")
    def types(user: User | None, _body: Any, desk: str) -> Any:
        _signed_in(user)
        return 200, _page([{"id": "7", "name": "Get IT help"}])

    @route("/rest/servicedeskapi/servicedesk/<desk>/requesttype/<kind>/field", "GET")
    def form(user: User | None, _body: Any, desk: str, kind: str) -> Any:
        _signed_in(user)
        [key] = [key for key, row in jira.projects.items() if row["id"] == desk]
        shown = [{"required": False, "visible": True, "validValues": [], **row} for row in jira.forms[key]]
        return 200, {"requestTypeFields": shown, "canRaiseOnBehalfOf": True, "canAddRequestParticipants": True}


def _screens(jira: Jira, route: Callable[..., Any]) -> None:
    @route("/rest/api/3/issuetypescreenscheme/project", "GET", admin=True)
    def scheme(_user: User | None, _body: Any) -> Any:
        project = request.args["projectId"]
        return 200, _values([{"issueTypeScreenScheme": {"id": "31", "name": "JSM"}, "projectIds": [project]}])

    @route("/rest/api/3/issuetypescreenscheme/mapping", "GET", admin=True)
    def mapping(_user: User | None, _body: Any) -> Any:
        scheme = request.args["issueTypeScreenSchemeId"]
        rows = [("default", "41"), ("10004", "41")]
        return 200, _values([
            {"issueTypeScreenSchemeId": scheme, "issueTypeId": kind, "screenSchemeId": one} for kind, one in rows
        ])  # fmt: skip

    @route("/rest/api/3/screenscheme", "GET", admin=True)
    def screen_scheme(_user: User | None, _body: Any) -> Any:
        return 200, _values([{"id": int(request.args["id"]), "name": "JSM", "screens": {"default": 1, "view": 2}}])

    @route("/rest/api/3/screens/<screen>/tabs", "GET", admin=True)
    def tabs(_user: User | None, _body: Any, screen: str) -> Any:
        return 200, [{"id": int(screen) * 100, "name": "Field Tab"}]

    @route("/rest/api/3/screens/<screen>/tabs/<tab>/fields", "GET", admin=True)
    def on_tab(_user: User | None, _body: Any, screen: str, tab: str) -> Any:
        return 200, [{"id": name, "name": name} for name in jira.screens[int(screen)]]

    @route("/rest/api/3/screens/<screen>/tabs/<tab>/fields", "POST", admin=True)
    def put_on_tab(_user: User | None, body: Any, screen: str, tab: str) -> Any:
        if body["fieldId"] in jira.screens[int(screen)]:
            raise Refused(400, f"The field {body['fieldId']} already exists on the screen.")
        jira.screens[int(screen)].append(body["fieldId"])
        return 200, {"id": body["fieldId"], "name": body["fieldId"]}


def _webhooks(jira: Jira, route: Callable[..., Any]) -> None:
    def shown(number: int) -> dict[str, Any]:
        """A secret is never told again."""
        row = {name: value for name, value in jira.webhooks[number].items() if name != "secret"}
        return row | {"self": f"{jira.url}/rest/webhooks/1.0/webhook/{number}", "isSigned": True}

    @route("/rest/webhooks/1.0/webhook", "GET", admin=True)
    def rows(_user: User | None, _body: Any) -> Any:
        return 200, [shown(number) for number in jira.webhooks]

    @route("/rest/webhooks/1.0/webhook", "POST", admin=True)
    def make(_user: User | None, body: Any) -> Any:
        missing = sorted({"name", "url", "events"} - set(body))
        if missing:
            raise Refused(400, f"{missing[0]} is required")
        number = next(jira._ids)
        events = sorted(body["events"], reverse=True)
        jira.webhooks[number] = {"filters": {}, "excludeBody": False} | body | {"events": events, "enabled": True}
        return 201, shown(number)

    @route("/rest/webhooks/1.0/webhook/<number>", "PUT", admin=True)
    def change(_user: User | None, body: Any, number: str) -> Any:
        if int(number) not in jira.webhooks:
            raise Refused(404, "Webhook not found")
        jira.webhooks[int(number)].update(body)
        return 200, shown(int(number))


def _page(rows: list[Any]) -> dict[str, Any]:
    """A list of the service desk."""
    start, size = int(request.args.get("start", 0)), int(request.args.get("limit", 50))
    return {
        "size": len(rows[start : start + size]), "start": start, "limit": size,
        "isLastPage": start + size >= len(rows), "values": rows[start : start + size],
    }  # fmt: skip


def _values(rows: list[Any]) -> dict[str, Any]:
    return {"maxResults": 50, "startAt": 0, "total": len(rows), "isLast": True, "values": rows}


class Running:
    """A Jira that answers at an address, with an administrator, our user and an agent in it."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.jira = Jira(clock)
        for project in ("SUP", "FAC"):
            self.jira.add_project(project)
        both = frozenset({"SUP", "FAC"})
        self.admin = self.jira.add_user(
            "Ada Admin", "admin@example.edu", type="atlassian", is_admin=True, token="ATATT" + "a" * 40
        )
        self.ours = self.jira.add_user(
            "Unblock", "m365-unblock@example.edu", type="atlassian", projects=both, token="ATATT" + "o" * 40,
            zone="America/Chicago",
        )  # fmt: skip
        self.agent = self.jira.add_user("Alex Agent", "alex@example.edu", type="atlassian", projects=both)
        self._server: RunningServer = serve(create_app(self.jira), "127.0.0.1", 0)
        self.url = self.jira.url = f"http://127.0.0.1:{self._server.port}"

    def close(self) -> None:
        """Answer no more."""
        self._server.close()
