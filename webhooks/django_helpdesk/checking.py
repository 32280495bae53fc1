"""What a django-helpdesk needs for us to work, looked for in what our app tells of it. Pure."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from plugin.errors import NotFound, RemoteError
from plugin.ports import Check
from webhooks.django_helpdesk.set_up import Expected, SetUp
from webhooks.signatures import fingerprint

INSTALL = "run m365-unblock install django_helpdesk, and restart django-helpdesk"


def failed(error: RemoteError, expected: Expected) -> Iterator[Check]:
    """What a look that failed says of the set-up, as far as it got."""
    answers = f"our app answers at {expected.api_url}"
    if error.status == 401:
        yield _check(answers, True)
        yield _check("the app knows our token", False, f"{error}; {INSTALL}")
    elif isinstance(error, NotFound):
        remedy = f"include helpdesk_m365_unblock.urls in the site's urls.py, or correct api_url in {expected.place}"
        yield _check(answers, False, remedy)
    else:
        yield _check(answers, False, str(error))


def checks(found: SetUp, expected: Expected) -> Iterator[Check]:
    """Everything that the source needs."""
    place = expected.place
    versions = f"{found['version']}, in django-helpdesk {found['django_helpdesk']}"
    yield _check(f"our app answers at {expected.api_url} ({versions})", True)
    yield _check("the app knows our token", True)
    yield _check(
        f"django-helpdesk calls itself {expected.source}",
        found["source"] == expected.source,
        f"its M365_UNBLOCK has SOURCE {found['source']}: {INSTALL}",
    )
    yield _check(
        f"events go to {found['webhook_url']}",
        urlsplit(found["webhook_url"]).path.endswith(f"/webhooks/{expected.source}"),
        f"its WEBHOOK_URL must end in /webhooks/{expected.source}",
    )
    yield _secret("webhook", "webhook_secrets", expected.webhook_secrets, found, place)
    yield _secret("launch", "launch_secrets", expected.launch_secrets, found, place)
    unheard = sorted(set(expected.queues) - set(found["queues"])) if found["queues"] else []
    yield _check("events of all our queues come", not unheard, f"QUEUES lacks {', '.join(unheard)}: {INSTALL}")
    yield _check(
        "the panel may be shown in a frame",
        bool(expected.panel_origins),
        f"put django-helpdesk's origin, such as https://helpdesk.example.edu, into {place} panel_origins",
    )
    for looked in found["checks"]:
        yield _check(looked["what"], looked["ok"], looked["remedy"])


def _secret(kind: str, ours: str, secrets: Sequence[str], found: SetUp, place: str) -> Check:
    return _check(
        f"django-helpdesk signs with a secret from {ours}",
        found["fingerprints"].get(kind) in {fingerprint(secret) for secret in secrets},
        f"it signs with another than those of {place} {ours}: {INSTALL}",
    )


def _check(what: str, ok: bool, remedy: str = "") -> Check:
    return Check(what=what, ok=ok, remedy="" if ok else remedy)
