"""Decompresses answers with a `Content-Encoding`, which some servers send although `identity` was requested."""

import zlib

_KNOWN = frozenset({"gzip", "x-gzip", "deflate"})
_ANY_HEADER = 32 + zlib.MAX_WBITS  # gzip or zlib
_GZIP = b"\x1f\x8b"


def encodings(header: str | None) -> list[str]:
    """The encodings in a Content-Encoding header, in the order they were applied."""
    names = [name.strip().lower() for name in (header or "").split(",")]
    return [name for name in names if name not in {"", "identity"}]


def unpack(body: bytes, encoding: str, *, limit: int) -> bytes:
    """Undo one encoding; a body that is not compressed, despite its header, is returned unchanged.

    Returns at most one byte more than `limit`. Raises ValueError, with a phrase, for broken compressed data.
    """
    if encoding not in _KNOWN:
        raise ValueError(f"is compressed by {encoding[:20]!r}, although it was requested uncompressed")
    try:
        return _inflated(body, _ANY_HEADER, limit)
    except zlib.error:
        if encoding != "deflate":
            if not body.startswith(_GZIP):
                return body
            raise ValueError("cannot be decompressed") from None
    try:
        return _inflated(body, -zlib.MAX_WBITS, limit)  # some servers send deflate without the zlib header
    except zlib.error:
        return body


def _inflated(body: bytes, window: int, limit: int) -> bytes:
    whole = bytearray()
    while body and len(whole) <= limit:  # gzip data may have several members
        engine = zlib.decompressobj(window)
        whole += engine.decompress(body, limit + 1 - len(whole))
        if not engine.eof and len(whole) <= limit:
            raise zlib.error("ends early")
        body = engine.unused_data if window == _ANY_HEADER else b""
    return bytes(whole)
