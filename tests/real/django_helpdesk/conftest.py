"""A django-helpdesk of our own for the run, set up as the guide says, with the plugin and the demo tenant beside it.

It has a folder, a database (SQLite) and a port of its own, is served by gunicorn in two processes, listens on the
loopback only, and keeps the mail that it would send.
"""

import email
import email.policy
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

import pytest
import requests

from plugin.demo import tenant as demo_tenant
from plugin.demo.serving import RunningServer, serve
from plugin.demo.tenant.world import default_accounts
from tests.ports import free_port
from tests.real.running import (
    PATIENCE,
    Plugin,
    account,
    bounce,
    complaints_of,
    environment,
    is_answering,
    report,
    seats,
    until,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page

PASSWORD = "for this run only"

PROJECT = """\
import json
from pathlib import Path

SECRET_KEY = "for this run only"
DEBUG = True  # Django serves the static files itself
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "site_urls"
WSGI_APPLICATION = "django.core.wsgi.application"
SITE_ID = 1
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "django.contrib.messages", "django.contrib.staticfiles", "django.contrib.sites", "django.contrib.humanize",
    "helpdesk_m365_unblock",
    "helpdesk", "rest_framework",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware", "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware", "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]
DATABASES = {"default": {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": "FOLDER/db.sqlite3",
    "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE"},
}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_URL, MEDIA_URL, MEDIA_ROOT = "/static/", "/media/", "FOLDER/media"
EMAIL_BACKEND, EMAIL_FILE_PATH = "django.core.mail.backends.filebased.EmailBackend", "FOLDER/mail"
HELPDESK_TEAMS_MODEL, HELPDESK_TEAMS_MIGRATION_DEPENDENCIES = "auth.User", []
HELPDESK_KBITEM_TEAM_GETTER = lambda _: None
HELPDESK_ENABLE_PER_QUEUE_STAFF_PERMISSION = True
LOGIN_URL, LOGIN_REDIRECT_URL = "/login/", "/tickets/"
M365_UNBLOCK = json.loads(Path("FOLDER/m365/m365_unblock.json").read_text())
"""

URLS = """\
from django.contrib import admin
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("m365-unblock/api/", include("helpdesk_m365_unblock.urls")),
    path("", include("helpdesk.urls", namespace="helpdesk")),
    *staticfiles_urlpatterns(),
]
"""

PEOPLE = """\
from django.contrib.auth.models import Permission, User, Group
from helpdesk.models import Queue
from django.contrib.sites.models import Site
Site.objects.filter(pk=1).update(domain="HOST", name="help desk")
User.objects.create_superuser("root", "root@example.edu", "PASSWORD")
support = Queue.objects.create(title="Support", slug="support", email_address="support@example.edu",
    allow_public_submission=True, allow_email_submission=True, enable_notifications_on_email_events=True,
    email_box_type="local", email_box_local_dir="FOLDER/incoming/", email_box_interval=0)
Queue.objects.create(title="Printers", slug="printers", allow_public_submission=True)
may = Permission.objects.get(codename=support.permission_name.split(".")[1])
for login in ("alex", "vera"):
    user = User.objects.create_user(login, login + "@example.edu", "PASSWORD", is_staff=True, first_name=login.title())
    user.user_permissions.add(may)
"""
"""A help desk as sites have it before they have us: two queues that customers may write to, and its staff."""

SETTINGS = """\
[server]
listen = "127.0.0.1:{plugin_port}"
public_url = "http://localhost:{plugin_port}"
[organisation]
domains = ["example.edu"]
[sources.helpdesk]
system = "django_helpdesk"
api_url = "http://127.0.0.1:{helpdesk_port}/m365-unblock/api"
api_token = "{api_token}"
webhook_secrets = ["{webhook_secret}"]
launch_secrets = ["{launch_secret}"]
queues = ["support"]
panel_origins = ["http://127.0.0.1:{helpdesk_port}"]
[mail_tenants.campus]
system = "account_admin"
url = "{tenant}"
token = "{tenant_token}"
[procedure]
recheck_first_after = "1s"
recheck_pause_at_most = "2s"
retry_first_after = "1s"
retry_pause_at_most = "2s"
scan_every = "{scan_every}"
"""

STORIES = {
    "main": "Main Job",
    "mailed": "Mae Led",
    "down": "Dorothy Own",
    "longer": "Lon Ger",
    "lost": "Lois T",
    "viewed": "Vic Ewed",
    "loops": "Lou Ops",
    "merged": "Merle Ged",
    "copied": "Co Pied",
    "torn": "Tor N",
    "silent": "Sy Lent",
}
"""Each story's own account, by NetID."""


@pytest.fixture(name="until")
def _until() -> Callable[..., Any]:
    return until


class Helpdesk:
    """The private django-helpdesk."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        for name in ("project", "m365", "packages", "incoming", "mail", "media"):
            (folder / name).mkdir(parents=True)
        (folder / "project" / "site_settings.py").write_text(PROJECT.replace("FOLDER", str(folder)))
        (folder / "project" / "site_urls.py").write_text(URLS)
        self.environment = environment() | {
            "PYTHONPATH": f"{folder}/project:{folder}/packages",
            "DJANGO_SETTINGS_MODULE": "site_settings",
        }
        self._server: subprocess.Popen[bytes] | None = None

    def install(self) -> None:
        """What the guide has an administrator do once the folder is there."""
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps"]
        options = ["--no-build-isolation", "--no-index", "--target", str(self.folder / "packages")]
        subprocess.run([*pip, *options, str(self.folder / "m365" / "helpdesk-m365-unblock")], check=True, timeout=120)
        self.manage("migrate", "--verbosity", "0")
        self.manage("m365_unblock_setup")

    def manage(self, *words: str, stdin: str = "") -> str:
        """One of manage.py's commands; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "django", *words],
            env=self.environment,
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{words} ended with {done.returncode}: {(done.stdout + done.stderr)[-3000:]}"
        return done.stdout

    def run(self, code: str) -> str:
        """A few lines inside Django."""
        filled = code.replace("FOLDER", str(self.folder)).replace("PASSWORD", PASSWORD)
        return self.manage("shell", "--no-imports", "-c", filled.replace("HOST", f"127.0.0.1:{self.port}"))

    def start(self) -> None:
        """Listen, in two processes."""
        command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--threads", "4", "--bind"]
        with (self.folder / "server.log").open("ab") as log:
            self._server = subprocess.Popen(
                [*command, f"127.0.0.1:{self.port}", "django.core.wsgi:get_wsgi_application()"],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(lambda: is_answering(f"{self.url}/login/"), f"django-helpdesk answers:\n{self.log()}")

    def stop(self) -> None:
        """End it."""
        if self._server is not None:
            self._server.terminate()
            self._server.wait(timeout=40)
            self._server = None

    def log(self) -> str:
        """The end of what it logged."""
        file = self.folder / "server.log"
        return file.read_text("utf-8", "replace")[-3000:] if file.exists() else ""

    # ── what customers and staff do ──────────────────────────────────────────────────────────────────────────────

    def session(self, login: str = "") -> requests.Session:
        """A browser's, signed in where a login is given."""
        browser = requests.Session()
        if login:
            self.post(browser, "/login/", {"username": login, "password": PASSWORD})
        return browser

    def post(self, browser: requests.Session, path: str, form: dict[str, Any], **more: Any) -> requests.Response:
        """A form of django-helpdesk's, as a browser sends it."""
        page = browser.get(f"{self.url}{path}", timeout=30)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token is not None, f"{path}: {page.status_code} {page.text[:500]}"
        data = {"csrfmiddlewaretoken": token[1], **form}
        answer = browser.post(f"{self.url}{path}", data=data, timeout=30, **more)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer

    def submit(self, customer: str, subject: str, *, queue: str = "Support", text: str = "", file: bytes = b"") -> str:
        """A customer fills in the public form; the ticket's number."""
        queues = {title: str(number) for number, title in self.rows("SELECT id, title FROM helpdesk_queue")}
        body = text or "Hello,\r\n\r\nnobody gets my mail any more, it says undeliverable. Please help!"
        form = {"queue": queues[queue], "title": subject, "body": body, "submitter_email": customer, "priority": "3"}
        files = {"attachment": ("Undeliverable.eml", file, "message/rfc822")} if file else None
        self.post(self.session(), "/tickets/submit/", form, files=files)
        return self.ticket(subject)

    def mail_in(self, mail: EmailMessage) -> None:
        """A mail arrives at the queue's address, and cron fetches it."""
        (self.folder / "incoming" / f"{token_urlsafe(8)}.eml").write_bytes(mail.as_bytes())
        self.manage("get_email")

    def merge(self, gone: str, left: str) -> None:
        """An agent makes two tickets into one."""
        browser, path = self.session("root"), f"/tickets/merge?tickets={gone}&tickets={left}"
        self.post(browser, path, {"chosen_ticket": left})

    def comment(self, ticket: str, text: str, login: str = "alex") -> None:
        """An agent writes a comment, which is internal."""
        body = {"ticket": ticket, "comment": text, "public": False}
        answer = requests.post(f"{self.url}/api/followups/", json=body, auth=(login, PASSWORD), timeout=30)
        assert answer.status_code == 201, answer.text[:500]

    # ── what can be seen ─────────────────────────────────────────────────────────────────────────────────────────

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the database holds."""
        with closing(sqlite3.connect(f"file:{self.folder}/db.sqlite3?mode=ro", uri=True, timeout=30)) as database:
            return database.execute(query, values).fetchall()

    def write(self, query: str, *values: Any) -> None:
        """Change the database behind Django's back."""
        with closing(sqlite3.connect(self.folder / "db.sqlite3", timeout=30)) as database, database:
            database.execute(query, values)

    def ticket(self, subject: str) -> str:
        """The one ticket of a subject."""
        [(number,)] = self.rows("SELECT id FROM helpdesk_ticket WHERE title = ?", subject)
        return str(number)

    def fields(self, ticket: str) -> dict[str, str]:
        """The ticket's custom fields with their values, by label."""
        query = (
            "SELECT label, value FROM helpdesk_ticketcustomfieldvalue v JOIN helpdesk_customfield f ON f.id = field_id"
        )
        return dict(self.rows(f"{query} WHERE ticket_id = ?", ticket))

    def messages(self, ticket: str) -> list[dict[str, Any]]:
        """Author, visibility, title and text of each follow-up, oldest first."""
        query = (
            "SELECT username, public, title, comment FROM helpdesk_followup f LEFT JOIN auth_user u ON u.id = user_id"
        )
        rows = self.rows(f"{query} WHERE ticket_id = ? ORDER BY f.id", ticket)
        return [dict(zip(("by", "public", "title", "text"), row, strict=True)) for row in rows]

    def notes(self, ticket: str) -> list[str]:
        """What the plugin wrote on a ticket for agents."""
        return [it["text"] for it in self.messages(ticket) if it["by"] == "m365-unblock" and not it["public"]]

    def waiting(self, ticket: str) -> list[str]:
        """Why events of a ticket have not been taken; nothing where it was not tried."""
        query = "SELECT last_error FROM helpdesk_m365_unblock_event WHERE ticket = ?"
        return [error for (error,) in self.rows(query, ticket)]

    def send_all(self) -> None:
        """Send what is left now rather than when it is due again."""

        def is_nothing_left() -> bool:
            self.write("UPDATE helpdesk_m365_unblock_event SET due_at = created_at WHERE attempts > 0")
            return ", 0 left" in self.manage("m365_unblock_send")

        until(is_nothing_left, "nothing is left to be sent")

    def until_state(self, ticket: str, state: str) -> None:
        """Wait until the ticket shows a case in a state."""
        try:
            until(lambda: self.fields(ticket).get("Case State") == state, f"ticket {ticket} is “{state}”")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.fields(ticket).get('Case State')}\n{self.log()}") from error

    def mails(self) -> list[EmailMessage]:
        """All mail that it would have sent."""
        found = []
        for file in sorted((self.folder / "mail").glob("*.log")):
            parts = re.split(rb"\n-{79}\n", file.read_bytes())
            found += [email.message_from_bytes(it.strip(), policy=email.policy.default) for it in parts if it.strip()]
        return found

    def answers(self, recipient: str) -> list[str]:
        """The texts of the mails to somebody that tell of an update."""
        mails = [mail for mail in self.mails() if recipient in str(mail["To"]) and "(Updated)" in str(mail["Subject"])]
        bodies = [mail.get_body(("plain",)) for mail in mails]
        return [body.get_content() for body in bodies if body is not None]


class Site:
    """A university's help desk: its django-helpdesk, the plugin, the account site, and the people."""

    report, bounce = staticmethod(report), staticmethod(bounce)

    def __init__(self, folder: Path, started: ExitStack) -> None:
        tenant_token = token_urlsafe(24)
        accounts = default_accounts() | {netid: account(netid, name) for netid, name in STORIES.items()}
        self.tenant_app = demo_tenant.create_app(
            tenant_token, clock=_now, settle_seconds=2, page_key=token_urlsafe(16), accounts=accounts
        )
        tenant: RunningServer = serve(self.tenant_app, "127.0.0.1", 0)
        started.callback(tenant.close)
        self.helpdesk = Helpdesk(folder / "helpdesk")
        started.callback(self.helpdesk.stop)
        (folder / "plugin").mkdir()
        self.plugin = Plugin(
            folder / "plugin",
            SETTINGS,
            environment(),
            helpdesk_port=self.helpdesk.port,
            api_token=token_urlsafe(32),
            tenant=f"http://127.0.0.1:{tenant.port}",
            tenant_token=tenant_token,
            scan_every="10m",  # so that what comes, comes by webhook
        )
        started.callback(self.plugin.stop)

    def install(self) -> str:
        """The install command; what it said."""
        done = self.plugin.command("install", "django_helpdesk", "--into", str(self.helpdesk.folder / "m365"))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def file(self, customer: str, subject: str) -> str:
        """A customer's ticket with the bounce attached, through the public form."""
        return self.helpdesk.submit(customer, subject, file=bounce(customer).as_bytes())

    def asked(self, netid: str) -> list[str]:
        """The addresses of an account that Microsoft's side was really asked about, in order."""
        return [asked.address for asked in self.tenant_app.extensions["tenant"].asked if asked.netid == netid]


def _now() -> datetime:
    return datetime.now(UTC)


MEMBERS = """\
from django.contrib.auth.models import Group, User
User.objects.get(username="alex").groups.add(Group.objects.get(name="M365 Unblock Agents"))
"""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The help desk, with our app installed in its django-helpdesk and the plugin running."""
    with ExitStack() as started:
        site = Site(tmp_path_factory.mktemp("helpdesk"), started)
        site.install()
        site.helpdesk.install()
        site.helpdesk.run(PEOPLE)
        site.helpdesk.run(MEMBERS)
        site.helpdesk.start()
        site.plugin.start()
        yield site


class HelpdeskSeat:
    """An agent's browser, signed in at django-helpdesk."""

    def __init__(self, context: "BrowserContext", site: Site, login: str) -> None:
        self.context, self._site = context, site
        context.set_default_timeout(PATIENCE * 1000)
        self.page: Page = context.new_page()
        self.page.goto(f"{site.helpdesk.url}/login/")
        self.page.locator("input[name=username]").fill(login)
        self.page.locator("input[name=password]").fill(PASSWORD)
        self.page.locator("input[name=password]").press("Enter")
        self.page.wait_for_url(lambda url: "login" not in url)
        self.complaints = complaints_of(context)

    def open(self, ticket: str) -> "FrameLocator":
        """django-helpdesk's own page of a ticket; the panel in it."""
        self.page.goto(f"{self._site.helpdesk.url}/tickets/{ticket}/")
        return self.page.frame_locator("#m365-unblock iframe")


@pytest.fixture
def take_helpdesk_seat(browser: "Browser", site: Site) -> Iterator[Callable[[str], HelpdeskSeat]]:
    """Seats to order."""
    with seats(browser, lambda context, login: HelpdeskSeat(context, site, login)) as take:
        yield take
