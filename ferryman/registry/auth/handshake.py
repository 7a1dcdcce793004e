"""Token authentication (Bearer) without I/O: a generator that yields requests, receives answers, returns the token.

Source: distribution, "Token Authentication Specification" and "Oauth2 Token Authentication".
"""

import base64
import json
import re
from collections.abc import Generator, Iterable
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode

from yarl import URL

from ferryman.clock import Clock
from ferryman.errors import Unsupported, WrongContent
from ferryman.registry.auth.challenge import Challenge
from ferryman.registry.auth.credentials import Credential
from ferryman.registry.auth.tokens import Grant
from ferryman.registry.http.error_responses import denied, is_refusal, login_refused, refusal
from ferryman.registry.http.links import forbid_downgrade, resolve
from ferryman.registry.http.messages import Request, RequestSpec, Response

Handshake = Generator[Request, Response, Grant]

_CLIENT = "ferryman"
_NO_OAUTH = frozenset({400, 401, 404, 405})  # answers of token servers without the OAuth2 POST
_LIFETIME = 60  # seconds, if the server names none
_SENDABLE = re.compile(r"[\x21-\x7e]+")


def choose(challenges: Iterable[Challenge]) -> Challenge | None:
    """The challenge to answer: Bearer before Basic, nothing else."""
    known = {challenge.scheme: challenge for challenge in reversed(list(challenges))}
    bearer = known.get("bearer")
    return bearer if bearer is not None and bearer.get("realm") else known.get("basic")


def basic(credential: Credential) -> str:
    """The Authorization header for Basic."""
    return f"Basic {base64.b64encode(f'{credential.username}:{credential.secret}'.encode()).decode()}"


def token_handshake(
    spec: RequestSpec,
    challenge: Challenge,
    *,
    at: URL,
    scopes: Iterable[str],
    credential: Credential | None,
    clock: Clock,
) -> Handshake:
    """Request a token for `scopes` from the challenge's token server; `at`: the URL that sent the challenge.

    Raises LoginRefused if the credential is refused, Denied if the scope is.
    """
    realm = _realm(challenge, at)
    service = challenge.get("service")
    if credential is not None and credential.is_identity_token:
        response = yield _refresh(realm, service, scopes, credential)
        if response.status not in _NO_OAUTH:
            return _granted(spec, response, credential, clock)
    response = yield _get_token(realm, service, scopes, credential)
    if response.status == HTTPStatus.FORBIDDEN and is_refusal(response) and credential is not None and scopes:
        # ghcr answers 403 to a wrong password too; without a scope, only the login can be refused.
        alone = yield _get_token(realm, service, (), credential)
        if is_refusal(alone):
            raise login_refused(spec, alone, account=credential.username)
        raise denied(spec, response, account=credential.username)
    return _granted(spec, response, credential, clock)


def _realm(challenge: Challenge, at: URL) -> URL:
    """The URL of the token server. It gets the password, so it may not be just anywhere: see also ssrf_guard.py."""
    realm = resolve(at, challenge.get("realm") or "")
    forbid_downgrade(at, realm, what="its login")
    return realm


def _refresh(realm: URL, service: str | None, scopes: Iterable[str], credential: Credential) -> Request:
    form = {"grant_type": "refresh_token", "refresh_token": credential.secret, "client_id": _CLIENT}
    if service:
        form["service"] = service
    if joined := " ".join(scopes):
        form["scope"] = joined
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return Request("POST", realm, headers, urlencode(form).encode())


def _get_token(realm: URL, service: str | None, scopes: Iterable[str], credential: Credential | None) -> Request:
    parameters = [*([("service", service)] if service else []), *(("scope", scope) for scope in scopes)]
    replaced = {key for key, _ in parameters}
    kept = [pair for pair in parse_qsl(realm.raw_query_string, keep_blank_values=True) if pair[0] not in replaced]
    # urlencode also encodes colons, which the service names of Aliyun contain.
    url = URL(f"{realm.with_query(None).with_fragment(None)}?{urlencode([*kept, *parameters])}", encoded=True)
    return Request("GET", url).authorised(basic(credential) if credential else None)


def _granted(spec: RequestSpec, response: Response, credential: Credential | None, clock: Clock) -> Grant:
    if not response.ok:
        raise _refused(spec, response, credential, clock)
    about = spec.answered_by(response.url)
    try:
        document = json.loads(response.body)
        token = document.get("token") or document.get("access_token")
        lifetime = document.get("expires_in")
    except (ValueError, AttributeError, RecursionError) as error:
        raise WrongContent(f"{about}: the answer of its token server is no token", registry=spec.host.name) from error
    if not isinstance(token, str) or not _SENDABLE.fullmatch(token):
        raise WrongContent(f"{about}: its token server answers without a token", registry=spec.host.name)
    seconds = lifetime if isinstance(lifetime, int) and 0 < lifetime < 10**7 else _LIFETIME
    return Grant(token, timedelta(seconds=seconds))


def _refused(spec: RequestSpec, response: Response, credential: Credential | None, clock: Clock) -> Exception:
    if is_refusal(response):
        if credential is not None:
            return login_refused(spec, response, account=credential.username)
        return denied(spec, response, account=None)
    error = refusal(spec, response, now=clock.now())
    if error.temporary:
        return error
    return Unsupported(
        f"{spec.answered_by(response.url)}: its token server answered {response.status}", registry=spec.host.name
    )
