"""What an RT needs for us to work, looked for in what our extension tells of it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from plugin.errors import NotFound, RemoteError
from plugin.ports import Check
from webhooks.request_tracker.queries import NOTE_KEY, TAGS
from webhooks.request_tracker.set_up import Expected, SetUp
from webhooks.signatures import fingerprint

INSERT = "run the extension's etc/initialdata through rt-setup-database again (it mends what is missing)"
INSTALL = "run m365-unblock install request_tracker, do what it says, and restart RT's web server"
FREE = {"Freeform", "Text"}  # types that take any text


def failed(error: RemoteError, expected: Expected) -> Iterator[Check]:
    """What a look that failed says of the set-up, as far as it got."""
    if error.status is None or 200 <= error.status < 401:
        yield _check(f"RT answers at {expected.url}", False, str(error))
        return
    yield _check(f"RT answers at {expected.url}", True)
    if error.status == 401:
        yield _check("RT knows the token", False, str(error))
    elif error.status == 403:
        remedy = f"make a token for that user, or set User => '{expected.own_user}' in RT's %M365Unblock"
        yield _check(f"the token is that of RT's service user {expected.own_user}", False, remedy)
    elif isinstance(error, NotFound):
        remedy = f"{INSTALL}; if it is, correct url in {expected.place}"
        yield _check("the extension is installed in RT", False, remedy)
    else:
        yield _check("RT tells of its set-up", False, str(error))


def checks(found: SetUp, expected: Expected) -> Iterator[Check]:
    """Everything that the source needs."""
    yield _check(f"RT answers at {expected.url}", True)
    yield _check("RT knows the token", True)
    yield _check(f"the extension is installed in RT ({found['version']}, in RT {found['rt']})", True)
    yield from _settings(found, expected)
    yield from _fields(found)
    yield from _groups(found["groups"])
    yield from _scrip(found, expected)
    yield from _queues(found["queues"], expected)


# ── settings on both sides ───────────────────────────────────────────────────────────────────────────────────────


def _settings(found: SetUp, expected: Expected) -> Iterator[Check]:
    place, own = expected.place, expected.own_user
    yield _check(
        f"the token is that of the service user {own}",
        found["user"].lower() == own.lower(),
        f"the token belongs to {found['user']}: make one for {own}, or correct own_user in {place}",
    )
    yield _check(
        f"RT leaves out what {own} does",
        found["service_user"].lower() == own.lower(),
        f"RT's %M365Unblock has User => '{found['service_user']}': make it the same as own_user in {place}",
    )
    yield _check(
        f"RT calls itself {expected.source}",
        found["source"] == expected.source,
        f"RT's %M365Unblock has Source => '{found['source']}': make it '{expected.source}'",
    )
    yield _check(
        f"RT sends events to {found['webhook_url'] or '(nowhere)'}",
        urlsplit(found["webhook_url"]).path.endswith(f"/webhooks/{expected.source}"),
        f"RT's %M365Unblock needs a URL, or a WebhookURL that ends in /webhooks/{expected.source}",
    )
    yield _check(
        f"RT shows the panel from {found['url'] or '(nowhere)'}",
        urlsplit(found["url"]).scheme in ("http", "https"),
        "set URL in RT's %M365Unblock to the address at which browsers reach this plugin",
    )
    yield _secret("webhook", "WebhookSecret", "webhook_secrets", expected.webhook_secrets, found, place)
    yield _secret("launch", "LaunchSecret", "launch_secrets", expected.launch_secrets, found, place)
    yield _check(
        f"pages of {_origin(expected.url)} may show the panel",
        _origin(expected.url) in expected.panel_origins,
        f'put "{_origin(expected.url)}" into {place} panel_origins',
    )


def _secret(kind: str, theirs: str, ours: str, secrets: Sequence[str], found: SetUp, place: str) -> Check:
    known = {fingerprint(secret) for secret in secrets}
    return _check(
        f"RT signs with a secret from {ours}",
        found["fingerprints"].get(kind) in known,
        f"RT signs with another secret: make {theirs} in RT's %M365Unblock one of {place} {ours}, and restart RT",
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


# ── what is in RT's database ─────────────────────────────────────────────────────────────────────────────────────


def _fields(found: SetUp) -> Iterator[Check]:
    for name, field in sorted(found["fields_"].items()):
        yield from _field(f"the field “{name}”", field)
        if field["count"]:
            yield _values(name, field)
    yield from _field(f"the transaction field “{NOTE_KEY}”", found["note_key"])


def _field(what: str, field: Mapping[str, Any]) -> Iterator[Check]:
    count = field["count"]
    remedy = f"RT has {count} of that name: disable all but one" if count else INSERT
    yield _check(f"{what} is there, once", count == 1, remedy)
    if count:
        yield _check(
            f"{what} is seen by staff only",
            field["staff_only"],
            f"{field['why'] or 'others may see it'}: take that right away, since it names blocked addresses",
        )


def _values(name: str, field: Mapping[str, Any]) -> Check:
    several = name == TAGS
    return _check(
        f"the field “{name}” takes {'several values' if several else 'any text'}",
        field["type"] in FREE and (field["max_values"] == 0) == several,
        f"make it {'“Enter multiple values”' if several else '“Enter one value”'} in RT",
    )


def _groups(groups: Mapping[str, Mapping[str, int]]) -> Iterator[Check]:
    for name, group in sorted(groups.items()):
        yield _check(f"the group “{name}” is there", group["count"] == 1, INSERT)
    members = sum(group["members"] for group in groups.values())
    named = " or ".join(f"“{name}”" for name in sorted(groups))
    yield _check("somebody may unblock", members > 0, f"nobody may unblock yet: put agents into the group {named}")


def _scrip(found: SetUp, expected: Expected) -> Iterator[Check]:
    for kind in ("condition", "action"):
        remedy = INSERT if found[kind] == 0 else f"RT has {found[kind]} of them: delete all but one"
        yield _check(f"the scrip {kind} of ours is there, once", found[kind] == 1, remedy)
    enabled = [scrip for scrip in found["scrips"] if not scrip["disabled"]]
    remedy = "enable our scrip in RT, or " + INSERT if not enabled else "every event is sent twice: disable all but one"
    yield _check("our scrip is enabled, once", len(enabled) == 1, remedy)
    for scrip in enabled:
        yield _check(
            f"scrip {scrip['id']} runs after the ticket is saved",
            scrip["stage"] == "TransactionBatch",
            "set its stage to Batch, or agents wait for the plugin and new tickets cannot be read back",
        )
        queues = expected.queues or [queue["name"] for queue in found["queues"]]
        left_out = [] if scrip["applies"] == "global" else sorted(set(queues) - set(scrip["applies"]))
        yield _check(
            f"scrip {scrip['id']} applies to our queues", not left_out, f"apply it to {', '.join(left_out)} too"
        )
    yield _check(
        "RT runs scrips of the stage Batch", found["transaction_batch"], "Set($UseTransactionBatch, 1) in RT's settings"
    )


def _queues(queues: Sequence[Mapping[str, Any]], expected: Expected) -> Iterator[Check]:
    yield _check(
        "RT sends events of at least one queue",
        bool(queues),
        f"grant {expected.own_user} SeeQueue on the help desk's queues, or name them as Queues in RT's %M365Unblock",
    )
    unheard = sorted(set(expected.queues) - {queue["name"] for queue in queues})
    for name in unheard:
        yield _check(f"RT sends events of queue {name}", False, "add it to Queues in RT's %M365Unblock, and restart RT")
    for queue in queues:
        yield from _queue(queue, expected)


def _queue(queue: Mapping[str, Any], expected: Expected) -> Iterator[Check]:
    name = queue["name"]
    yield _check(f"queue {name} is there", queue["found"], "correct Queues in RT's %M365Unblock, or enable the queue")
    if not queue["found"]:
        return
    rights = [right for right, granted in sorted(queue["rights"].items()) if not granted]
    yield _check(
        f"{expected.own_user} may do its work in queue {name}",
        not rights and bool(queue["rights"]),
        f"grant it {', '.join(rights)} on the queue",
    )
    applied = {**queue["fields_"], NOTE_KEY: queue["note_key"]}
    fields_ = [field for field, is_applied in sorted(applied.items()) if not is_applied]
    yield _check(
        f"our fields apply to queue {name}", not fields_, f"apply {', '.join(fields_)} to the queue, or {INSERT}"
    )


def _check(what: str, ok: bool, remedy: str = "") -> Check:
    return Check(what=what, ok=ok, remedy="" if ok else remedy)
