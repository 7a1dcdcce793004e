"""TCP proxies that add latency to servers on loopback, and limit the rate.

`python -m benchmarks.delay MILLISECONDS MBIT_PER_SECOND PORT:SERVER_PORT...`

Every byte is delayed by that many milliseconds in each direction; opening a connection takes one round trip, as TCP's
handshake does. The rate is that of a server's line, in each direction, for all its connections together; 0: unlimited.
"""

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass

_READ = 256 * 1024
_READ_LIMITED = 16 * 1024  # so that connections share a line evenly
_QUEUE = 0.05  # seconds of traffic that may wait for the line: without it, the line would be idle between two pieces
_Piece = tuple[float, bytes]  # when it arrives


@dataclass(slots=True)
class _Line:
    """One direction of the line of a server."""

    rate: float  # bytes per second; 0: unlimited
    free: float = 0.0  # when all that was sent before has left

    def send(self, size: int, now: float) -> float:
        """When the last of these bytes has left, behind what other connections have sent."""
        if self.rate:
            self.free = max(self.free, now) + size / self.rate
            return self.free
        return now


async def main(delay: float, rate: float, ports: list[tuple[int, int]]) -> None:
    """Serve until stopped. `delay` in seconds, one way; `rate` in bytes per second."""
    servers = [await _proxy(delay, rate, port, server_port) for port, server_port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def _proxy(delay: float, rate: float, port: int, server_port: int) -> asyncio.Server:
    to_server, from_server = _Line(rate), _Line(rate)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * delay)
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", server_port)
        await asyncio.gather(
            _forward(reader, server_writer, delay, to_server), _forward(server_reader, writer, delay, from_server)
        )

    return await asyncio.start_server(connected, "127.0.0.1", port, limit=_READ)


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float, line: _Line) -> None:
    pieces: asyncio.Queue[_Piece] = asyncio.Queue()
    await asyncio.gather(_read(reader, pieces, delay, line), _write(pieces, writer))


async def _read(reader: asyncio.StreamReader, pieces: asyncio.Queue[_Piece], delay: float, line: _Line) -> None:
    loop, piece = asyncio.get_running_loop(), b"not empty"
    while piece:
        try:
            piece = await reader.read(_READ_LIMITED if line.rate else _READ)
        except OSError:
            piece = b""
        left = line.send(len(piece), loop.time())
        await pieces.put((left + delay, piece))
        if line.rate:  # the sender has to wait, or all that it has would be here
            await asyncio.sleep(left - _QUEUE - loop.time())


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
    milliseconds, megabits, *pairs = sys.argv[1:]
    with suppress(KeyboardInterrupt):
        ports = [(int(port), int(server_port)) for port, _, server_port in (pair.partition(":") for pair in pairs)]
        asyncio.run(main(float(milliseconds) / 1000, float(megabits) * 1e6 / 8, ports))
