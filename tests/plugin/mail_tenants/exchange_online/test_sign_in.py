"""Sign-in as an application: tokens kept and renewed, errors of the token endpoint with remedies, secrets unsaid."""

import base64
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
import responses
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from plugin.demo.exchange import certificates
from plugin.errors import Denied, OutcomeUnknown, PermanentError, RemoteError, SettingsError, Throttled, Unreachable
from plugin.mail_tenants import connect
from plugin.mail_tenants.exchange_online.sign_in import roles_in
from plugin.model import Answer, BlockedAddress, Sending
from tests.plugin.mail_tenants.exchange_online.conftest import (
    AGENT,
    BUCKY,
    CLIENT,
    INVOKE,
    LOGIN,
    SECRET,
    TENANT,
    USERS,
    Socket,
    access_token,
    failure,
    listed,
    rows,
)

Tenant = Callable[..., Any]
DISCOVERY, TOKEN = f"{LOGIN}/v2.0/.well-known/openid-configuration", f"{LOGIN}/oauth2/v2.0/token"


def forms(socket: Socket) -> list[dict[str, str]]:
    return [
        {name: values[0] for name, values in parse_qs(request.body).items()}
        for request in socket.asked("/oauth2/v2.0/token")
    ]


def test_secret_buys_one_token_for_each_service_and_it_is_kept(tenant: Tenant, socket: Socket) -> None:
    socket.knows(BUCKY)
    socket.lists()
    ours = tenant()
    for _ in range(3):
        ours.status("bbadger")
    assert [form["scope"] for form in forms(socket)] == [
        "https://graph.microsoft.com/.default",
        "https://outlook.office365.com/.default",
    ]
    assert {form["client_secret"] for form in forms(socket)} == {SECRET}
    assert {form["grant_type"] for form in forms(socket)} == {"client_credentials"}
    assert "Authorization" not in socket.asked("/oauth2/v2.0/token")[0].headers


def test_certificate_signs_what_asks_for_a_token(tenant: Tenant, socket: Socket, pem: str) -> None:
    socket.knows(BUCKY)
    socket.lists()
    tenant(client_secret=None, certificate=pem).status("bbadger")
    form = forms(socket)[0]
    assert "client_secret" not in form
    certificate = x509.load_pem_x509_certificate(pem[pem.index("-----BEGIN CERT") :].encode())
    header = jwt.get_unverified_header(form["client_assertion"])
    thumbprint = base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).decode()
    assert header["x5t#S256"] == thumbprint
    key: Any = certificate.public_key()
    claims = jwt.decode(form["client_assertion"], key, ["PS256"], audience=TOKEN)
    assert (claims["iss"], claims["sub"]) == (CLIENT, CLIENT)


@pytest.mark.parametrize(
    ("cloud", "login", "exchange", "graph"),
    [
        ("worldwide", "login.microsoftonline.com", "outlook.office365.com", "graph.microsoft.com"),
        ("gcc-high", "login.microsoftonline.us", "outlook.office365.us", "graph.microsoft.us"),
        ("dod", "login.microsoftonline.us", "outlook-dod.office365.us", "dod-graph.microsoft.us"),
        ("china", "login.chinacloudapi.cn", "outlook.office365.cn", "microsoftgraph.chinacloudapi.cn"),
    ],
)
def test_each_cloud_has_hosts_and_scopes_of_its_own(
    tenant: Tenant, cloud: str, login: str, exchange: str, graph: str
) -> None:
    with responses.RequestsMock() as web:
        home = f"https://{login}/{TENANT}"
        endpoints = {"authorization_endpoint": f"{home}/oauth2/v2.0/authorize", "token_endpoint": f"{home}/token"}
        web.get(f"{home}/v2.0/.well-known/openid-configuration", json=endpoints)
        asked = web.post(f"{home}/token", json={"access_token": access_token(), "expires_in": 3600})
        web.get(f"https://{graph}/v1.0/users", json={"value": [BUCKY]})
        web.post(f"https://{exchange}/adminapi/beta/{TENANT}/InvokeCommand", json=rows())
        assert tenant(cloud=cloud).status("bbadger").sending is Sending.NOT_BLOCKED
        scopes = [parse_qs(str(call.request.body))["scope"][0] for call in asked.calls]
    assert scopes == [f"https://{graph}/.default", f"https://{exchange}/.default"]


def test_addresses_and_scopes_can_be_set(tenant: Tenant) -> None:
    with responses.RequestsMock() as web:
        home = f"https://sso.example.edu/{TENANT}"
        endpoints = {"authorization_endpoint": f"{home}/authorize", "token_endpoint": f"{home}/token"}
        web.get(f"{home}/v2.0/.well-known/openid-configuration", json=endpoints)
        asked = web.post(f"{home}/token", json={"access_token": access_token(), "expires_in": 3600})
        web.get("https://graph.example.edu/g/v1.0/users", json={"value": [BUCKY]})
        invoked = web.post(f"https://exo.example.edu/adminapi/beta/{TENANT}/InvokeCommand", json=rows())
        settings = {
            "login_url": "https://sso.example.edu",
            "graph_url": "https://graph.example.edu/g",
            "exchange_url": "https://exo.example.edu",
            "exchange_scope": "api://exo/.default",
            "anchor_mailbox": "UPN:admin@example.edu",
        }
        tenant(**settings).status("bbadger")
        assert [parse_qs(str(call.request.body))["scope"][0] for call in asked.calls] == [
            "https://graph.microsoft.com/.default",
            "api://exo/.default",
        ]
        assert invoked.calls[0].request.headers["X-AnchorMailbox"] == "UPN:admin@example.edu"


def test_ageing_token_serves_on_while_no_new_one_can_be_had(tenant: Tenant) -> None:
    with responses.RequestsMock() as web:
        web.get(DISCOVERY, json={"authorization_endpoint": f"{LOGIN}/authorize", "token_endpoint": TOKEN})
        ageing = {"access_token": access_token(), "expires_in": 7200, "refresh_in": -1}
        web.post(TOKEN, json=ageing)
        web.post(TOKEN, json=ageing)
        web.get(USERS, json={"value": [BUCKY]})
        web.post(INVOKE, json=rows())
        ours = tenant()
        assert ours.status("bbadger").sending is Sending.NOT_BLOCKED
        web.replace(responses.POST, TOKEN, status=503)
        assert ours.status("bbadger").sending is Sending.NOT_BLOCKED


# ── a token that is rejected ─────────────────────────────────────────────────────────────────────────────────────


def rejecting(socket: Socket, rejected: int) -> None:
    """Exchange takes no token before this one."""

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        token = jwt.decode(request.headers["Authorization"][7:], options={"verify_signature": False})
        is_good = token["n"] > rejected
        return (200, {}, json.dumps(rows(listed("bbadger@example.edu")))) if is_good else (401, {}, "")

    socket.web.add_callback(responses.POST, INVOKE, answer)


def test_rejected_token_is_renewed_once(tenant: Tenant, socket: Socket) -> None:
    socket.knows(BUCKY)
    rejecting(socket, 2)  # the first is Graph's, the second Exchange's
    assert tenant().status("bbadger").sending is Sending.BLOCKED
    assert (socket.tokens, len(socket.asked("InvokeCommand"))) == (3, 2)


def test_token_rejected_again_is_denied_and_not_tried_a_third_time(tenant: Tenant, socket: Socket) -> None:
    socket.knows(BUCKY)
    rejecting(socket, 99)
    status = tenant().status("bbadger")
    assert (status.sending, "answered 401" in status.failure) == (Sending.UNKNOWN, True)
    assert len(socket.asked("InvokeCommand")) == 2


def test_write_goes_on_with_the_renewed_token_since_nothing_was_done(tenant: Tenant, socket: Socket) -> None:
    rejecting(socket, 1)
    blocked = BlockedAddress(address="bbadger@example.edu")
    answer = tenant().unblock(None, blocked, agent=AGENT, ticket="rt:1", key="k")
    assert answer.answer is Answer.REQUESTED
    assert len(socket.asked("InvokeCommand")) == 2


# ── what the sign-in service says no to ──────────────────────────────────────────────────────────────────────────


def refusal(code: str, words: str, error: str = "invalid_client") -> dict[str, Any]:
    ids = "Trace ID: 1b4e28ba-2fa1-11d2-883f-0016d3cca427\r\nCorrelation ID: …\r\nTimestamp: 2026-11-23 20:00:00Z"
    return {"error": error, "error_description": f"{code}: {words}\r\n{ids}", "error_codes": [int(code[6:])]}


REFUSALS = [
    (401, "AADSTS7000215", "client_secret is wrong"),
    (401, "AADSTS7000222", "client_secret has expired"),
    (401, "AADSTS700027", "the certificate is not the application's"),
    (401, "AADSTS700024", "the clock of this machine is wrong"),
    (401, "AADSTS700023", "look at login_url and cloud"),
    (400, "AADSTS700016", "client_id is no application of this tenant"),
    (400, "AADSTS7000229", "consent"),
    (400, "AADSTS7000112", "switched off"),
    (400, "AADSTS500011", "look at cloud and the scopes"),
    (400, "AADSTS65001", "consent is missing"),
    (400, "AADSTS53003", "Conditional Access"),
    (400, "AADSTS999999", "look at tenant_id, client_id and the certificate or secret"),
]


