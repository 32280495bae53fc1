"""A strict stand-in of Zendesk Support, written from its documents (docs/zendesk.md names them), not from the adapter.

It keeps to what is documented: Basic with `/token`, roles, comments that are public unless said otherwise, light agents
whose public comments are kept private, whole tags with `safe_update` and 409, custom fields that are dropped without a
word where they are not known, limits by the minute and by the ticket, attachments on another host that takes no token;
it mails, signs and sends its own webhooks of both kinds, and signs tokens for its sidebar app. In memory; time is
handed in.
"""

import base64
import hashlib
import hmac
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any

import jwt
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask, Response, request

from plugin.demo.serving import RunningServer, serve

LIMIT_A_MINUTE = 700
UPDATES, UPDATES_WITHIN = 30, timedelta(minutes=10)  # of one ticket by one user
MOST_COMMENTS = 5000
STAFF = ("agent", "admin")
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_KEY = (
    KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)


@dataclass
class User:
    id: int
    name: str
    email: str | None
    role: str = "end-user"
    role_type: int | None = None
    custom_role_id: int | None = None
    ticket_restriction: str | None = None
    active: bool = True
    suspended: bool = False
    groups: tuple[int, ...] = ()


@dataclass
class Invocation:
    id: str
    webhook: str
    body: bytes
    due: datetime
    attempts: int = 0


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    query: Mapping[str, str]
    body: Any


class Refused(Exception):
    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(body))
        self.status, self.body, self.headers = status, body, dict(headers or {})


def invalid(**details: str) -> Refused:
    told = {name: [{"description": f"{name.title()}: {why}"}] for name, why in details.items()}
    return Refused(422, {"error": "RecordInvalid", "description": "Record validation errors", "details": told})


