"""A strict stand-in of Zammad, written from its documents and source (docs/zammad.md names them), not from the adapter.

It keeps to what is documented: access tokens with permissions, groups, visibility that is public unless said otherwise
and forced public for whoever is no agent, attributes that are dropped without a word where they are not known, tags one
by one, checklists, searches; and it signs, sends and sends again its own webhooks. In memory; time is handed in.
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
from datetime import datetime, timedelta
from threading import RLock
from typing import Any

import requests
from flask import Flask, Response, request

from plugin.demo.serving import RunningServer, serve

ATTEMPTS = 5  # app/jobs/trigger_webhook_job.rb: attempts: 5, wait: executions * 10 seconds
WAIT = timedelta(seconds=10)
SENDERS = {"Agent": 1, "Customer": 2, "System": 3}
TYPES = {"email": 1, "phone": 5, "note": 10, "web": 11}
AGENT = frozenset({"ticket.agent"})
ADMIN = frozenset({"admin.webhook", "admin.trigger", "admin.tag", "admin.object", "admin.checklists"})
COLUMNS = frozenset({"title", "group_id", "state_id", "priority_id", "owner_id", "customer_id", "note"})


@dataclass
class User:
    id: int
    login: str
    email: str
    firstname: str = ""
    lastname: str = ""
    permissions: frozenset[str] = frozenset({"ticket.customer"})
    groups: Mapping[str, list[str]] = field(default_factory=dict)
    token: str = ""

    @property
    def is_agent(self) -> bool:
        return "ticket.agent" in self.permissions


@dataclass
class Job:
    id: str
    trigger: dict[str, Any]
    ticket: int
    article: int | None
    due: datetime
    attempts: int = 0


class Refused(Exception):
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


class Zammad:
    """One Zammad; its tables are plain dictionaries, for tests to look at."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.users: dict[int, User] = {}
        self.groups = {1: "Users", 2: "Service Desk"}
        self.tickets: dict[int, dict[str, Any]] = {}
        self.articles: dict[int, dict[str, Any]] = {}
        self.files: dict[int, tuple[int, str, str, bytes]] = {}
        self.ticket_tags: dict[int, list[str]] = {}
        self.tag_items: list[str] = []
        self.links: list[tuple[str, int, int]] = []  # type, source, target
        self.attributes: dict[int, dict[str, Any]] = {}
        self.webhooks: dict[int, dict[str, Any]] = {}
        self.triggers: dict[int, dict[str, Any]] = {}
        self.templates: dict[int, dict[str, Any]] = {}
        self.template_items: dict[int, str] = {}
        self.checklists: dict[int, dict[str, Any]] = {}
        self.items: dict[int, dict[str, Any]] = {}
        self.jobs: list[Job] = []
        self.lost: list[Job] = []
        self.calls: list[tuple[str, str, Any]] = []
        self.throttle: list[tuple[int, dict[str, str]]] = []  # the next answers, whatever is asked
        self.lose_answers: list[str] = []  # paths whose next request is done, but answered with 502
        self.has_checklists = True
        self.sla_updates = False  # a second update shortly after each creation (zammad/zammad#5841)
        self.tag_new = True
        self.turns_public = False  # something of the site makes internal articles public
        self._ids = iter(range(41, 10**6))
        self._lock = RLock()
        self.add_user("-", "", permissions=frozenset())

    # ── tests and people ─────────────────────────────────────────────────────────────────────────────────────────

    def add_user(self, login: str, email: str, **more: Any) -> User:
        user = User(id=1 if not self.users else next(self._ids), login=login, email=email, **more)
        self.users[user.id] = user
        return user

    def user_of(self, email: str) -> User:
        found = next((user for user in self.users.values() if user.email == email), None)
        return found or self.add_user(email, email, firstname=email.split("@")[0])

    def mail_in(self, email: str, subject: str, text: str, *, group: int = 2, files: Any = ()) -> int:
        """A customer's mail opens a ticket."""
        with self._lock:
            customer = self.user_of(email)
            ticket = self._new_ticket(customer, subject, group)
            article = self._mail(ticket, customer, subject, text, files)
            self._run_triggers("create", ticket, article)
            if self.sla_updates:
                self._run_triggers("update", ticket, article)
            return ticket

    def mail_on(self, ticket: int, email: str, text: str, files: Any = ()) -> int:
        """A customer's mail to a ticket."""
        with self._lock:
            article = self._mail(ticket, self.user_of(email), "Re: " + self.tickets[ticket]["title"], text, files)
            self._run_triggers("update", ticket, article)
            return article

    def note_of_agent(self, ticket: int, agent: User, text: str, *, internal: bool = True) -> int:
        """An agent writes a note in the browser."""
        with self._lock:
            article = self._new_article(
                ticket, agent, {"body": text, "type": "note", "internal": internal}, sender="Agent"
            )
            self._run_triggers("update", ticket, article)
            return article

    def merge(self, ticket: int, into: int) -> None:
        """Ticket#merge_to: the articles move, a note stays, the link's source is the surviving ticket."""
        with self._lock:
            for article in self.articles.values():
                if article["ticket_id"] == ticket:
                    article["ticket_id"] = into
            self._new_article(ticket, self.users[1], {"body": "merged", "type": "note", "internal": False}, "Agent")
            self.links.append(("parent", into, ticket))
            self.tickets[ticket]["state"] = "merged"
            self._touch(ticket)
            self._touch(into)

    def _mail(self, ticket: int, user: User, subject: str, text: str, files: Any) -> int:
        given = {"body": text, "type": "email", "subject": subject, "internal": False, "content_type": "text/plain"}
        given |= {"from": f"{user.firstname} <{user.email}>", "to": "help@example.edu"}
        article = self._new_article(ticket, user, given, "Customer")
        for name, kind, content in files:
            self.files[next(self._ids)] = (article, name, kind, content)
        return article

    def _new_ticket(self, customer: User, title: str, group: int) -> int:
        number = next(self._ids)
        now = self.clock()
        self.tickets[number] = {
            "id": number, "number": f"2{number}", "title": title, "group_id": group, "customer_id": customer.id,
            "state": "new", "created_by_id": customer.id, "updated_by_id": customer.id, "created_at": now,
            "updated_at": now, "note": None,
        }  # fmt: skip
        self.ticket_tags[number] = []
        return number

    def _new_article(self, ticket: int, user: User, given: Mapping[str, Any], sender: str) -> int:
        number = next(self._ids)
        kind = given.get("content_type") or "text/plain"
        self.articles[number] = {
            "id": number, "ticket_id": ticket, "type": given.get("type") or "note", "sender": sender,
            "from": given.get("from") or f"{user.firstname} {user.lastname}".strip(), "to": given.get("to") or "",
            "cc": given.get("cc") or "", "subject": given.get("subject"), "content_type": kind,
            "body": _sanitized(given["body"]) if kind == "text/html" else given["body"],
            "internal": bool(given.get("internal", False)) and not self.turns_public, "created_by_id": user.id,
            "updated_by_id": user.id,
            "created_at": self.clock(), "updated_at": self.clock(),
        }  # fmt: skip
        self._touch(ticket, user)
        return number

    def _touch(self, ticket: int, user: User | None = None) -> None:
        self.tickets[ticket]["updated_at"] = self.clock()
        if user is not None:
            self.tickets[ticket]["updated_by_id"] = user.id

    def articles_of(self, ticket: int) -> list[dict[str, Any]]:
        """The articles of a ticket, oldest first."""
        return [article for article in self.articles.values() if article["ticket_id"] == ticket]

    def steps_of(self, ticket: int) -> list[tuple[str, bool]]:
        """What the ticket's checklist shows."""
        checklist = self._checklist_of(ticket)
        items = [item for item in self.items.values() if checklist and item["checklist_id"] == checklist["id"]]
        return [(item["text"], item["checked"]) for item in items]

    def _checklist_of(self, ticket: int) -> dict[str, Any] | None:
        return next((row for row in self.checklists.values() if row["ticket_id"] == ticket), None)

    # ── webhooks ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _run_triggers(self, action: str, ticket: int, article: int | None) -> None:
        for trigger in sorted(self.triggers.values(), key=lambda row: row["name"]):
            if trigger["active"] and self._fits(trigger["condition"], action, article):
                self.jobs.append(
                    Job(id=str(uuid.uuid4()), trigger=trigger, ticket=ticket, article=article, due=self.clock())
                )

    def _fits(self, condition: Mapping[str, Any], action: str, article: int | None) -> bool:
        facts = {"ticket.action": action}
        if article is not None:
            facts["article.sender_id"] = str(SENDERS[self.articles[article]["sender"]])
        for name, said in condition.items():
            assert name in ("ticket.action", "article.sender_id"), f"a condition that is not known here: {name}"
            wanted = said["value"] if isinstance(said["value"], list) else [said["value"]]
            if (facts.get(name) in [str(value) for value in wanted]) is not (said["operator"] == "is"):
                return False
        return True

    def run_jobs(self) -> int:
        """Send what is due; what fails comes again later, five times in all. How many were taken."""
        taken = 0
        for job in [job for job in self.jobs if job.due <= self.clock()]:
            self.jobs.remove(job)
            job.attempts += 1
            if self._perform(job):
                taken += 1
            elif job.attempts < ATTEMPTS:
                job.due = self.clock() + job.attempts * WAIT
                self.jobs.append(job)
            else:
                self.lost.append(job)
        return taken

    def _perform(self, job: Job) -> bool:
        hook = self.webhooks.get(int(job.trigger["perform"]["notification.webhook"]["webhook_id"]))
        if hook is None or not hook["active"] or job.ticket not in self.tickets:
            return True  # logged, and no more
        body = _as_rails(self._payload(job))
        headers = {
            "User-Agent": "Zammad User Agent",
            "Content-Type": "application/json; charset=utf-8",
            "X-Zammad-Trigger": job.trigger["name"],
            "X-Zammad-Delivery": job.id,
        }
        if hook["signature_token"]:
            mac = hmac.new(hook["signature_token"].encode(), body, hashlib.sha1)
            headers["X-Hub-Signature"] = f"sha1={mac.hexdigest()}"
        try:
            answer = requests.post(hook["endpoint"], data=body, headers=headers, timeout=(4, 30), allow_redirects=False)
            if 300 <= answer.status_code < 400:  # lib/user_agent.rb follows as GET, so the body is lost
                answer = requests.get(answer.headers["Location"], timeout=(4, 30), allow_redirects=False)
        except requests.exceptions.RequestException:
            return False
        return 200 <= answer.status_code < 300

    def _payload(self, job: Job) -> dict[str, Any]:
        row = self.tickets[job.ticket]
        articles = self.articles_of(job.ticket)
        ticket = self._ticket(row, expand=False) | {
            "article_ids": [article["id"] for article in reversed(articles)],
            "article_count": len(articles),
            "state": row["state"],
            "group": {"id": row["group_id"], "name": self.groups[row["group_id"]]},
            "customer": self._person(row["customer_id"]),
            "created_by": self._person(row["created_by_id"]),
            "updated_by": self._person(row["updated_by_id"]),
        }
        article: dict[str, Any] = {}
        if job.article in self.articles:
            kept = self.articles[job.article]
            article = self._article(kept) | {
                "created_by": self._person(kept["created_by_id"]),
                "updated_by": self._person(kept["updated_by_id"]),
            }
        return {"ticket": ticket, "article": article}

    def _person(self, number: int) -> dict[str, Any]:
        user = self.users[number]
        return {"id": user.id, "login": user.login, "email": user.email, "firstname": user.firstname}

    # ── as the API shows things ──────────────────────────────────────────────────────────────────────────────────

    def _ticket(self, row: Mapping[str, Any], *, expand: bool) -> dict[str, Any]:
        shown = {name: _moment(value) for name, value in row.items() if name != "state"}
        for attribute in self.attributes.values():
            if attribute["object"] == "Ticket" and not attribute["to_migrate"]:
                shown.setdefault(attribute["name"], "")
        checklist = self._checklist_of(row["id"])
        shown |= {"state_id": 7 if row["state"] == "merged" else 1, "checklist_id": checklist and checklist["id"]}
        shown["article_ids"] = [article["id"] for article in reversed(self.articles_of(row["id"]))]
        if expand:
            shown |= {
                "state": row["state"],
                "group": self.groups[row["group_id"]],
                "customer": self.users[row["customer_id"]].login,
                "created_by": self.users[row["created_by_id"]].login,
            }
        return shown

    def _article(self, row: Mapping[str, Any]) -> dict[str, Any]:
        files = [
            {"id": number, "filename": name, "size": str(len(content)), "preferences": {"Content-Type": kind}}
            for number, (article, name, kind, content) in self.files.items()
            if article == row["id"]
        ]
        shown = {name: _moment(value) for name, value in row.items()}
        return shown | {
            "type_id": TYPES[row["type"]],
            "sender_id": SENDERS[row["sender"]],
            "created_by": self.users[row["created_by_id"]].login,
            "attachments": files,
        }

    def _checklist(self, row: Mapping[str, Any]) -> dict[str, Any]:
        items = [item for item in self.items.values() if item["checklist_id"] == row["id"]]
        numbers = [item["id"] for item in items]
        shown = dict(row) | {"item_ids": numbers, "sorted_item_ids": [str(number) for number in numbers]}
        return {"Checklist": {str(row["id"]): shown}, "ChecklistItem": {str(item["id"]): dict(item) for item in items}}

    # ── the API ──────────────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self._lock:
            yield

    def who(self) -> User:
        """By the access token, as `Authorization: Token token=…`; nothing else is switched on here."""
        given = re.fullmatch(r"Token token=(\S+)", request.headers.get("Authorization", ""))
        if given is None:
            raise Refused(401, "Authentication required")
        user = next((user for user in self.users.values() if user.token and user.token == given[1]), None)
        if user is None:
            raise Refused(401, "Invalid API token!")
        return user

    def ticket_for(self, user: User, number: str, right: str = "full") -> dict[str, Any]:
        row = self.tickets.get(int(number)) if number.isdigit() else None
        if row is None:
            raise Refused(404, f"Couldn't find Ticket with 'id'={number}")
        rights = user.groups.get(self.groups[row["group_id"]], []) if user.is_agent else []
        if not {"full", right} & set(rights) and row["customer_id"] != user.id:
            raise Refused(403, "Not authorized")
        return row

    def create_article(self, user: User, given: Mapping[str, Any]) -> dict[str, Any]:
        """app/controllers/concerns/creates_ticket_articles.rb."""
        row = self.ticket_for(user, str(given.get("ticket_id", "")))
        if not given.get("body"):
            raise Refused(422, 'Need at least article: { body: "some text" }')
        given = dict(given)
        sender = "Agent" if user.is_agent else "Customer"
        if not user.is_agent:
            given["internal"] = False
            given["type"] = given.get("type") if given.get("type") in ("note", "web") else "note"
        if given.get("type", "note") not in TYPES:
            raise Refused(422, "No lookup value found for 'type'")
        if given.get("type") == "email" and not given.get("to"):
            raise Refused(422, "Sending an email without a valid recipient is not possible.")
        article = self._new_article(row["id"], user, given, sender)
        self._run_triggers("update", row["id"], article)
        return self._article(self.articles[article])

    def change_ticket(self, user: User, number: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Attributes that are not known, or not yet in the database, are dropped without a word."""
        row = self.ticket_for(user, number)
        known = {
            attribute["name"]: attribute["data_option"].get("maxlength", 255)
            for attribute in self.attributes.values()
            if attribute["object"] == "Ticket" and not attribute["to_migrate"]
        }
        for name, value in given.items():
            if name in known and len(str(value or "")) > known[name]:
                raise Refused(422, f"{name} is too long (maximum is {known[name]} characters)")
        changed = {name: value for name, value in given.items() if name in known or name in COLUMNS}
        if any(row.get(name, "") != value for name, value in changed.items()):
            row.update(changed)
            self._touch(row["id"], user)
            self._run_triggers("update", row["id"], None)
        return self._ticket(row, expand=False)

    def search(self, user: User) -> list[dict[str, Any]]:
        """A query needs Elasticsearch, which is not there: then it is looked for in titles and numbers."""
        given = request.args
        rows = [row for row in self.tickets.values() if self._may_see(user, row)]
        if given.get("query"):
            rows = [row for row in rows if given["query"] in row["title"]]
        after = given.get("condition[ticket.updated_at][value]")
        if after:
            operator = given.get("condition[ticket.updated_at][operator]")
            if operator != "after (absolute)":
                raise Refused(422, f"Invalid operator '{operator}'")
            rows = [row for row in rows if row["updated_at"] > datetime.fromisoformat(after)]
        rows.sort(key=lambda row: row[given.get("sort_by", "updated_at")], reverse=given.get("order_by") != "asc")
        size = min(int(given.get("per_page", 50)), 200)
        start = (int(given.get("page", 1)) - 1) * size
        return [self._ticket(row, expand=True) for row in rows[start : start + size]]

    def _may_see(self, user: User, row: Mapping[str, Any]) -> bool:
        rights = user.groups.get(self.groups[row["group_id"]], [])
        return row["customer_id"] == user.id or (user.is_agent and bool({"full", "read"} & set(rights)))

    def put_tag(self, user: User, given: Mapping[str, Any], *, add: bool) -> None:
        if not {"ticket.agent", "admin.tag"} & user.permissions:
            raise Refused(403, "Not authorized")
        if given.get("object") != "Ticket" or not isinstance(given.get("o_id"), int) or not given.get("item"):
            raise Refused(422, "Need object, o_id and item")
        tags = self.ticket_tags.setdefault(given["o_id"], [])
        if add and given["item"] not in self.tag_items:
            if not self.tag_new:
                raise Refused(422, "Tag cannot be created")
            self.tag_items.append(given["item"])
        if add and given["item"] not in tags:
            tags.append(given["item"])
        if not add and given["item"] in tags:
            tags.remove(given["item"])

    def make_checklist(self, user: User, given: Mapping[str, Any]) -> dict[str, Any]:
        row = self.ticket_for(user, str(given.get("ticket_id", "")))
        if self._checklist_of(row["id"]):
            raise Refused(422, "Ticket has already been taken")
        number, texts, name = next(self._ids), [""], ""
        if given.get("template_id"):
            template = self.templates[int(given["template_id"])]
            name, texts = template["name"], [self.template_items[item] for item in template["item_ids"]]
        self.checklists[number] = {"id": number, "ticket_id": row["id"], "name": name} | _made_by(user)
        for text in texts:
            self.add_item(user, {"checklist_id": number, "text": text})
        self._touch(row["id"], user)
        return {"id": number, "assets": self._checklist(self.checklists[number])}

    def add_item(self, user: User, given: Mapping[str, Any]) -> dict[str, Any]:
        """An item cannot be made ticked: `checked` is not among the parameters that are taken (6.4)."""
        if int(given.get("checklist_id", 0)) not in self.checklists:
            raise Refused(422, "Checklist must exist")
        number = next(self._ids)
        self.items[number] = {
            "id": number, "text": str(given.get("text", "")), "checked": False, "ticket_id": None,
            "checklist_id": int(given["checklist_id"]),
        } | _made_by(user)  # fmt: skip
        return dict(self.items[number])

    def add_attribute(self, given: Mapping[str, Any]) -> dict[str, Any]:
        name = str(given.get("name", ""))
        if not re.fullmatch(r"[a-z0-9_]+", name) or name.isdigit() or name.endswith(("_id", "_ids")):
            raise Refused(422, "Name can't be used")
        if not given.get("data_option") or "maxlength" not in given["data_option"]:
            raise Refused(422, "Data option is incomplete")
        if any(row["name"] == name and row["object"] == given["object"] for row in self.attributes.values()):
            raise Refused(422, "already exists")
        return self._keep(self.attributes, dict(given) | {"to_create": True, "to_migrate": True, "editable": True})

    def _keep(self, table: dict[int, dict[str, Any]], row: dict[str, Any]) -> dict[str, Any]:
        number = next(self._ids)
        table[number] = row | {"id": number}
        return table[number]

    def keep_template(self, given: Mapping[str, Any], row: dict[str, Any] | None = None) -> dict[str, Any]:
        items = []
        for text in given.get("items", ()):
            items.append(next(self._ids))
            self.template_items[items[-1]] = text
        kept = {"name": given["name"], "active": given["active"], "item_ids": items}
        if row is not None:
            row.update(kept)
            return row
        return self._keep(self.templates, kept)


def create_app(zammad: Zammad) -> Flask:
    """The API of one Zammad, under /api/v1."""
    app = Flask("zammad", static_folder=None)

    def route(path: str, method: str, needs: frozenset[str] = frozenset()) -> Callable[..., Any]:
        def add(view: Callable[..., Any]) -> Callable[..., Any]:
            def answer(**values: str) -> Response:
                return _answered(zammad, path, needs, view, values)

            app.add_url_rule(f"/api/v1{path}", f"{method} {path}", answer, methods=[method])
            return view

        return add

    for some in (_tickets, _articles, _users, _tags, _checklists, _administration, _templates):
        some(zammad, route)
    _kind(zammad.webhooks, "webhooks", "admin.webhook", route, {"name", "endpoint"}, zammad)
    _kind(zammad.triggers, "triggers", "admin.trigger", route, {"name", "condition", "perform"}, zammad)

    @app.errorhandler(404)
    def no_route(_error: Exception) -> Response:
        return _error_of(404, f"No route matches [{request.method}] {request.path}")

    return app


def _answered(
    zammad: Zammad, path: str, needs: frozenset[str], view: Callable[..., Any], values: Mapping[str, str]
) -> Response:
    with zammad.locked():
        if zammad.throttle:
            status, headers = zammad.throttle.pop(0)
            return Response("slow down", status=status, headers=headers, mimetype="text/plain")
        body = request.get_json(silent=True) if request.mimetype == "application/json" else None
        zammad.calls.append((request.method, request.path.removeprefix("/api/v1"), body))
        try:
            user = zammad.who()
            if needs and not needs & user.permissions:
                raise Refused(403, "Not authorized")
            if request.method in ("POST", "PUT", "PATCH") and not isinstance(body, dict):
                raise Refused(422, "The required parameters are missing.")
            status, shown = view(user, body or {}, **values)
        except Refused as refusal:
            return _error_of(refusal.status, refusal.error)
        if path in zammad.lose_answers:
            zammad.lose_answers.remove(path)
            return Response("bad gateway", status=502, mimetype="text/html")
        if isinstance(shown, Response):
            return shown
        return Response(_as_rails(shown), status=status, mimetype="application/json")


def _error_of(status: int, error: str) -> Response:
    return Response(json.dumps({"error": error, "error_human": error}), status=status, mimetype="application/json")


def _tickets(zammad: Zammad, route: Callable[..., Any]) -> None:
    @route("/tickets/search", "GET")
    def search(user: User, _body: Any) -> Any:
        return 200, zammad.search(user)

    @route("/tickets/<number>", "GET")
    def show(user: User, _body: Any, number: str) -> Any:
        return 200, zammad._ticket(zammad.ticket_for(user, number, "read"), expand="expand" in request.args)

    @route("/tickets/<number>", "PUT")
    def change(user: User, body: Any, number: str) -> Any:
        return 200, zammad.change_ticket(user, number, body)


def _articles(zammad: Zammad, route: Callable[..., Any]) -> None:
    @route("/ticket_articles/by_ticket/<number>", "GET")
    def articles(user: User, _body: Any, number: str) -> Any:
        row = zammad.ticket_for(user, number, "read")
        seen = [article for article in zammad.articles_of(row["id"]) if user.is_agent or not article["internal"]]
        return 200, [zammad._article(article) for article in seen]

    @route("/ticket_articles/<number>", "GET")
    def article(user: User, _body: Any, number: str) -> Any:
        row = _one(zammad.articles, number, "Ticket::Article")
        zammad.ticket_for(user, str(row["ticket_id"]), "read")
        return 200, zammad._article(row)

    @route("/ticket_articles", "POST")
    def write(user: User, body: Any) -> Any:
        return 201, zammad.create_article(user, body)

    @route("/ticket_articles/<number>", "PUT", AGENT)
    def hide(user: User, body: Any, number: str) -> Any:
        row = _one(zammad.articles, number, "Ticket::Article")
        row["internal"] = body.get("internal", row["internal"])
        return 200, zammad._article(row)

    @route("/ticket_attachment/<ticket>/<article>/<number>", "GET")
    def file(user: User, _body: Any, ticket: str, article: str, number: str) -> Any:
        zammad.ticket_for(user, ticket, "read")
        found = _one(zammad.files, number, "Store")
        if found[0] != int(article):
            raise Refused(403, "The file does not belong to the specified article.")
        return 200, Response(found[3], mimetype=found[2])


def _users(zammad: Zammad, route: Callable[..., Any]) -> None:
    @route("/users/me", "GET")
    def me(user: User, _body: Any) -> Any:
        return 200, zammad._person(user.id) | {"groups": user.groups, "lastname": user.lastname}

    @route("/users/<number>", "GET")
    def user(user: User, _body: Any, number: str) -> Any:
        found = _one(zammad.users, number, "User")
        if not user.is_agent and found is not user:
            raise Refused(403, "Not authorized")
        return 200, zammad._person(found.id) | {"lastname": found.lastname}

    @route("/links", "GET", AGENT)
    def links(_user: User, _body: Any) -> Any:
        number = int(request.args["link_object_value"])
        inverse = {"parent": "child", "child": "parent", "normal": "normal"}
        rows = [(kind, source) for kind, source, target in zammad.links if target == number]
        rows += [(inverse[kind], target) for kind, source, target in zammad.links if source == number]
        named = [{"link_type": kind, "link_object": "Ticket", "link_object_value": it} for kind, it in rows]
        return 200, {"links": named, "assets": {}}


def _tags(zammad: Zammad, route: Callable[..., Any]) -> None:
    @route("/tags", "GET", AGENT)
    def tags(_user: User, _body: Any) -> Any:
        return 200, {"tags": zammad.ticket_tags.get(int(request.args["o_id"]), [])}

    @route("/tags/add", "POST")
    def add(user: User, body: Any) -> Any:
        zammad.put_tag(user, body, add=True)
        return 201, True

    @route("/tags/remove", "DELETE")
    def remove(user: User, body: Any) -> Any:
        zammad.put_tag(user, body, add=False)
        return 200, True

    @route("/tag_search", "GET", AGENT | {"admin.tag"})
    def tag_search(_user: User, _body: Any) -> Any:
        found = [tag for tag in zammad.tag_items if request.args.get("term", "") in tag]
        return 200, [{"id": n, "value": tag} for n, tag in enumerate(found[: int(request.args.get("limit", 10))], 1)]


def _checklists(zammad: Zammad, route: Callable[..., Any]) -> None:
    def there() -> None:
        if not zammad.has_checklists:
            raise Refused(404, f"No route matches [{request.method}] {request.path}")

    @route("/checklists", "POST", AGENT)
    def make(user: User, body: Any) -> Any:
        there()
        return 201, zammad.make_checklist(user, body)

    @route("/checklists/<number>", "GET", AGENT)
    def show(_user: User, _body: Any, number: str) -> Any:
        row = _one(zammad.checklists, number, "Checklist")
        assets = zammad._checklist(row)
        return 200, {"id": row["id"], "assets": assets} if "full" in request.args else assets["Checklist"][number]

    @route("/checklists/<number>", "PATCH", AGENT)
    def rename(_user: User, body: Any, number: str) -> Any:
        row = _one(zammad.checklists, number, "Checklist")
        row["name"] = body["name"]
        return 200, row

    @route("/checklist_items", "POST", AGENT)
    def add(user: User, body: Any) -> Any:
        return 201, zammad.add_item(user, body)

    @route("/checklist_items/<number>", "PATCH", AGENT)
    def tick(user: User, body: Any, number: str) -> Any:
        row = _one(zammad.items, number, "Checklist::Item")
        row.update({name: body[name] for name in ("text", "checked") if name in body} | {"updated_by_id": user.id})
        return 200, row

    @route("/checklist_items/<number>", "DELETE", AGENT)
    def remove(_user: User, _body: Any, number: str) -> Any:
        _one(zammad.items, number, "Checklist::Item")
        del zammad.items[int(number)]
        return 200, {}


def _administration(zammad: Zammad, route: Callable[..., Any]) -> None:
    @route("/tag_list", "GET", frozenset({"admin.tag"}))
    def list_tags(_user: User, _body: Any) -> Any:
        return 200, [{"id": n, "name": tag, "count": 0} for n, tag in enumerate(zammad.tag_items, 1)]

    @route("/tag_list", "POST", frozenset({"admin.tag"}))
    def make_tag(_user: User, body: Any) -> Any:
        if body["name"] not in zammad.tag_items:
            zammad.tag_items.append(body["name"])
        return 200, {}

    @route("/object_manager_attributes", "GET", frozenset({"admin.object"}))
    def list_attributes(_user: User, _body: Any) -> Any:
        return 200, [*zammad.attributes.values()]

    @route("/object_manager_attributes", "POST", frozenset({"admin.object"}))
    def make_attribute(_user: User, body: Any) -> Any:
        return 201, zammad.add_attribute(body)

    @route("/object_manager_attributes/<number>", "PUT", frozenset({"admin.object"}))
    def change_attribute(_user: User, body: Any, number: str) -> Any:
        row = _one(zammad.attributes, number, "ObjectManager::Attribute")
        row.update(dict(body) | {"to_migrate": True})
        return 200, row

    @route("/object_manager_attributes_execute_migrations", "POST", frozenset({"admin.object"}))
    def migrate(_user: User, _body: Any) -> Any:
        for row in zammad.attributes.values():
            row.update(to_create=False, to_migrate=False)
        return 200, {}


def _templates(zammad: Zammad, route: Callable[..., Any]) -> None:
    @route("/checklist_templates", "GET", frozenset({"admin.checklists"}))
    def list_templates(_user: User, _body: Any) -> Any:
        return 200, [*zammad.templates.values()]

    @route("/checklist_templates", "POST", frozenset({"admin.checklists"}))
    def make_template(_user: User, body: Any) -> Any:
        return 201, zammad.keep_template(body)

    @route("/checklist_templates/<number>", "PUT", frozenset({"admin.checklists"}))
    def change_template(_user: User, body: Any, number: str) -> Any:
        return 200, zammad.keep_template(body, _one(zammad.templates, number, "ChecklistTemplate"))


def _kind(
    table: dict[int, dict[str, Any]],
    path: str,
    permission: str,
    route: Callable[..., Any],
    required: set[str],
    zammad: Zammad,
) -> None:
    def shown(row: Mapping[str, Any]) -> dict[str, Any]:
        """Secrets are never told again."""
        return dict(row) | {name: "**********" for name in ("signature_token", "bearer_token") if name in row}

    @route(f"/{path}", "GET", frozenset({permission}))
    def rows(_user: User, _body: Any) -> Any:
        return 200, [shown(row) for row in table.values()]

    @route(f"/{path}", "POST", frozenset({permission}))
    def make(_user: User, body: Any) -> Any:
        missing = sorted(required - set(body))
        if missing:
            raise Refused(422, f"Missing required value for field '{missing[0]}'!")
        if any(row["name"] == body["name"] for row in table.values()):
            raise Refused(422, "Object already exists!")
        return 201, shown(zammad._keep(table, dict(body)))

    @route(f"/{path}/<number>", "PUT", frozenset({permission}))
    def change(_user: User, body: Any, number: str) -> Any:
        row = _one(table, number, path)
        row.update(body)
        return 200, shown(row)


def _one(table: Mapping[int, Any], number: str, what: str) -> Any:
    if not number.isdigit() or int(number) not in table:
        raise Refused(404, f"Couldn't find {what} with 'id'={number}")
    return table[int(number)]


def _made_by(user: User) -> dict[str, int]:
    return {"created_by_id": user.id, "updated_by_id": user.id}


def _moment(value: Any) -> Any:
    """As Rails writes moments: UTC with milliseconds."""
    if not isinstance(value, datetime):
        return value
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"


def _as_rails(document: Any) -> bytes:
    """As ActiveSupport's to_json: no blanks, and these signs escaped."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode()


def _sanitized(html: str) -> str:
    """HtmlSanitizer, as far as it matters here: no comments, no scripts, hardly any attributes."""
    html = re.sub(r"<!--.*?-->|<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL | re.IGNORECASE)
    return re.sub(r"\s(?!href|title|alt|src)[a-z-]+=(\"[^\"]*\"|'[^']*')", "", html)


class Running:
    """A Zammad that answers at an address, with an administrator, our user and an agent in it."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.zammad = Zammad(clock)
        everywhere = {name: ["full"] for name in self.zammad.groups.values()}
        self.admin = self.zammad.add_user(
            "admin@example.edu", "admin@example.edu", permissions=AGENT | ADMIN, groups=everywhere, token="a" * 44
        )
        self.ours = self.zammad.add_user(
            "m365-unblock@example.edu", "m365-unblock@example.edu", firstname="Unblock", permissions=AGENT,
            groups=everywhere, token=base64.b64encode(b"made-up token of our own user").decode(),
        )  # fmt: skip
        self.agent = self.zammad.add_user(
            "alex", "alex@example.edu", firstname="Alex", permissions=AGENT, groups=everywhere
        )
        self._server: RunningServer = serve(create_app(self.zammad), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.port}"

    def close(self) -> None:
        """Answer no more."""
        self._server.close()