def without_token(web: responses.RequestsMock, **answer: Any) -> None:
    endpoints = {"authorization_endpoint": f"{LOGIN}/authorize", "token_endpoint": TOKEN}
    web.get(DISCOVERY, json=endpoints)
    web.post(TOKEN, **answer)


@pytest.mark.parametrize(("status", "code", "remedy"), REFUSALS, ids=[row[1] for row in REFUSALS])
def test_refused_application_is_told_what_to_mend(tenant: Tenant, status: int, code: str, remedy: str) -> None:
    with responses.RequestsMock() as web:
        without_token(web, status=status, json=refusal(code, "These are the words."))
        with pytest.raises(Denied) as caught:
            tenant().status("bbadger")
    said = str(caught.value)
    assert said.startswith(f"campus: signing in as the application: answered {status} ({code}: These are the words.)")
    assert remedy in said
    assert "Trace ID" not in said
    assert caught.value.status == 401  # 400 would be taken for "no such account"


def test_unknown_tenant_is_told_as_that(tenant: Tenant) -> None:
    with responses.RequestsMock() as web:
        said = refusal("AADSTS90002", f"Tenant '{TENANT}' not found.", "invalid_tenant")
        web.get(DISCOVERY, status=400, json=said)
        with pytest.raises(Denied, match="tenant_id is not the directory"):
            tenant().status("bbadger")


@pytest.mark.parametrize(
    ("status", "kind"), [(429, Throttled), (503, Throttled), (500, OutcomeUnknown), (504, OutcomeUnknown)]
)
@pytest.mark.parametrize("place", ["discovery", "token"])
def test_sign_in_service_that_is_busy_is_no_wrong_setting(
    tenant: Tenant, place: str, status: int, kind: type[RemoteError]
) -> None:
    with responses.RequestsMock() as web:
        if place == "discovery":
            web.get(DISCOVERY, status=status)
        else:
            without_token(web, status=status)
        with pytest.raises(kind):
            tenant().status("bbadger")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("place", ["discovery", "token", "a new token"])
def test_unblock_without_a_token_was_surely_not_asked(tenant: Tenant, place: str, status: int) -> None:
    with responses.RequestsMock() as web:
        if place == "discovery":
            web.get(DISCOVERY, status=status)
        else:
            endpoints = {"authorization_endpoint": f"{LOGIN}/authorize", "token_endpoint": TOKEN}
            web.get(DISCOVERY, json=endpoints)
        if place == "a new token":
            web.post(TOKEN, json={"access_token": access_token(), "expires_in": 3600})
            web.post(INVOKE, status=401)
        if place != "discovery":
            web.post(TOKEN, status=status)
        with pytest.raises(Unreachable, match=r"unblocking 'a@b\.example': signing in as the application"):
            tenant().unblock(None, BlockedAddress(address="a@b.example"), agent=AGENT, ticket="t", key="k")


@pytest.mark.parametrize(
    "body", ["<html>", "[]", "{}", "null", '{"token_endpoint": "http://x/t/y"}', '{"token_endpoint": 7}']
)
def test_answer_that_is_no_discovery_is_an_error(tenant: Tenant, body: str) -> None:
    with responses.RequestsMock() as web:
        web.get(DISCOVERY, body=body)
        with pytest.raises(PermanentError, match="signing in as the application"):
            tenant().status("bbadger")


@pytest.mark.parametrize(
    "body", ["<html>secret-body</html>", "[]", "{}", '{"access_token": 7}', '{"error": "secret-body"}']
)
def test_answer_without_a_token_is_an_error_and_not_logged(
    tenant: Tenant, body: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), responses.RequestsMock() as web:
        without_token(web, body=body)
        with pytest.raises(PermanentError, match="signing in as the application"):
            tenant().status("bbadger")
    assert "secret-body" not in caplog.text


