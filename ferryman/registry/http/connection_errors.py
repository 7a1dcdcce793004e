"""Maps connection errors of aiohttp to errors of ours: one table. Most are temporary; certificate errors are not."""

from dataclasses import dataclass

import aiohttp

from ferryman.errors import TlsFailed, Unreachable

_PLAIN_HTTP = "no TLS there; if it speaks plain HTTP, set `tls: false` for it under `registries:`"
_TLS = "it speaks TLS; set `tls: true` for it under `registries:`"
# OpenSSL's reasons for a server without TLS, and for one without a common version or cipher.
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
    """One row of the table; the first that fits counts."""

    exception: type[Exception]
    text: str  # a format string; {0} is the exception
    error: type[TlsFailed] | type[Unreachable] = Unreachable
    tls: frozenset[str] = frozenset()  # only for these OpenSSL reasons
    says: str = ""  # only if the exception's message contains this

    def fits(self, error: Exception, reason: str | None) -> bool:
        """Whether the row is for this error; `reason`: of OpenSSL."""
        if not isinstance(error, self.exception) or (self.tls and reason not in self.tls):
            return False
        return self.says in str(getattr(error, "message", ""))


TABLE = (
    Row(TimeoutError, "no answer in time"),
    # Permanent: somebody has to change the certificate, the CA file or the scheme. The next cycle tries again.
    Row(
        aiohttp.ClientConnectorCertificateError,
        "its certificate is refused: {0.certificate_error}; `tls:` under `registries:` may name a CA file",
        TlsFailed,
    ),
    Row(aiohttp.ClientConnectorSSLError, _PLAIN_HTTP, TlsFailed, _NO_TLS),
    Row(aiohttp.ClientConnectorSSLError, "no TLS in common with it ({reason})", TlsFailed, _NOTHING_IN_COMMON),
    Row(aiohttp.ClientConnectorSSLError, "the TLS handshake broke off"),  # a restarting server does that
    Row(aiohttp.ClientConnectorDNSError, "no such host"),  # also the error of a failing resolver
    Row(aiohttp.ClientHttpProxyError, "the proxy answered {0.status}"),
    Row(aiohttp.ClientConnectorError, "cannot connect: {0.strerror}"),
    Row(aiohttp.ServerDisconnectedError, "the connection was closed without an answer"),
    Row(aiohttp.ClientPayloadError, "the answer was cut off"),
    Row(aiohttp.ClientResponseError, _TLS, TlsFailed, says=r"b'\x15\x03"),  # a TLS alert in answer to plain HTTP
    Row(aiohttp.ClientResponseError, "its answer is no HTTP"),
    Row(Exception, "the connection failed ({0.__class__.__name__})"),
)


def meaning(error: Exception) -> tuple[type[TlsFailed] | type[Unreachable], str]:
    """The error class for an aiohttp error, and a phrase for the message."""
    reason = _tls_reason(error)
    row = next(row for row in TABLE if row.fits(error, reason))
    return row.error, row.text.format(error, reason=reason)


def _tls_reason(error: Exception) -> str | None:
    """The reason of an OpenSSL error; None for other errors."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    reason = getattr(cause, "reason", None)  # only errors raised by OpenSSL itself have one
    return reason if isinstance(reason, str) else None
