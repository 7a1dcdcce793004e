"""TCP proxies that add latency to servers on loopback: `python -m benchmarks.delay MILLISECONDS PORT:SERVER_PORT…`.

Every byte is delayed by that many milliseconds in each direction; opening a connection takes one round trip, as TCP's
handshake does. Bandwidth is not limited.
"""

import asyncio
import sys
from contextlib import suppress

_READ = 256 * 1024
_Piece = tuple[float, bytes]  # when it arrives


async def main(delay: float, ports: list[tuple[int, int]]) -> None:
    """Serve until stopped. `delay` in seconds, one way."""
    servers = [await _proxy(delay, port, server_port) for port, server_port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def _proxy(delay: float, port: int, server_port: int) -> asyncio.Server:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * delay)
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", server_port)
        await asyncio.gather(_forward(reader, server_writer, delay), _forward(server_reader, writer, delay))

    return await asyncio.start_server(connected, "127.0.0.1", port, limit=_READ)


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    pieces: asyncio.Queue[_Piece] = asyncio.Queue()
    await asyncio.gather(_read(reader, pieces, delay), _write(pieces, writer))


async def _read(reader: asyncio.StreamReader, pieces: asyncio.Queue[_Piece], delay: float) -> None:
    loop, piece = asyncio.get_running_loop(), b"not empty"
    while piece:
        try:
            piece = await reader.read(_READ)
        except OSError:
            piece = b""
        await pieces.put((loop.time() + delay, piece))


async def _write(pieces: asyncio.Queue[_Piece], writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    with suppress(OSError):  # the receiver has closed the connection
        while True:
            arrives, piece = await pieces.get()
            await asyncio.sleep(arrives - loop.time())
            if not piece:
                break
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
    writer.close()


if __name__ == "__main__":
    milliseconds, *pairs = sys.argv[1:]
    with suppress(KeyboardInterrupt):
        ports = [(int(port), int(server_port)) for port, _, server_port in (pair.partition(":") for pair in pairs)]
        asyncio.run(main(float(milliseconds) / 1000, ports))
