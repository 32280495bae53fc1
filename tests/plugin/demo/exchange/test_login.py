"""The demo's sign-in service gives a token to whoever proves to be our application, and to nobody else."""

import base64
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flask.testing import FlaskClient

from plugin.demo.exchange import Application, certificates
from plugin.demo.exchange.application import EXCHANGE, GRAPH
from tests.plugin.demo.exchange.conftest import CLIENT, HOME, SECRET, TENANT, WALL

TOKEN = f"/{TENANT}/oauth2/v2.0/token"
BY_SECRET = {
    "grant_type": "client_credentials",
    "client_id": CLIENT,
    "scope": f"{EXCHANGE}/.default",
    "client_secret": SECRET,
}
BY_JWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def key_of(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


@pytest.fixture
def assertion(identity: tuple[str, x509.Certificate]) -> Callable[..., str]:
    def assertion(*, key: Any = None, algorithm: str = "PS256", header: Any = None, **claims: Any) -> str:
        thumbprint = base64.urlsafe_b64encode(identity[1].fingerprint(hashes.SHA256())).decode()
        right = {"aud": HOME + TOKEN, "iss": CLIENT, "sub": CLIENT, "jti": "1", "iat": WALL, "exp": WALL + 600}
        said = {name: value for name, value in (right | claims).items() if value is not None}
        return jwt.encode(
            said, key_of(identity[0]) if key is None else key, algorithm, header or {"x5t#S256": thumbprint}
        )

    return assertion


def by_certificate(assertion: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": CLIENT,
        "scope": f"{GRAPH}/.default",
        "client_assertion_type": BY_JWT,
        "client_assertion": assertion,
    }


def test_it_tells_where_tokens_are_to_be_had(client: FlaskClient) -> None:
    told = client.get(f"/{TENANT}/v2.0/.well-known/openid-configuration").get_json()
    assert told["token_endpoint"] == HOME + TOKEN
    other = client.get("/common/v2.0/.well-known/openid-configuration")
    assert (other.status_code, other.get_json()["error_codes"]) == (400, [90002])


def test_secret_buys_a_token_with_the_permissions_of_the_service(client: FlaskClient, application: Application) -> None:
    answer = client.post(TOKEN, data=BY_SECRET)
    assert answer.status_code == 200
    claims = application.claims(answer.get_json()["access_token"], EXCHANGE)
    assert claims is not None
    assert (claims["tid"], claims["roles"]) == (TENANT, ["Exchange.ManageAsApp"])
    assert application.claims(answer.get_json()["access_token"], GRAPH) is None


@pytest.mark.parametrize("algorithm", ["PS256", "RS256"])
def test_certificate_buys_a_token(
    client: FlaskClient,
    assertion: Callable[..., str],
    identity: tuple[str, x509.Certificate],
    algorithm: str,
) -> None:
    assert client.post(TOKEN, data=by_certificate(assertion(algorithm=algorithm))).status_code == 200
    sha1 = base64.urlsafe_b64encode(identity[1].fingerprint(hashes.SHA1())).decode()
    named = assertion(algorithm=algorithm, header={"x5t": sha1})
    assert client.post(TOKEN, data=by_certificate(named)).status_code == 200


def code(answer: Any) -> int:
    """The AADSTS number that is also in the words."""
    said = answer.get_json()
    assert said["error_description"].startswith(f"AADSTS{said['error_codes'][0]}: ")
    assert "\r\nTrace ID: " in said["error_description"]
    number: int = said["error_codes"][0]
    return number


@pytest.mark.parametrize(
    ("change", "status", "number"),
    [
        ({"client_secret": "another-secret"}, 401, 7000215),
        ({"client_secret": ""}, 401, 7000218),
        ({"client_id": TENANT}, 400, 700016),
        ({"grant_type": "password"}, 400, 70003),
        ({"scope": EXCHANGE}, 400, 1002012),
        ({"scope": "https://mars.example/.default"}, 400, 500011),
    ],
)
def test_request_that_is_wrong_in_one_thing_is_refused(
    client: FlaskClient, change: dict[str, str], status: int, number: int
) -> None:
    answer = client.post(TOKEN, data=BY_SECRET | change)
    assert (answer.status_code, code(answer)) == (status, number)


def test_json_is_no_form(client: FlaskClient) -> None:
    assert client.post(TOKEN, json=BY_SECRET).status_code == 400


@pytest.mark.parametrize(
    ("claims", "number"),
    [
        ({"aud": "https://elsewhere.example/token"}, 700023),
        ({"exp": WALL - 301}, 700024),
        ({"iat": WALL + 301}, 700024),
        ({"nbf": WALL + 301}, 700024),
        ({"iss": TENANT}, 700027),
        ({"sub": TENANT}, 700021),
        ({"jti": None}, 700027),
        ({"exp": None}, 700027),
        ({"header": {"x5t": "AAAA"}}, 700027),
        ({"header": {"kid": "1"}}, 700027),
    ],
)
def test_assertion_that_is_wrong_in_one_thing_is_refused(
    client: FlaskClient, assertion: Callable[..., str], claims: dict[str, Any], number: int
) -> None:
    answer = client.post(TOKEN, data=by_certificate(assertion(**claims)))
    assert (answer.status_code, code(answer)) == (401, number)


def test_signature_of_another_key_is_refused(client: FlaskClient, assertion: Callable[..., str]) -> None:
    other = key_of(certificates.for_application()[0])
    assert code(client.post(TOKEN, data=by_certificate(assertion(key=other)))) == 700027


@pytest.mark.parametrize("algorithm", ["HS256", "none"])
def test_other_algorithms_are_refused(client: FlaskClient, assertion: Callable[..., str], algorithm: str) -> None:
    key = "k" * 32 if algorithm == "HS256" else ""
    assert code(client.post(TOKEN, data=by_certificate(assertion(key=key, algorithm=algorithm)))) == 700027


def test_garbage_is_refused(client: FlaskClient) -> None:
    assert code(client.post(TOKEN, data=by_certificate("x.y.z"))) == 700027


def test_token_ends_with_its_hour_or_when_it_is_revoked(application: Application) -> None:
    token = application.issue(EXCHANGE)
    application.wall = lambda: WALL + 3600
    assert application.claims(token, EXCHANGE) is None
    application.wall = lambda: WALL
    assert application.claims(token, EXCHANGE) is not None
    application.revoke_tokens()
    assert application.claims(token, EXCHANGE) is None
    assert application.claims(token + "x", EXCHANGE) is None
