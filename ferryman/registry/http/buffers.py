"""Buffers that bodies are received into, used again: a new one is cleared first, page by page."""

SIZE = 512 * 1024  # bytes: what is received while the piece before it is hashed and sent
_KEPT = 32  # buffers, the most that wait for a user


class Buffers:
    """The buffers of all bodies. One that was read is given out again as soon as nobody has a view of it."""

    def __init__(self) -> None:
        self._returned: list[bytearray] = []

    def take(self) -> bytearray:
        """The buffer that was returned last, for the processor's cache still has it; a new one if all are in use."""
        for at in reversed(range(len(self._returned))):
            if _is_free(self._returned[at]):
                return self._returned.pop(at)
        return bytearray(SIZE)

    def give_back(self, buffer: bytearray) -> None:
        """Return a buffer, of which views may be left.

        Since Python 3.12 a transport keeps views of what it could not send at once, and a reader may keep some.
        """
        self._returned.append(buffer)
        del self._returned[:-_KEPT]


def _is_free(buffer: bytearray) -> bool:
    try:
        buffer.append(buffer.pop())  # refused while there is a view of it
    except BufferError:
        return False
    return True
