"""What it means that a connection failed: one table. Most failures pass; a wrong certificate does not by itself."""

from dataclasses import dataclass

import aiohttp

from ferryman.errors import TlsFailed, Unreachable

_PLAIN_HTTP = "no TLS there; if it speaks plain HTTP, set `tls: false` for it under `registries:`"
_TLS = "it speaks TLS; set `tls: true` for it under `registries:`"
# OpenSSL's reasons for "what came is no TLS", and for "we have no version or cipher in common".
_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG",
     "RECORD_LAYER_FAILURE", "RECORD_TOO_SMALL", "BAD_RECORD_TYPE", "UNEXPECTED_MESSAGE"}
)  # fmt: skip
_NOTHING_IN_COMMON = frozenset(
    {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "SSLV3_ALERT_HANDSHAKE_FAILURE", "NO_PROTOCOLS_AVAILABLE",
     "TLSV1_UNRECOGNIZED_NAME", "TLSV13_ALERT_CERTIFICATE_REQUIRED", "DH_KEY_TOO_SMALL", "NO_CIPHERS_AVAILABLE"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; the first that fits decides."""

    exception: type[Exception]
    text: str  # a format, of the exception
    error: type[TlsFailed] | type[Unreachable] = Unreachable
    tls: frozenset[str] = frozenset()  # only for these reasons of OpenSSL's
    says: str = ""  # only where the exception's message says this

    def fits(self, error: Exception, reason: str | None) -> bool:
        """Whether the line is for it; `reason` is OpenSSL's."""
        if not isinstance(error, self.exception) or (self.tls and reason not in self.tls):
            return False
        return self.says in str(getattr(error, "message", ""))


TABLE = (
    Row(TimeoutError, "no answer in time"),
    # Until somebody changes something: a new certificate, a CA file, the right scheme. The next cycle tries again.
    Row(
        aiohttp.ClientConnectorCertificateError,
        "its certificate is refused: {0.certificate_error}; `tls:` under `registries:` may name a CA file",
        TlsFailed,
    ),
    Row(aiohttp.ClientConnectorSSLError, _PLAIN_HTTP, TlsFailed, _NO_TLS),
    Row(aiohttp.ClientConnectorSSLError, "no TLS in common with it ({reason})", TlsFailed, _NOTHING_IN_COMMON),
    Row(aiohttp.ClientConnectorSSLError, "the TLS handshake broke off"),  # a server that restarts does that
    Row(aiohttp.ClientConnectorDNSError, "no such host"),  # also what a resolver says that is down
    Row(aiohttp.ClientHttpProxyError, "the proxy answered {0.status}"),
    Row(aiohttp.ClientConnectorError, "cannot connect: {0.strerror}"),
    Row(aiohttp.ServerDisconnectedError, "the connection was closed without an answer"),
    Row(aiohttp.ClientPayloadError, "the answer was cut off"),
    Row(aiohttp.ClientResponseError, _TLS, TlsFailed, says=r"b'\x15\x03"),  # an alert of TLS, answered to plain HTTP
    Row(aiohttp.ClientResponseError, "what it answers is no HTTP"),
    Row(Exception, "the connection failed ({0.__class__.__name__})"),
)


def meaning(error: Exception) -> tuple[type[TlsFailed] | type[Unreachable], str]:
    """The error of ours that aiohttp's means, and what went wrong in words of our own."""
    reason = _tls_reason(error)
    row = next(row for row in TABLE if row.fits(error, reason))
    return row.error, row.text.format(error, reason=reason)


def _tls_reason(error: Exception) -> str | None:
    """OpenSSL's name for what went wrong; None: it has none."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    reason = getattr(cause, "reason", None)  # only those that OpenSSL raised itself have one
    return reason if isinstance(reason, str) else None