def test_tokens_are_asked_for_at_the_configured_host_only(tenant: Tenant) -> None:
    with responses.RequestsMock() as web:
        endpoints = {
            "authorization_endpoint": f"{LOGIN}/authorize",
            "token_endpoint": f"https://evil.example/{TENANT}/token",
        }
        web.get(DISCOVERY, json=endpoints)
        with pytest.raises(Denied, match=r"it names evil\.example for tokens; if that is right, set login_url"):
            tenant().status("bbadger")
        assert len(web.calls) == 1


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_secret_and_no_token_is_said_or_logged_whatever_comes_back(
    tenant: Tenant, socket: Socket, pem: str, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = [access_token(number) for number in range(1, 9)]
    key = pem.splitlines()[3]
    told = " ".join([*tokens[:2], "password=hunter2hunter2", key])
    heard = []
    with caplog.at_level(logging.DEBUG):
        for settings, secret in (({}, SECRET), ({"client_secret": None, "certificate": pem}, key)):
            socket.knows(BUCKY)
            socket.web.post(INVOKE, status=400, json=failure("X.Y", f"{told} {secret}"))
            heard.append(tenant(**settings).status("bbadger").failure)
            socket.web.replace(responses.POST, INVOKE, status=400, body=f"{told} {secret}")
            heard.append(
                str(
                    tenant(**settings).unblock(
                        None, BlockedAddress(address="a@b.example"), agent=AGENT, ticket="t", key="k"
                    )
                )
            )
            heard.append(repr(tenant(**settings)))
    everything = " ".join(heard) + caplog.text
    for secret in (*tokens, SECRET, key, "hunter2hunter2"):
        assert secret not in everything


def test_roles_are_read_from_a_token_and_never_trusted_to_be_there() -> None:
    assert roles_in(access_token(roles=["a", "b", 7])) == {"a", "b"}
    for odd in ("", "x.y.z", access_token(roles=None), access_token(roles="a")):
        assert roles_in(odd) == frozenset()


def test_microsofts_library_is_loaded_for_this_tenant_alone() -> None:
    script = (
        "import sys; from datetime import datetime; from plugin.mail_tenants import connect;"
        "connect('a', {'system': 'account_admin', 'url': 'https://x.example', 'token': 'x' * 24}, datetime.now);"
        "sys.exit('msal' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


# ── the certificate ──────────────────────────────────────────────────────────────────────────────────────────────


def key_of(pem: str) -> str:
    return pem[: pem.index("-----BEGIN CERT")]


def encrypted() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kind = serialization.BestAvailableEncryption(b"hunter2")
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, kind).decode()


def elliptic() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda pem: "nothing", "no private key in it can be read"),
        (lambda pem: pem.replace("A", "B", 40), "can be read"),
        (lambda pem: key_of(pem), "no certificate in it belongs to the private key"),
        (lambda pem: key_of(certificates.for_application()[0]) + pem[len(key_of(pem)) :], "belongs to the private key"),
        (lambda pem: pem[len(key_of(pem)) :], "no private key in it can be read"),
        (lambda pem: encrypted(), "has a password"),
        (lambda pem: elliptic(), "must be RSA"),
        (lambda pem: key_of(pem) + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "cannot be read"),
    ],
)
def test_certificate_that_cannot_be_used_is_refused_at_start_without_being_told(
    tenant: Tenant, pem: str, spoil: Callable[[str], str], said: str
) -> None:
    spoilt = spoil(pem)
    with pytest.raises(SettingsError) as caught:
        tenant(client_secret=None, certificate=spoilt)
    assert str(caught.value).startswith("[mail_tenants.campus] certificate: ")
    assert said in str(caught.value)
    assert not any(line in str(caught.value) for line in spoilt.splitlines() if len(line) > 20)


def test_chain_with_the_certificate_is_taken(tenant: Tenant, pem: str) -> None:
    other = certificates.for_application()[0]
    assert tenant(client_secret=None, certificate=other[len(key_of(other)) :] + pem).name == "campus"


@pytest.mark.parametrize("settings", [{"client_secret": None}, {"certificate": "x"}])
def test_one_of_certificate_and_secret_must_be_set(tenant: Tenant, settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="set certificate_file, or client_secret_file instead, and not both"):
        tenant(**settings)


def test_unknown_cloud_is_refused_with_what_there_is() -> None:
    ours = {"system": "exchange_online", "tenant_id": TENANT, "client_id": CLIENT, "client_secret": SECRET}
    with pytest.raises(SettingsError, match="'mars' is not one of worldwide, gcc-high, dod, china"):
        connect("campus", ours | {"cloud": "mars"}, lambda: None)  # type: ignore[arg-type,return-value]


def test_graph_is_asked_with_its_own_token(tenant: Tenant, socket: Socket) -> None:
    socket.knows(BUCKY)
    socket.lists()
    tenant().status("bbadger")
    graph, exchange = socket.asked(USERS)[0], socket.asked("InvokeCommand")[0]
    assert graph.headers["Authorization"] != exchange.headers["Authorization"]
