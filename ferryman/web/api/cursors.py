"""Cursors: where a page of a list begins. Opaque to the client, which passes on what it was given."""

import base64
import binascii
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema, from_json

_LONGEST = 300  # characters


def encode(key: tuple[object, ...]) -> str:
    """The cursor of the place behind the entry with this sort key."""
    text = TypeAdapter(tuple[Any, ...]).dump_json(key)
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


class Cursor:
    """Marks a parameter, a tuple, as a sort key that comes as a cursor: `Annotated[tuple[int], Cursor()]`."""

    def __get_pydantic_core_schema__(self, key: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_decode, handler(key))

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "cursor", "maxLength": _LONGEST}


def _decode(cursor: object) -> object:
    """Raises ValueError for what `encode` did not make."""
    text = str(cursor)
    if len(text) <= _LONGEST:
        try:
            content = from_json(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        except (binascii.Error, ValueError):
            content = None
        if isinstance(content, list):
            return tuple(content)
    raise ValueError("is not a cursor of this list")
