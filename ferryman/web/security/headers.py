"""The headers that keep a browser from doing more with a page than the page itself wants."""

import secrets

from aiohttp import web

NONCE = web.RequestKey("nonce", str)

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # `no-referrer` would make browsers send `Origin: null` with our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_KEPT_NOWHERE = "no-store"


def new_nonce() -> str:
    """For the scripts and style sheets of one response."""
    return secrets.token_urlsafe(16)


def protect(response: web.StreamResponse, nonce: str) -> None:
    """Add the headers; a handler may have set a Cache-Control of its own."""
    for name, value in _ALWAYS.items():
        response.headers[name] = value
    response.headers["Content-Security-Policy"] = _policy(nonce)
    response.headers.setdefault("Cache-Control", _KEPT_NOWHERE)


def _policy(nonce: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}'",
            f"style-src 'nonce-{nonce}'",
            "img-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )
