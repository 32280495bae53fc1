"""The settings as the program uses them: checked, with all defaults filled in and every path whole.

Relative paths are relative to the settings file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from plugin.errors import SettingsError
from plugin.model import Role
from plugin.settings_document import read_document

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LOOPBACK = ("localhost", "127.0.0.1", "::1")
DATABASES = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")


@dataclass(frozen=True, kw_only=True, slots=True)
class Procedure:
    """The site's choices in the procedure; see plugin.json for each."""

    compromise_reasons: tuple[str, ...]
    unblock_while_sign_in_disabled: bool
    rely_on_earlier_for: timedelta
    recheck_first_after: timedelta
    recheck_pause_at_most: timedelta
    recheck_for: timedelta
    follow_up_after: timedelta
    unreachable_note_after: timedelta
    retry_first_after: timedelta
    retry_pause_at_most: timedelta
    note_settles_within: timedelta
    scan_every: timedelta
    scan_back: timedelta
    notes_per_hour: int = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """How long things are kept once they are over; see plugin.json for each."""

    deliveries: timedelta
    tasks: timedelta
    cases: timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class SignIn:
    """Who may sign in to the desk's own pages, and by whom they are vouched for; see plugin.json for each."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...]
    login_claim: str  # empty: preferred_username, else email
    groups_claim: str
    groups: Mapping[Role, frozenset[str]]
    leeway: timedelta
    session_for: timedelta
    idle_for: timedelta
    ca_file: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Checked settings with all defaults filled in."""

    listen: tuple[str, int]
    public_url: str
    threads: int
    worker_listen: tuple[str, int] | None
    metrics_token: str | None
    metrics_folder: Path
    deliveries_url: str
    cases_url: str
    engine_url: str
    retention: Retention
    domains: tuple[str, ...]
    zone: ZoneInfo
    sources: Mapping[str, Mapping[str, Any]]
    mail_tenants: Mapping[str, Mapping[str, Any]]
    procedure: Procedure
    checklist_file: Path | None
    templates: Path | None
    links: Mapping[str, str]
    panel_secret: str | None
    sign_in: SignIn | None


def load(path: Path, environment: Mapping[str, str]) -> Settings:
    """Read, override, check and fill in the settings; `SettingsError` names the place and the remedy."""
    return _build(read_document(path, environment), path.parent.resolve())


def duration(text: str) -> timedelta:
    """``90s``, ``5m``, ``24h`` or ``2d``."""
    return timedelta(**{UNITS[text[-1]]: float(text[:-1])})


def _build(document: dict[str, Any], folder: Path) -> Settings:
    store = document["store"]
    file, templates = document["checklist"].get("file"), document["notes"].get("templates")
    return Settings(
        listen=_listen("listen", document["server"]["listen"]),
        public_url=document["server"]["public_url"],
        threads=int(document["server"]["threads"]),  # 8.0 is a whole number too
        worker_listen=_worker_listen(document["server"]["worker_listen"]),
        metrics_token=document["server"].get("metrics_token"),
        metrics_folder=folder / store["metrics_folder"],
        deliveries_url=_database("deliveries_url", store["deliveries_url"], folder),
        cases_url=_database("cases_url", store["cases_url"], folder),
        engine_url=_database("engine_url", store["engine_url"], folder),
        retention=Retention(**{key: duration(value) for key, value in document["retention"].items()}),
        domains=tuple(document["organisation"]["domains"]),
        zone=_zone(document["organisation"]["time_zone"]),
        sources=_with_paths(document["sources"], folder),
        mail_tenants=_with_paths(document["mail_tenants"], folder),
        procedure=_procedure(document["procedure"]),
        checklist_file=folder / file if file else None,
        templates=folder / templates if templates else None,
        links=document["links"],
        panel_secret=document["panel"].get("secret"),
        sign_in=_sign_in(document["sign_in"], document["server"]["public_url"], folder),
    )


def is_confidential(url: str) -> bool:
    """Whether what is sent there is read by nobody on the way: it is encrypted, or stays on this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in LOOPBACK


def _sign_in(chosen: Mapping[str, Any], public_url: str, folder: Path) -> SignIn | None:
    if "issuer" not in chosen:
        return None
    if not is_confidential(chosen["issuer"]):
        raise SettingsError("[sign_in] issuer: must begin with https://; http:// is for providers on this machine only")
    if not is_confidential(public_url):
        raise SettingsError(
            "[sign_in]: people sign in over https:// only; set [server] public_url to the address of your TLS proxy"
        )
    groups = {Role.VIEWER: "viewers", Role.AGENT: "agents", Role.SUPERVISOR: "supervisors"}
    if not any(chosen[key] for key in groups.values()):
        raise SettingsError("[sign_in]: nobody could get in; name groups in viewers, agents or supervisors")
    return SignIn(
        issuer=chosen["issuer"],
        client_id=chosen["client_id"],
        client_secret=chosen["client_secret"],
        scopes=tuple(dict.fromkeys(["openid", *chosen["scopes"]])),
        login_claim=chosen.get("login_claim", ""),
        groups_claim=chosen["groups_claim"],
        groups={role: frozenset(chosen[key]) for role, key in groups.items()},
        leeway=duration(chosen["leeway"]),
        session_for=duration(chosen["session_for"]),
        idle_for=duration(chosen["idle_for"]),
        ca_file=str(folder / chosen["ca_file"]) if "ca_file" in chosen else None,
    )


def _worker_listen(text: str) -> tuple[str, int] | None:
    return _listen("worker_listen", text) if text else None


def _listen(key: str, text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if int(port) > 65535:
        raise SettingsError(f"[server] {key}: the port must be at most 65535")
    return host, int(port)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(f"[organisation] time_zone: no such zone {name!r}; write it as Europe/Berlin") from error


def _with_paths(systems: Mapping[str, Mapping[str, Any]], folder: Path) -> dict[str, Mapping[str, Any]]:
    """The systems with their ``ca_file``, where one is named, as a whole path."""
    return {
        name: {**chosen, "ca_file": str(folder / chosen["ca_file"])} if "ca_file" in chosen else chosen
        for name, chosen in systems.items()
    }


def _procedure(chosen: Mapping[str, Any]) -> Procedure:
    durations = {key: duration(value) for key, value in chosen.items() if isinstance(value, str)}
    return Procedure(
        compromise_reasons=tuple(chosen["compromise_reasons"]),
        unblock_while_sign_in_disabled=chosen["unblock_while_sign_in_disabled"],
        notes_per_hour=int(chosen["notes_per_hour"]),
        **durations,
    )


def _database(key: str, url: str, folder: Path) -> str:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # its words may hold the password
        raise SettingsError(f"[store] {key}: no proper database address") from None
    if parsed.drivername not in DATABASES:
        raise SettingsError(f"[store] {key}: use a sqlite: or postgresql: address")
    if parsed.get_backend_name() == "sqlite":
        if parsed.database in (None, "", ":memory:"):
            raise SettingsError(f"[store] {key}: name a file, as in sqlite:///var/cases.sqlite; memory is forgotten")
        parsed = parsed.set(database=str(folder / str(parsed.database)))
    return parsed.render_as_string(hide_password=False)
