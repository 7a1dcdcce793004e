"""A wire of some length before servers on loopback: `python -m benchmarks.delay MILLISECONDS PORT:SERVER_PORT…`.

Every byte arrives so many milliseconds later, each way; a connection takes one round trip to be made, as by TCP's
handshake. Bandwidth is not limited.
"""

import asyncio
import sys
from contextlib import suppress

_READ = 256 * 1024
_Piece = tuple[float, bytes]  # when it arrives


async def main(delay: float, ports: list[tuple[int, int]]) -> None:
    """Serve until stopped. `delay` in seconds, one way."""
    servers = [await _wire(delay, port, behind) for port, behind in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def _wire(delay: float, port: int, behind: int) -> asyncio.Server:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * delay)
        there, back = await asyncio.open_connection("127.0.0.1", behind)
        await asyncio.gather(_carry(reader, back, delay), _carry(there, writer, delay))

    return await asyncio.start_server(connected, "127.0.0.1", port, limit=_READ)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    pieces: asyncio.Queue[_Piece] = asyncio.Queue()
    await asyncio.gather(_take(reader, pieces, delay), _give(pieces, writer))


async def _take(reader: asyncio.StreamReader, pieces: asyncio.Queue[_Piece], delay: float) -> None:
    loop, piece = asyncio.get_running_loop(), b"something"
    while piece:
        try:
            piece = await reader.read(_READ)
        except OSError:
            piece = b""
        await pieces.put((loop.time() + delay, piece))


async def _give(pieces: asyncio.Queue[_Piece], writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    with suppress(OSError):  # whoever went away needs no more
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
        wires = [(int(port), int(behind)) for port, _, behind in (pair.partition(":") for pair in pairs)]
        asyncio.run(main(float(milliseconds) / 1000, wires))
