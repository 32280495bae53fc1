"""A Request Tracker of our own for the run, set up as the guide says, with the plugin and the demo tenant beside it.

Nothing is shared with an RT that this machine may run: the instance has a folder, a database (SQLite) and a port of its
own, listens on the loopback only, and keeps the mail that it would send.
"""

import mailbox
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from email.message import EmailMessage, Message
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
    complaints_of,
    environment,
    is_answering,
    report,
    seats,
    until,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page

RT_SERVER = Path("/usr/share/request-tracker5/libexec/rt-server")
RT_LIB = "/usr/share/request-tracker5/lib"
SETUP = "/usr/sbin/rt-setup-database-5"
PASSWORD = "for this run only"
QUEUE = "Support"

SITE_CONFIG = """\
$RT::VarPath='{folder}/var'; $RT::MasonDataDir='{folder}/mason'; $RT::MasonSessionDir='{folder}/sessions';
$RT::LocalPluginPath='{folder}/plugins';
Set($rtname, 'rt.example.edu'); Set($Organization, 'example.edu');
Set($WebDomain, '127.0.0.1'); Set($WebPort, {port}); Set($WebPath, '');
Set($DatabaseType, 'SQLite'); Set($DatabaseName, '{folder}/rt.sqlite'); Set($MailCommand, 'mbox');
Set($LogToSyslog, undef); Set($LogToFile, 'info'); Set($LogDir, '{folder}/log'); Set($LogToFileNamed, 'rt.log');
Set($BcryptCost, 10);
if (-e '{folder}/site.d/60-m365-unblock.pm') {{
    do '{folder}/site.d/60-m365-unblock.pm' or die $@ || $!;
    Set(%M365Unblock, RT->Config->Get('M365Unblock'), Pauses => [(1) x 8]);
}}
1;
"""

SITE = """\
use RT; RT::LoadConfig(); RT::Init();
my $queue = RT::Queue->new(RT->SystemUser);
$queue->Create(Name => 'Support', CorrespondAddress => 'support@example.edu', CommentAddress => 'notes@example.edu');
my $everyone = RT::Group->new(RT->SystemUser); $everyone->LoadSystemInternalGroup('Everyone');
$everyone->PrincipalObj->GrantRight(Right => $_, Object => $queue) for qw(CreateTicket ReplyToTicket SeeQueue);
my $staff = RT::Group->new(RT->SystemUser); $staff->CreateUserDefinedGroup(Name => 'Help desk');
$staff->PrincipalObj->GrantRight(Right => $_, Object => $queue)
    for qw(SeeQueue ShowTicket ShowTicketComments CommentOnTicket ReplyToTicket ModifyTicket TakeTicket OwnTicket);
for my $login (qw(alex vera)) {
    my $user = RT::User->new(RT->SystemUser);
    my ($id, $why) = $user->Create(Name => $login, EmailAddress => "$login\\@example.edu", RealName => ucfirst $login,
        Password => $ENV{PASSWORD}, Privileged => 1);
    die $why unless $id;
    $staff->AddMember($user->PrincipalId);
}
"""
"""A help desk as RT sites have it before they have us: a queue that customers may write to, and its staff."""

MEMBERS = """\
use RT; RT::LoadConfig(); RT::Init();
my $group = RT::Group->new(RT->SystemUser); $group->LoadUserDefinedGroup('M365 Unblock Agents');
my $alex = RT::User->new(RT->SystemUser); $alex->Load('alex');
my ($ok, $why) = $group->AddMember($alex->PrincipalId);
die $why unless $ok;
"""

SETTINGS = """\
[server]
listen = "127.0.0.1:{plugin_port}"
public_url = "http://localhost:{plugin_port}"
[organisation]
domains = ["example.edu"]
[sources.rt]
system = "request_tracker"
url = "http://127.0.0.1:{rt_port}"
token_file = "rt-token"
webhook_secrets = ["{webhook_secret}"]
launch_secrets = ["{launch_secret}"]
queues = ["Support"]
panel_origins = ["http://127.0.0.1:{rt_port}"]
[mail_tenants.campus]
system = "account_admin"
url = "{tenant}"
token = "{tenant_token}"
[procedure]
recheck_first_after = "1s"
recheck_pause_at_most = "2s"
retry_first_after = "1s"
retry_pause_at_most = "2s"
scan_every = "3s"
"""


@pytest.fixture(name="until")
def _until() -> Callable[..., Any]:
    return until


