"""The sign-in service: what it tells of itself, and tokens for an application by certificate or secret.

As in RFC 6749 §4.4, RFC 7523 and OpenID Connect Discovery; errors with Entra's own codes.
"""

from typing import Any
from uuid import uuid4

import jwt
from flask import Blueprint, Response, jsonify, request

from plugin.demo.doors import same
from plugin.demo.exchange.application import LIFE, PERMISSIONS, Application

BY_JWT = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LEEWAY = 300  # seconds that the two clocks may differ


class _Refused(Exception):
    def __init__(self, status: int, error: str, code: int, words: str) -> None:
        super().__init__(words)
        self.status, self.error, self.code, self.words = status, error, code, words


def blueprint(application: Application, base_url: str) -> Blueprint:
    """Discovery and token endpoint of the one tenant, as reached by `base_url`."""
    login = Blueprint("login", __name__)
    token_endpoint = f"{base_url}/{application.tenant_id}/oauth2/v2.0/token"

    @login.get("/<tenant>/v2.0/.well-known/openid-configuration")
    def discover(tenant: str) -> Response:
        _check_tenant(application, tenant)
        home = f"{base_url}/{tenant}"
        return jsonify(
            issuer=f"{home}/v2.0",
            authorization_endpoint=f"{home}/oauth2/v2.0/authorize",
            token_endpoint=token_endpoint,
            token_endpoint_auth_methods_supported=["client_secret_post", "private_key_jwt", "client_secret_basic"],
            jwks_uri=f"{home}/discovery/v2.0/keys",
        )

    @login.post("/<tenant>/oauth2/v2.0/token")
    def token(tenant: str) -> Response:
        _check_tenant(application, tenant)
        if request.mimetype != "application/x-www-form-urlencoded":
            raise _Refused(400, "invalid_request", 900144, "The request body must be a form.")
        form = request.form
        if form.get("grant_type") != "client_credentials":
            raise _Refused(400, "unsupported_grant_type", 70003, "The grant type is not client_credentials.")
        if form.get("client_id", "").lower() != application.client_id.lower():
            words = "Application with this identifier was not found in the directory."
            raise _Refused(400, "unauthorized_client", 700016, words)
        _check_credential(application, token_endpoint, form.to_dict())
        issued = jsonify(
            token_type="Bearer",  # noqa: S106 - a word of the standard
            expires_in=LIFE,
            ext_expires_in=LIFE,
            access_token=application.issue(_resource(form.get("scope", ""))),
        )
        issued.headers["Cache-Control"] = "no-store, no-cache"
        return issued

    @login.errorhandler(_Refused)
    def refuse(refused: _Refused) -> Response:
        trace, correlation = str(uuid4()), str(uuid4())
        told = f"AADSTS{refused.code}: {refused.words}"
        ids = f"Trace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: 2026-11-23 20:00:00Z"
        answer = jsonify(
            error=refused.error,
            error_description=f"{told}\r\n{ids}",
            error_codes=[refused.code],
            trace_id=trace,
            correlation_id=correlation,
        )
        answer.status_code = refused.status
        return answer

    return login


def _check_tenant(application: Application, tenant: str) -> None:
    if tenant.lower() != application.tenant_id.lower():
        raise _Refused(400, "invalid_request", 90002, f"Tenant '{tenant}' not found.")


def _resource(scope: str) -> str:
    resource = scope.removesuffix("/.default")
    if resource == scope:
        raise _Refused(400, "invalid_scope", 1002012, "Client credential flows must have a scope value with /.default.")
    if resource not in PERMISSIONS:
        raise _Refused(400, "invalid_resource", 500011, "The resource principal was not found in the tenant.")
    return resource


def _check_credential(application: Application, audience: str, form: dict[str, str]) -> None:
    if secret := form.get("client_secret"):
        if not any(same(secret, known) for known in application.secrets):
            words = "Invalid client secret provided. Ensure the secret being sent is the client secret value."
            raise _Refused(401, "invalid_client", 7000215, words)
        return
    if form.get("client_assertion_type") != BY_JWT or not form.get("client_assertion"):
        words = "The request body must contain client_assertion or client_secret."
        raise _Refused(401, "invalid_client", 7000218, words)
    _check_assertion(application, audience, form["client_assertion"])


def _check_assertion(application: Application, audience: str, assertion: str) -> None:
    try:
        header: dict[str, Any] = jwt.get_unverified_header(assertion)
        certificate = application.certificate_named(header)
        if certificate is None or header.get("alg") not in ("RS256", "PS256"):
            words = (
                "The certificate with identifier used to sign the client assertion is not registered on application."
            )
            raise _Refused(401, "invalid_client", 700027, words)
        claims = jwt.decode(
            assertion,
            certificate.public_key(),  # type: ignore[arg-type]  # what else than RSA would fail the algorithms
            algorithms=["RS256", "PS256"],
            audience=audience,
            issuer=application.client_id,
            options={"require": ["exp", "sub", "jti"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except jwt.InvalidAudienceError:
        words = "Client assertion audience claim does not match Realm issuer."
        raise _Refused(401, "invalid_client", 700023, words) from None
    except jwt.PyJWTError:
        words = "Client assertion failed signature validation."
        raise _Refused(401, "invalid_client", 700027, words) from None
    now = application.wall()
    begins = claims.get("nbf", claims.get("iat", now))
    if claims["sub"] != application.client_id:
        raise _Refused(401, "invalid_client", 700021, "Client assertion application identifier doesn't match.")
    if not begins - LEEWAY <= now <= claims["exp"] + LEEWAY:
        raise _Refused(401, "invalid_client", 700024, "Client assertion is not within its valid time range.")