class Zendesk:
    """One Zendesk; its tables are plain dictionaries, for tests to look at."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.token = "an API token of this Zendesk, made up".replace(" ", "-")
        self.url = self.content_url = ""
        self.users: dict[int, User] = {}
        self.groups = {21: "Service Desk", 22: "Facilities"}
        self.tickets: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, dict[str, Any]] = {}
        self.audits: dict[int, dict[str, Any]] = {}
        self.files: dict[str, tuple[str, str, bytes]] = {}
        self.organizations: dict[int, dict[str, Any]] = {}
        self.ticket_fields: dict[int, dict[str, Any]] = {}
        self.webhooks: dict[str, dict[str, Any]] = {}
        self.secrets: dict[str, str] = {}
        self.triggers: dict[int, dict[str, Any]] = {}
        self.installations: dict[int, dict[str, Any]] = {}
        self.queue: list[Invocation] = []
        self.lost: list[Invocation] = []
        self.sent: list[Invocation] = []
        self.mails: list[tuple[str, int]] = []  # to whom which comment was mailed
        self.calls: list[Call] = []
        self.throttle: list[tuple[int, dict[str, str]]] = []  # the next answers, whatever is asked
        self.lose_answers: list[tuple[str, str]] = []  # whose next request is done, but answered with 502
        self.collide = 0  # so many updates find that somebody was quicker
        self.refused_values: set[str] = set()  # a rule of the site's own for its fields
        self.turns_public = False  # something of the site makes private comments public
        self.limit = LIMIT_A_MINUTE
        self.make_secret = lambda: base64.b64encode(hashlib.sha256(str(self.next_id()).encode()).digest()).decode()
        self._asked: list[datetime] = []
        self._updates: list[tuple[datetime, int, int]] = []
        self._ids = itertools.count(35_001)
        self._lock = RLock()
        for title in ("Subject", "Description"):
            self.add_field({"type": title.lower(), "title": title, "visible_in_portal": True})

    # ── tests and people ─────────────────────────────────────────────────────────────────────────────────────────

    def next_id(self) -> int:
        return next(self._ids)

    def add_user(self, email: str | None, **more: Any) -> User:
        user = User(id=self.next_id(), email=email, name=more.pop("name", (email or "Somebody").split("@")[0]), **more)
        self.users[user.id] = user
        return user

    def user_of(self, email: str) -> User:
        found = next((user for user in self.users.values() if user.email == email), None)
        return found or self.add_user(email)

    def add_field(self, given: Mapping[str, Any]) -> dict[str, Any]:
        number = self.next_id()
        # Defaults as documented: active, and for agents only.
        row = {"active": True, "visible_in_portal": False, "editable_in_portal": False, "required": False}
        self.ticket_fields[number] = row | dict(given) | {"id": number, "raw_title": given["title"]}
        return self.ticket_fields[number]

    def mail_in(self, email: str, subject: str, text: str, *, files: Any = (), group: int | None = 21) -> int:
        """A customer's mail opens a ticket."""
        with self._lock:
            requester = self.user_of(email)
            number, now = self.next_id(), self.clock()
            self.tickets[number] = {
                "id": number, "subject": subject, "status": "new", "requester_id": requester.id,
                "submitter_id": requester.id, "assignee_id": None, "group_id": group, "organization_id": None,
                "tags": [], "fields": {}, "email_cc_ids": [], "follower_ids": [], "collaborator_ids": [],
                "created_at": now, "updated_at": now, "via": {"channel": "email"},
            }  # fmt: skip
            comment = self._add_comment(number, requester, text, public=True, channel="email", files=files)
            self._fire("Create", number, comment, requester)
            return number

    def mail_on(self, ticket: int, email: str, text: str, files: Any = (), **more: Any) -> int:
        """A mail to a ticket."""
        with self._lock:
            author = self.user_of(email)
            comment = self._add_comment(ticket, author, text, public=True, channel="email", files=files, **more)
            self._fire("Change", ticket, comment, author)
            return comment

    def comment_of_agent(self, ticket: int, agent: User, text: str, *, public: bool = False) -> int:
        """An agent writes in the browser."""
        with self._lock:
            comment = self._add_comment(ticket, agent, text, public=public, channel="web")
            self._fire("Change", ticket, comment, agent)
            return comment

    def merge(self, ticket: int, into: int, agent: User) -> None:
        """Merging tickets: the source is closed and tagged, both get a comment."""
        with self._lock:
            source = {"from": {"ticket_id": into, "subject": self.tickets[into]["subject"]}, "rel": "merge"}
            self._add_comment(ticket, agent, f"closed and merged into #{into}", public=False, channel="web", via=source)
            self._add_comment(
                into, agent, f"#{ticket} was merged", public=False, channel="web",
                via={"from": {"ticket_ids": [ticket]}, "rel": "merge"},
            )  # fmt: skip
            self.tickets[ticket]["status"] = "closed"
            self.tickets[ticket]["tags"].append("closed_by_merge")

    def _add_comment(
        self, ticket: int, author: User, text: str, *, public: bool, channel: str, files: Any = (), html: str = "",
        via: Any = None, trusted: bool = True,
    ) -> int:  # fmt: skip
        number, audit, now = self.next_id(), self.next_id(), self.clock()
        attachments = []
        for name, kind, content in files:
            token = f"tok{self.next_id()}"
            self.files[token] = (name, kind, content)
            attachments.append(
                {
                    "id": self.next_id(),
                    "file_name": name,
                    "content_type": kind,
                    "size": len(content),
                    "content_url": f"{self.url}/attachments/token/{token}/?name={name}",
                    "inline": False,
                }
            )
        self.comments[number] = {
            "id": number, "audit_id": audit, "ticket": ticket, "author_id": author.id, "type": "Comment",
            "html_body": html or f"<p>{text}</p>", "body": text or re.sub("<[^>]+>", "", html), "public": public,
            "created_at": now, "attachments": attachments, "via": {"channel": channel, "source": via or {"rel": None}},
            "metadata": {"system": {}, "custom": {}, "trusted": trusted},
        }  # fmt: skip
        self.audits[audit] = {"id": audit, "ticket_id": ticket, "comment": number}
        self._touch(ticket)
        self._mail(ticket, number, author)
        return number

    def _touch(self, ticket: int) -> None:
        self.tickets[ticket]["updated_at"] = self.clock()

    def _mail(self, ticket: int, comment: int, author: User) -> None:
        """“Notify requester and CCs of comment update”: on in every Zendesk; followers hear of private ones too."""
        row = self.tickets[ticket]
        people = list(row["follower_ids"])
        if self.comments[comment]["public"]:
            people += [row["requester_id"], *row["email_cc_ids"], *row["collaborator_ids"]]
        for number in dict.fromkeys(people):
            if number != author.id and self.users[number].email:
                self.mails.append((str(self.users[number].email), comment))

    def comments_of(self, ticket: int) -> list[dict[str, Any]]:
        """The comments of a ticket, oldest first."""
        return [comment for comment in self.comments.values() if comment["ticket"] == ticket]

    # ── webhooks ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _fire(self, update_type: str, ticket: int, comment: int | None, actor: User) -> None:
        for trigger in self.triggers.values():
            if trigger["active"] and self._fits(trigger["conditions"], update_type, ticket, comment, actor):
                for action in trigger["actions"]:
                    hook, body = action["value"]
                    self._invoke(hook, self._rendered(body, ticket).encode())
        kinds = ["created"] if update_type == "Create" else []
        for kind in [*kinds, *(["comment_added"] if comment is not None else [])]:
            self._publish(f"zen:event-type:ticket.{kind}", ticket, comment, actor)

    def _fits(
        self, conditions: Mapping[str, Any], update_type: str, ticket: int, comment: int | None, actor: User
    ) -> bool:
        def fits(condition: Mapping[str, str]) -> bool:
            name, value = condition["field"], condition["value"]
            assert condition["operator"] == "is", condition
            if name == "update_type":
                return value == update_type
            if name == "role":
                return value == ("end_user" if actor.role == "end-user" else "agent")
            if name == "comment_is_public":
                assert value == "not_relevant", "the others are not known here"
                return comment is not None
            assert name == "group_id", f"a condition that is not known here: {name}"
            return value == str(self.tickets[ticket]["group_id"])

        some = conditions["any"]
        return all(map(fits, conditions["all"])) and (not some or any(map(fits, some)))

    def _rendered(self, text: str, ticket: int) -> str:
        known = {"ticket.id": str(ticket), "ticket.requester.email": "leaked@example.edu"}
        return re.sub(r"\{\{([^}]+)\}\}", lambda found: known.get(found[1].strip(), ""), text)

    def _publish(self, kind: str, ticket: int, comment: int | None, actor: User) -> None:
        row = self.tickets[ticket]
        event: dict[str, Any] = {"meta": {"sequence": {"id": f"seq{self.next_id()}", "position": 1}}}
        if kind.endswith("comment_added") and comment is not None:
            kept = self.comments[comment]
            author = {"id": str(actor.id), "is_staff": actor.role in STAFF, "name": actor.name}
            event["comment"] = {
                "id": str(comment), "body": kept["body"], "is_public": kept["public"], "author": author,
            }  # fmt: skip
        payload = {
            "type": kind, "account_id": 12514403, "id": f"01H{self.next_id()}", "time": _moment(self.clock()),
            "zendesk_event_version": "2022-11-06", "subject": f"zen:ticket:{ticket}", "event": event,
            "detail": {
                "id": str(ticket), "actor_id": str(actor.id), "group_id": str(row["group_id"]),
                "status": row["status"].upper(), "subject": row["subject"], "updated_at": _moment(row["updated_at"]),
            },
        }  # fmt: skip
        for number, hook in self.webhooks.items():
            if kind in hook["subscriptions"]:
                self._invoke(number, json.dumps(payload).encode())

    def _invoke(self, webhook: str, body: bytes) -> None:
        self.queue.append(Invocation(id=f"83502{self.next_id()}", webhook=webhook, body=body, due=self.clock()))

    def deliver(self) -> int:
        """Send what is due. Again after 409 (three times), and after 429 and 503 with a Retry-After below a minute."""
        taken = 0
        for one in [one for one in self.queue if one.due <= self.clock()]:
            self.queue.remove(one)
            if self.webhooks[one.webhook]["status"] != "active":
                continue
            one.attempts += 1
            answer = self._post(one)
            status = answer.status_code if answer is not None else None
            wait = int(answer.headers.get("Retry-After", 0)) if answer is not None else 0
            if status is not None and 200 <= status < 300:
                taken += 1
                self.sent.append(one)
            elif (status == 409 and one.attempts < 4) or (status in (429, 503) and 0 < wait < 60):
                one.due = self.clock() + timedelta(seconds=wait or 1)
                self.queue.append(one)
            else:
                self.lost.append(one)
        return taken

    def _post(self, one: Invocation) -> requests.Response | None:
        hook, stamp = self.webhooks[one.webhook], self.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        mac = hmac.new(self.secrets[one.webhook].encode(), stamp.encode() + one.body, hashlib.sha256)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Zendesk Webhook",
            "x-zendesk-account-id": "12514403",
            "x-zendesk-webhook-id": one.webhook,
            "x-zendesk-webhook-invocation-id": one.id,
            "x-zendesk-webhook-signature": base64.b64encode(mac.digest()).decode(),
            "x-zendesk-webhook-signature-timestamp": stamp,
        }
        try:
            return requests.post(hook["endpoint"], data=one.body, headers=headers, timeout=10, allow_redirects=False)
        except requests.exceptions.RequestException:
            return None

    # ── the sidebar app ──────────────────────────────────────────────────────────────────────────────────────────

    def install_app(self, manifest: Mapping[str, Any]) -> int:
        """An administrator uploads a private app; the installation's number."""
        assert manifest["signedUrls"] is True
        assert set(manifest["location"]["support"]) == {"ticket_sidebar"}
        number, app = self.next_id(), self.next_id()
        self.installations[number] = {
            "id": number, "app_id": app, "enabled": True, "settings": {"name": manifest["name"]},
            "url": manifest["location"]["support"]["ticket_sidebar"]["url"],
        }  # fmt: skip
        return number

    def launch_token(self, user: User, **changes: Any) -> str:
        """What Zendesk posts with the frame's first request."""
        [installation] = self.installations or (0,)
        now = int(self.clock().timestamp())
        host = self.url.split("//")[1]
        claims = {
            "iss": host, "aud": f"{self.url}/api/v2/apps/installations/{installation}.json", "iat": now, "nbf": now,
            "exp": now + 300, "sub": f"{self.url}/api/v2/users/{user.id}.json", "qsh": "0" * 64,
            "context": {"product": "support", "location": "ticket_sidebar"},
        }  # fmt: skip
        return jwt.encode(claims | {"n": self.next_id()} | changes, KEY, "RS256")

    # ── the API ──────────────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self._lock:
            yield

    def who(self) -> User:
        name, _, token = _basic(request.headers.get("Authorization", "")).partition(":")
        email, _, kind = name.rpartition("/")
        user = next((user for user in self.users.values() if user.email == email and email), None)
        if kind != "token" or token != self.token or user is None or not user.active or user.suspended:
            raise Refused(401, {"error": "Couldn't authenticate you"})
        return user

    def count(self) -> dict[str, str]:
        """Of this minute; the headers that tell of it."""
        now = self.clock()
        self._asked = [at for at in self._asked if now - at < timedelta(minutes=1)]
        if len(self._asked) >= self.limit:
            raise Refused(429, "Number of allowed API requests per minute exceeded", {"Retry-After": "38"})
        self._asked.append(now)
        left = str(self.limit - len(self._asked))
        return {"X-Rate-Limit": str(self.limit), "X-Rate-Limit-Remaining": left, "ratelimit-reset": "38"}

    def ticket_for(self, number: str) -> dict[str, Any]:
        row = self.tickets.get(int(number)) if number.isdigit() else None
        if row is None or row["status"] == "deleted":
            raise Refused(404, {"error": "RecordNotFound", "description": "Not found"})
        return row

    def update(self, user: User, number: str, body: Any) -> dict[str, Any]:
        row = self.ticket_for(number)
        given = body.get("ticket")
        if not isinstance(given, dict):
            raise Refused(400, {"error": "InvalidValue", "description": "Ticket must be present"})
        self._check_update(user, row, given)
        audit: dict[str, Any] = {"id": self.next_id(), "ticket_id": row["id"], "events": []}
        comment = None
        if "comment" in given:
            comment = self._update_comment(user, row, given["comment"], audit)
        for entry in given.get("custom_fields", ()):
            if entry["id"] in self.ticket_fields:  # others are dropped without a word
                row["fields"][entry["id"]] = entry["value"]
        if "tags" in given:
            row["tags"] = [tag.lower() for tag in given["tags"]]
        self._touch(row["id"])
        self._fire("Change", row["id"], comment, user)
        return {"ticket": self.shown(row), "audit": audit}

    def _check_update(self, user: User, row: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        now = self.clock()
        self._updates = [kept for kept in self._updates if now - kept[0] < UPDATES_WITHIN]
        if len([kept for kept in self._updates if kept[1:] == (user.id, row["id"])]) >= UPDATES:
            raise Refused(429, {"error": "TooManyRequests", "description": "ticket"}, {"Retry-After": "93"})
        if row["status"] == "closed":
            raise invalid(status="closed prevents ticket update")
        if self.collide:
            self.collide -= 1
            self.tickets[row["id"]]["updated_at"] = now + timedelta(seconds=self.collide + 1)
            self.tickets[row["id"]]["tags"].append(f"quicker{self.collide}")
        if given.get("safe_update") in (True, "true"):
            if "updated_stamp" not in given:
                raise invalid(updated_stamp="is missing")
            if given["updated_stamp"] != _moment(row["updated_at"]):
                raise Refused(409, {"error": "UpdateConflict", "description": "Safe Update prevented the update"})
        values = {str(entry.get("value")) for entry in given.get("custom_fields", ())}
        if values & self.refused_values:
            raise invalid(base="Sending Status: is not of the form that this site wants")
        if "comment" in given and len(self.comments_of(row["id"])) >= MOST_COMMENTS:
            raise invalid(comment="limit of 5000 reached")
        self._updates.append((now, user.id, row["id"]))

    def _update_comment(self, user: User, row: Mapping[str, Any], given: Any, audit: dict[str, Any]) -> int:
        text = given.get("html_body") or given.get("body")
        if not text:
            raise invalid(comment="cannot be empty")
        public = given.get("public", True) or self.turns_public
        if user.role_type == 1:  # a light agent writes private comments only
            public = False
        html = self._rendered(_sanitized(text), row["id"])
        comment = self._add_comment(row["id"], user, "", public=bool(public), channel="api", html=html)
        self.comments[comment]["audit_id"] = audit["id"]
        audit["events"].append({"id": comment, "type": "Comment", "public": bool(public), "html_body": html})
        return comment

    def shown(self, row: Mapping[str, Any]) -> dict[str, Any]:
        shown = {name: _moment(value) for name, value in row.items() if name != "fields"}
        custom = [number for number, kept in self.ticket_fields.items() if kept["type"] in ("text", "textarea")]
        shown["custom_fields"] = [{"id": number, "value": row["fields"].get(number)} for number in custom]
        return shown | {"raw_subject": row["subject"], "url": f"{self.url}/api/v2/tickets/{row['id']}.json"}


def person(user: User) -> dict[str, Any]:
    """A user as the API shows it."""
    shown = dict(vars(user))
    return {name: value for name, value in shown.items() if name != "groups"} | {"verified": True}


def _moment(value: Any) -> Any:
    """As Zendesk writes moments: UTC, in whole seconds."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value


def _basic(header: str) -> str:
    scheme, _, encoded = header.partition(" ")
    try:
        return base64.b64decode(encoded).decode() if scheme == "Basic" else ""
    except ValueError:
        return ""


def _sanitized(html: str) -> str:
    """No comments, no scripts, hardly any attributes."""
    html = re.sub(r"<!--.*?-->|<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL | re.IGNORECASE)
    return re.sub(r"\s(?!href|title|alt|src)[a-z-]+=(\"[^\"]*\"|'[^']*')", "", html)


def create_app(zendesk: Zendesk) -> Flask:
    """The API of one Zendesk, and its attachments."""
    app = Flask("zendesk", static_folder=None)

    def route(path: str, method: str, role: str = "agent") -> Callable[..., Any]:
        def add(view: Callable[..., Any]) -> Callable[..., Any]:
            app.add_url_rule(
                f"/api/v2{path}", f"{method} {path}", lambda **values: _answered(zendesk, role, view, values),
                methods=[method],
            )  # fmt: skip
            return view

        return add

    for some in (_tickets, _people, _fields, _hooks, _apps):
        some(zendesk, route)

    @app.get("/attachments/token/<token>/")
    def attachment(token: str) -> Response:
        if token not in zendesk.files:
            return Response("not found", status=404)
        return Response(status=302, headers={"Location": f"{zendesk.content_url}/attachment/1/{token}?name=x"})

    @app.errorhandler(404)
    def no_route(_error: Exception) -> Response:
        return _json(404, {"error": "InvalidEndpoint", "description": "Not found"})

    return app


def create_store(zendesk: Zendesk) -> Flask:
    """Where the bytes of attachments are; whoever brings a token there is turned away."""
    app = Flask("content", static_folder=None)

    @app.get("/attachment/1/<token>")
    def content(token: str) -> Response:
        if "Authorization" in request.headers:
            return Response("no", status=403)
        _name, kind, bytes_ = zendesk.files[token]
        return Response(bytes_, mimetype=kind)

    return app


def _json(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    if isinstance(body, str):
        return Response(body, status=status, headers=dict(headers or {}), mimetype="text/plain")
    return Response(json.dumps(body), status=status, headers=dict(headers or {}), mimetype="application/json")


def _answered(zendesk: Zendesk, role: str, view: Callable[..., Any], values: Mapping[str, str]) -> Response:
    with zendesk.locked():
        if zendesk.throttle:
            status, headers = zendesk.throttle.pop(0)
            return _json(status, "slow down", headers)
        path = request.path.removeprefix("/api/v2")
        body = request.get_json(silent=True) if request.mimetype == "application/json" else None
        zendesk.calls.append(Call(request.method, path, request.args.to_dict(), body))
        headers = {}
        try:
            user = zendesk.who()
            headers = zendesk.count()
            if user.role not in STAFF or (role == "admin" and user.role != "admin"):
                told = {"title": "Forbidden", "message": "You do not have access to this page."}
                raise Refused(403, {"error": told})
            if request.method in ("POST", "PUT") and not isinstance(body, dict):
                raise Refused(400, {"error": "Unprocessable", "description": "The JSON body is missing"})
            status, shown = view(user, body or {}, **values)
        except Refused as refusal:
            return _json(refusal.status, refusal.body, headers | refusal.headers)
        if (request.method, path) in zendesk.lose_answers:
            zendesk.lose_answers.remove((request.method, path))
            return _json(502, "bad gateway")
        return _json(status, shown, headers)


def _paged(rows: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Offset pagination: a hundred at most, and no page beyond the hundredth."""
    size, page = min(int(request.args.get("per_page", 100)), 100), int(request.args.get("page", 1))
    if page > 100:
        raise Refused(400, {"error": "InvalidPaginationDepth", "description": "Limit of 100 pages exceeded"})
    more = f"{request.base_url}?page={page + 1}" if len(rows) > page * size else None
    return {kind: rows[(page - 1) * size : page * size], "next_page": more, "previous_page": None, "count": len(rows)}


def _by_cursor(rows: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """Cursor pagination; a small page, so that whoever asks must go on."""
    size, after = min(int(request.args.get("page[size]", 100)), 2), int(request.args.get("page[after]", 0))
    page = rows[after : after + size]
    has_more = after + size < len(rows)
    return {kind: page, "meta": {"has_more": has_more, "after_cursor": str(after + size) if has_more else None}}


def _tickets(zendesk: Zendesk, route: Callable[..., Any]) -> None:
    @route("/tickets", "GET")
    def listed(_user: User, _body: Any) -> Any:
        rows = [zendesk.shown(row) for row in zendesk.tickets.values() if row["status"] != "deleted"]
        order = request.args.get("sort_by", "id")
        rows.sort(key=lambda row: (row[order], row["id"]), reverse=request.args.get("sort_order") == "desc")
        return 200, _paged(rows, "tickets")

    @route("/tickets/<number>", "GET")
    def show(_user: User, _body: Any, number: str) -> Any:
        shown = {"ticket": zendesk.shown(zendesk.ticket_for(number))}
        if request.args.get("include") == "groups":
            group = shown["ticket"]["group_id"]
            shown["groups"] = [{"id": group, "name": zendesk.groups[group]}] if group in zendesk.groups else []
        return 200, shown

    @route("/tickets/<number>", "PUT")
    def update(user: User, body: Any, number: str) -> Any:
        return 200, zendesk.update(user, number, body)

    @route("/tickets/<number>/comments", "GET")
    def comments(_user: User, _body: Any, number: str) -> Any:
        rows = zendesk.comments_of(zendesk.ticket_for(number)["id"])
        rows = rows[::-1] if request.args.get("sort_order") == "desc" else rows
        shown = [{name: _moment(value) for name, value in row.items() if name != "ticket"} for row in rows]
        page = _paged(shown, "comments")
        if request.args.get("include") == "users":
            authors = dict.fromkeys(row["author_id"] for row in page["comments"])
            page["users"] = [person(zendesk.users[author]) for author in authors if author in zendesk.users]
        return 200, page

    @route("/tickets/<number>/comments/<comment>/make_private", "PUT")
    def make_private(_user: User, _body: Any, number: str, comment: str) -> Any:
        row = zendesk.comments[int(comment)]
        assert row["ticket"] == zendesk.ticket_for(number)["id"]
        row["public"] = False
        return 200, ""


def _people(zendesk: Zendesk, route: Callable[..., Any]) -> None:
    @route("/users/me", "GET")
    def me(user: User, _body: Any) -> Any:
        return 200, {"user": person(user)}

    @route("/users/show_many", "GET")
    def show_many(_user: User, _body: Any) -> Any:
        asked = [int(number) for number in request.args["ids"].split(",")]
        return 200, {"users": [person(zendesk.users[number]) for number in asked if number in zendesk.users]}

    @route("/users/<number>", "GET")
    def show(_user: User, _body: Any, number: str) -> Any:
        if int(number) not in zendesk.users:
            raise Refused(404, {"error": "RecordNotFound", "description": "Not found"})
        return 200, {"user": person(zendesk.users[int(number)])}

    @route("/users/<number>/group_memberships", "GET")
    def memberships(_user: User, _body: Any, number: str) -> Any:
        groups = zendesk.users[int(number)].groups
        return 200, {"group_memberships": [{"user_id": int(number), "group_id": group} for group in groups]}

    @route("/organizations/<number>", "GET")
    def organization(_user: User, _body: Any, number: str) -> Any:
        return 200, {"organization": zendesk.organizations[int(number)]}


def _fields(zendesk: Zendesk, route: Callable[..., Any]) -> None:
    @route("/ticket_fields", "GET")
    def listed(_user: User, _body: Any) -> Any:
        rows = [*zendesk.ticket_fields.values()]
        return 200, _by_cursor(rows, "ticket_fields") if "page[size]" in request.args else {"ticket_fields": rows}

    @route("/ticket_fields", "POST", "admin")
    def make(_user: User, body: Any) -> Any:
        given = body.get("ticket_field") or {}
        if not given.get("title") or given.get("type") not in ("text", "textarea"):
            raise invalid(title="cannot be blank")
        return 201, {"ticket_field": zendesk.add_field(given)}

    @route("/ticket_fields/<number>", "PUT", "admin")
    def change(_user: User, body: Any, number: str) -> Any:
        zendesk.ticket_fields[int(number)].update(body["ticket_field"])
        return 200, {"ticket_field": zendesk.ticket_fields[int(number)]}


def _hooks(zendesk: Zendesk, route: Callable[..., Any]) -> None:
    @route("/webhooks", "GET", "admin")
    def listed(_user: User, _body: Any) -> Any:
        return 200, _by_cursor([*zendesk.webhooks.values()], "webhooks")

    @route("/webhooks", "POST", "admin")
    def make(_user: User, body: Any) -> Any:
        given = body.get("webhook") or {}
        missing = {"name", "endpoint", "http_method", "request_format", "status"} - set(given)
        if missing:
            raise Refused(400, {"errors": [{"code": "InvalidWebhook", "title": f"{min(missing)} is missing"}]})
        number = f"01EJFTSCC78X5V07NPY2MH{zendesk.next_id()}"
        zendesk.webhooks[number] = {"subscriptions": [], **given, "id": number}
        zendesk.secrets[number] = zendesk.make_secret()
        return 201, {"webhook": zendesk.webhooks[number]}

    @route("/webhooks/<number>", "PUT", "admin")
    def change(_user: User, body: Any, number: str) -> Any:
        if body["webhook"].get("subscriptions") != zendesk.webhooks[number]["subscriptions"]:
            raise Refused(400, {"errors": [{"code": "InvalidWebhook", "title": "The kind cannot be changed"}]})
        zendesk.webhooks[number].update(body["webhook"])
        return 204, ""

    @route("/webhooks/<number>/signing_secret", "GET", "admin")
    def secret(_user: User, _body: Any, number: str) -> Any:
        return 200, {"signing_secret": {"algorithm": "SHA256", "secret": zendesk.secrets[number]}}

    @route("/triggers", "GET", "admin")
    def triggers(_user: User, _body: Any) -> Any:
        return 200, _by_cursor([*zendesk.triggers.values()], "triggers")

    @route("/triggers", "POST", "admin")
    def make_trigger(_user: User, body: Any) -> Any:
        number = zendesk.next_id()
        zendesk.triggers[number] = _trigger(zendesk, body) | {"id": number}
        return 201, {"trigger": zendesk.triggers[number]}

    @route("/triggers/<number>", "PUT", "admin")
    def change_trigger(_user: User, body: Any, number: str) -> Any:
        zendesk.triggers[int(number)].update(_trigger(zendesk, body))
        return 200, {"trigger": zendesk.triggers[int(number)]}


def _trigger(zendesk: Zendesk, body: Any) -> dict[str, Any]:
    given = body.get("trigger") or {}
    if not given.get("title") or not given.get("actions") or not given.get("conditions"):
        raise invalid(title="title, conditions and actions cannot be blank")
    for action in given["actions"]:
        hook = zendesk.webhooks.get(action["value"][0])
        if action["field"] != "notification_webhook" or hook is None:
            raise invalid(actions="names no webhook")
        if hook["subscriptions"] != ["conditional_ticket_events"]:
            raise invalid(actions="names a webhook that is subscribed to events")
    # It adds members of its own to what it is given.
    kept = json.loads(json.dumps(given))
    for condition in (*kept["conditions"]["all"], *kept["conditions"]["any"]):
        condition["is_user_value"] = None
    return kept | {"position": 7, "raw_title": given["title"]}


def _apps(zendesk: Zendesk, route: Callable[..., Any]) -> None:
    @route("/apps/installations", "GET", "admin")
    def installations(_user: User, _body: Any) -> Any:
        return 200, {"installations": [*zendesk.installations.values()]}

    @route("/apps/<number>/public_key.pem", "GET", "admin")
    def public_key(_user: User, _body: Any, number: str) -> Any:
        assert int(number) in {row["app_id"] for row in zendesk.installations.values()}
        return 200, PUBLIC_KEY


@dataclass
class Running:
    """A Zendesk that answers at an address, with an administrator, our user and an agent in it."""

    clock: Callable[[], datetime]
    _servers: list[RunningServer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.zendesk = Zendesk(self.clock)
        self.admin = self.zendesk.add_user("admin@example.edu", role="admin", role_type=4)
        self.ours = self.zendesk.add_user("m365-unblock@example.edu", name="Unblock", role="agent", role_type=0)
        self.agent = self.zendesk.add_user(
            "alex@example.edu", name="Alex Agent", role="agent", role_type=0, groups=(21,)
        )
        self._servers = [serve(app(self.zendesk), "127.0.0.1", 0) for app in (create_app, create_store)]
        self.url = self.zendesk.url = f"http://127.0.0.1:{self._servers[0].port}"
        self.zendesk.content_url = f"http://localhost:{self._servers[1].port}"

    def close(self) -> None:
        """Answer no more."""
        for server in self._servers:
            server.close()