class RequestTracker:
    """The private RT."""

    def __init__(self, folder: Path) -> None:
        if not RT_SERVER.exists():
            pytest.fail(f"{RT_SERVER} is missing: run  make test-real  as root, or install it by hand", pytrace=False)
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        for name in ("var", "mason", "sessions", "plugins", "log", "conf.d", "site.d"):
            (folder / name).mkdir(parents=True)
        self._config = folder / "RT_SiteConfig.pm"
        self._config.write_text(SITE_CONFIG.format(folder=folder, port=self.port))
        self.environment = environment() | {
            "RT_SITE_CONFIG": str(self._config),
            "RT_SITE_CONFIG_DIR": str(folder / "conf.d"),
            "PASSWORD": PASSWORD,
        }
        self._server: subprocess.Popen[bytes] | None = None
        password = folder / "password"
        password.write_text(PASSWORD)
        self.run(SETUP, "--action", "init", "--skip-create", "--root-password-file", str(password))
        self.perl(SITE)

    def run(self, *command: str, stdin: bytes | None = None) -> str:
        """One of RT's own commands; what it printed."""
        done = subprocess.run(command, env=self.environment, capture_output=True, timeout=120, input=stdin, check=False)
        told = (done.stdout + done.stderr).decode("utf-8", "replace")
        assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {told[-3000:]}"
        return told

    def perl(self, code: str) -> str:
        """A few lines inside RT."""
        return self.run("perl", f"-I{RT_LIB}", "-e", code)

    def start(self) -> None:
        """Listen; a Mason cache from before an installation is thrown away, as the guide says."""
        shutil.rmtree(self.folder / "mason" / "obj", ignore_errors=True)
        command = [str(RT_SERVER), "--server", "Starlet", "--host", "127.0.0.1", "--port", str(self.port)]
        with (self.folder / "server.log").open("ab") as log:
            self._server = subprocess.Popen(
                [*command, "--max-workers", "4"], env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        until(lambda: is_answering(f"{self.url}/NoAuth/Login.html"), "RT answers")

    def stop(self) -> None:
        """End it. By TERM: on INT, run by root, it would change the owner of files that are not ours."""
        if self._server is not None:
            self._server.terminate()
            self._server.wait(timeout=20)
            self._server = None

    # ── what customers and staff do ──────────────────────────────────────────────────────────────────────────────

    def mail_in(self, mail: EmailMessage) -> None:
        """A mail arrives at the help desk's address."""
        gate = ("rt-mailgate-5", "--queue", QUEUE, "--action", "correspond", "--url", self.url)
        self.run(*gate, stdin=mail.as_bytes())

    def call(self, method: str, path: str, user: str = "root", **more: Any) -> Any:
        """REST 2.0 as a person, by password."""
        reply = requests.request(method, f"{self.url}/REST/2.0/{path}", auth=(user, PASSWORD), timeout=30, **more)
        assert reply.ok, f"{method} {path}: {reply.status_code} {reply.text[:500]}"
        return reply.json() if reply.content else None

    def merge(self, ticket: str, into: str) -> None:
        """An agent makes two tickets into one."""
        self.call("PUT", f"ticket/{ticket}", json={"MergeInto": int(into)})

    # ── what can be seen ─────────────────────────────────────────────────────────────────────────────────────────

    def tickets(self, subject: str) -> list[str]:
        """The tickets of a subject, oldest first."""
        found = self.call("GET", "tickets", params={"query": f"Subject = '{subject}'", "orderby": "id"})
        return [str(item["id"]) for item in found["items"]]

    def ticket(self, subject: str) -> str:
        """The one ticket of a subject, once it is there."""
        [number] = until(lambda: self.tickets(subject), f"there is a ticket “{subject}”")
        return str(number)

    def fields(self, ticket: str) -> dict[str, list[str]]:
        """The ticket's custom fields with their values."""
        return {field["name"]: field["values"] for field in self.call("GET", f"ticket/{ticket}")["CustomFields"]}

    def messages(self, ticket: str) -> list[dict[str, Any]]:
        """Type, creator and text of each message in the ticket's history, oldest first."""
        wanted = {"fields": "Type,Creator", "fields[Creator]": "Name", "per_page": "100"}
        rows = [
            row
            for row in self.call("GET", f"ticket/{ticket}/history", params=wanted)["items"]
            if row["Type"] in ("Create", "Correspond", "Comment")
        ]
        bodies = self.call(
            "GET", f"ticket/{ticket}/attachments", params={"fields": "Content,TransactionId", "per_page": 100}
        )
        texts: dict[str, str] = {}
        for body in bodies["items"]:
            number = body["TransactionId"]
            key = str(number["id"] if isinstance(number, dict) else number)
            texts[key] = texts.get(key) or body.get("Content") or ""
        return [
            {"type": row["Type"], "by": row["Creator"]["Name"], "text": texts.get(str(row["id"]), "")} for row in rows
        ]

    def notes(self, ticket: str) -> list[str]:
        """What the plugin wrote on a ticket for agents."""
        return [it["text"] for it in self.messages(ticket) if it["by"] == "m365-unblock" and it["type"] == "Comment"]

    def until_state(self, ticket: str, state: str, seconds: float = PATIENCE) -> None:
        """Wait until the ticket shows a case in a state."""
        try:
            until(lambda: self.fields(ticket).get("Case State") == [state], f"ticket {ticket} is “{state}”", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.fields(ticket).get('Case State')}\n{self.log()}") from error

    def mailed(self, recipient: str) -> list[str]:
        """The texts of the mails that RT would have sent to somebody, without its autoreplies."""
        found = []
        for file in sorted((self.folder / "var").glob("*.mbox")):
            with closing(mailbox.mbox(file, create=False)) as box:
                found += [_text(mail) for mail in box if recipient in _recipients(mail)]
        return [text for text in found if "automatically generated" not in text]

    def log(self) -> str:
        """The end of RT's log."""
        return "".join(path.read_text("utf-8", "replace")[-3000:] for path in (self.folder / "log").glob("*.log"))


def _recipients(mail: Message) -> str:
    return " ".join(str(mail.get(name, "")) for name in ("To", "Cc", "Bcc", "RT-Send-Cc", "RT-Send-Bcc"))


def _text(mail: Message) -> str:
    parts = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    return "\n".join(part.decode("utf-8", "replace") for part in parts if isinstance(part, bytes))


class Site:
    """A university's help desk: its RT, the plugin, the account site, and the people."""

    report = staticmethod(report)

    def __init__(self, folder: Path, started: ExitStack) -> None:
        tenant_token = token_urlsafe(24)
        self.tenant_app = demo_tenant.create_app(
            tenant_token, clock=_now, settle_seconds=2, page_key=token_urlsafe(16), accounts=_accounts()
        )
        tenant: RunningServer = serve(self.tenant_app, "127.0.0.1", 0)
        started.callback(tenant.close)
        self.rt = RequestTracker(folder / "rt")
        started.callback(self.rt.stop)
        (folder / "plugin").mkdir()
        self.plugin = Plugin(
            folder / "plugin",
            SETTINGS,
            self.rt.environment,
            rt_port=self.rt.port,
            tenant=f"http://127.0.0.1:{tenant.port}",
            tenant_token=tenant_token,
        )
        started.callback(self.plugin.stop)

    def install(self) -> str:
        """What the set-up guide has an administrator do; what the install command said."""
        folder = self.rt.folder
        places = ("--plugins", str(folder / "plugins"), "--site-config", str(folder / "site.d"))
        done = self.plugin.command("install", "request_tracker", *places)
        assert done.returncode == 0, done.stderr
        extension = folder / "plugins" / "RT-Extension-M365Unblock"
        data = str(extension / "etc" / "initialdata")
        self.rt.run(SETUP, "--action", "insert", "--skip-create", "--datafile", data)
        token = str(self.plugin.config.with_name("rt-token"))
        if not Path(token).exists():
            self.rt.run("perl", f"-I{RT_LIB}", str(extension / "sbin" / "rt-m365-unblock-token"), "--file", token)
        return done.stdout

    def asked(self, netid: str) -> list[str]:
        """The addresses of an account that Microsoft's side was really asked about, in order."""
        return [asked.address for asked in self.tenant_app.extensions["tenant"].asked if asked.netid == netid]


STORIES = {
    "main": "Main Job",
    "down": "Dorothy Own",
    "lost": "Lois T",
    "viewed": "Vic Ewed",
    "loops": "Lou Ops",
    "merged": "Merle Ged",
    "torn": "Tor N",
}
"""Each story's own account, by NetID."""


def _accounts() -> Mapping[str, Any]:
    return default_accounts() | {netid: account(netid, name) for netid, name in STORIES.items()}


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The help desk, with the plugin installed in its RT and running."""
    with ExitStack() as started:
        site = Site(tmp_path_factory.mktemp("site"), started)
        site.install()
        site.rt.perl(MEMBERS)
        site.rt.start()
        site.plugin.start()
        yield site


class RtSeat:
    """An agent's browser, signed in at RT."""

    def __init__(self, context: "BrowserContext", site: Site, login: str) -> None:
        self.context, self._site = context, site
        context.set_default_timeout(PATIENCE * 1000)
        self.page: Page = context.new_page()
        self.page.goto(f"{site.rt.url}/")
        self.page.locator("input[name=user]").fill(login)
        self.page.locator("input[name=pass]").fill(PASSWORD)
        self.page.locator("input[name=pass]").press("Enter")
        self.page.wait_for_load_state()
        self.complaints = complaints_of(context)

    def open(self, ticket: str) -> "FrameLocator":
        """RT's own page of a ticket; the panel in it."""
        self.page.goto(f"{self._site.rt.url}/Ticket/Display.html?id={ticket}")
        return self.page.frame_locator("iframe[src*='/panel/rt/']")


@pytest.fixture
def take_rt_seat(browser: "Browser", site: Site) -> Iterator[Callable[[str], RtSeat]]:
    """Seats to order."""
    with seats(browser, lambda context, login: RtSeat(context, site, login)) as take:
        yield take
