"""Read what a stranger has written: JSON and base64, whose mistakes make a signature unfit."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from ferryman.signatures.unfit import Unfit


def decode_base64(text: object, *, url: bool = False) -> bytes:
    """Strict base64; `url`: the alphabet for URLs, without padding. Raises Unfit."""
    if not isinstance(text, str):
        raise Unfit("a part of it is missing")
    try:
        if not url:
            return base64.b64decode(text, validate=True)
        if "=" in text or "+" in text or "/" in text:
            raise Unfit("it is no base64 for URLs")
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Unfit("it is no base64") from None


def parse_json(body: bytes, what: str) -> dict[str, Any]:
    """A JSON object. A repeated key is refused: readers differ in which one counts. Raises Unfit."""
    try:
        document = json.loads(body, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError):
        raise Unfit(f"{what} is no valid JSON") from None
    if not isinstance(document, dict):
        raise Unfit(f"{what} is no JSON object")
    return document


def at(document: object, *path: str) -> Any:
    """The value at `path`; None where there is none."""
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a key is repeated")
    return document
