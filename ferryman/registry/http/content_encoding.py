"""Documents that were packed on their way (`Content-Encoding`), although they were asked for as they are."""

import zlib

_KNOWN = frozenset({"gzip", "x-gzip", "deflate"})
_ANY_HEADER = 32 + zlib.MAX_WBITS  # gzip's or zlib's
_GZIP = b"\x1f\x8b"


def encodings(header: str | None) -> list[str]:
    """What a Content-Encoding says was done, in that order."""
    names = [name.strip().lower() for name in (header or "").split(",")]
    return [name for name in names if name not in {"", "identity"}]


def unpack(body: bytes, encoding: str, *, limit: int) -> bytes:
    """Undo one encoding; what is not packed at all, whatever its header says, stays as it is.

    Gives at most one byte more than `limit`. Raises ValueError, with a phrase, for what cannot be unpacked.
    """
    if encoding not in _KNOWN:
        raise ValueError(f"is packed by {encoding[:20]!r}, although it was asked for as it is")
    try:
        return _inflated(body, _ANY_HEADER, limit)
    except zlib.error:
        if encoding != "deflate":
            if not body.startswith(_GZIP):
                return body
            raise ValueError("cannot be unpacked") from None
    try:
        return _inflated(body, -zlib.MAX_WBITS, limit)  # deflate without a header, as some have it
    except zlib.error:
        return body


def _inflated(body: bytes, window: int, limit: int) -> bytes:
    whole = bytearray()
    while body and len(whole) <= limit:  # gzip may consist of several members
        engine = zlib.decompressobj(window)
        whole += engine.decompress(body, limit + 1 - len(whole))
        if not engine.eof and len(whole) <= limit:
            raise zlib.error("ends early")
        body = engine.unused_data if window == _ANY_HEADER else b""
    return bytes(whole)
