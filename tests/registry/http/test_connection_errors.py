"""Connection errors: the table row by row, and real connections."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from ferryman.errors import TlsFailed, TransferError, Unreachable
from ferryman.reference import Repository
from ferryman.registry.http.connection_errors import TABLE, meaning
from ferryman.registry_options import RegistryOptions
from tests.registry.conftest import Connect
from tests.support.faulty import Faulty

KEY = ConnectionKey("r.example", 443, True, True, None, None, None, None)


def tls(reason: str) -> aiohttp.ClientConnectorSSLError:
    cause = ssl.SSLError(1, f"[SSL: {reason}]")
    cause.reason = reason
    return aiohttp.ClientConnectorSSLError(KEY, cause)


def answered(kind: Any, message: str = "") -> Exception:
    made: Exception = kind(None, (), status=502, message=message)
    return made


# One for each line, in the table's order.
LINES: list[tuple[Callable[[], Exception], type[TransferError], str]] = [
    (TimeoutError, Unreachable, "in time"),
    (lambda: aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLError(1, "expired")), TlsFailed, "expired"),
    (lambda: tls("WRONG_VERSION_NUMBER"), TlsFailed, "`tls: false`"),
    (lambda: tls("UNSUPPORTED_PROTOCOL"), TlsFailed, "in common with it (UNSUPPORTED_PROTOCOL)"),
    (lambda: tls("UNEXPECTED_EOF_WHILE_READING"), Unreachable, "broke off"),
    (lambda: aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "unknown")), Unreachable, "no such host"),
    (lambda: answered(aiohttp.ClientHttpProxyError), Unreachable, "the proxy answered 502"),
    (lambda: aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), Unreachable, "cannot connect: refused"),
    (aiohttp.ServerDisconnectedError, Unreachable, "without an answer"),
    (aiohttp.ClientPayloadError, Unreachable, "cut off"),
    (
        lambda: answered(aiohttp.ClientResponseError, message=r"Bad status line: b'\x15\x03\x01'"),
        TlsFailed,
        "speaks TLS",
    ),
    (lambda: answered(aiohttp.ClientResponseError), Unreachable, "no HTTP"),
    (lambda: ConnectionResetError(104, "reset"), Unreachable, "ConnectionResetError"),
]


def test_every_row_of_the_table_is_tested() -> None:
    assert [row.error for row in TABLE] == [error for _, error, _ in LINES]


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_row(number: int) -> None:
    make, error, text = LINES[number]
    kind, phrase = meaning(make())
    assert (kind, text in phrase) == (error, True)


@pytest.fixture
def unsigned(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """What a server shows that nobody has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@asynccontextmanager
async def listening(context: ssl.SSLContext | None) -> AsyncIterator[str]:
    """Closes every connection; its address."""

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def failure(connect: Connect, host: str) -> TransferError:
    client = connect(hosts={host: RegistryOptions(tls=True)})
    with pytest.raises(TransferError) as raised:
        await client.head_manifest(Repository(host, "a/b").tagged("1"))
    return raised.value


async def test_an_untrusted_certificate_is_not_retried(unsigned: ssl.SSLContext, connect: Connect) -> None:
    async with listening(unsigned) as host:
        error = await failure(connect, host)
    assert (error.kind, error.temporary, error.registry) == ("tls", False, host)
    assert "its certificate is refused" in str(error)


async def test_tls_to_a_plain_server_is_not_retried(faulty: Faulty, connect: Connect) -> None:
    error = await failure(connect, faulty.host)
    assert (error.kind, error.temporary) == ("tls", False)
    assert faulty.asked == []


async def test_plain_http_to_a_tls_server_is_not_retried(connect: Connect) -> None:
    async def alert(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"\x15\x03\x01\x00\x02\x02\x46")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(alert, "127.0.0.1", 0)
    async with server:
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(TlsFailed, match="`tls: true`"):
            await connect().head_manifest(Repository(host, "a/b").tagged("1"))


async def test_a_broken_handshake_is_temporary(connect: Connect) -> None:
    async with listening(None) as host:
        assert (await failure(connect, host)).temporary


async def test_an_unknown_name_is_temporary(connect: Connect) -> None:
    error = await failure(connect, "registry.invalid")
    assert (type(error), "no such host" in str(error)) == (Unreachable, True)
