"""Read a call's parameters and body as its models say, and name every mistake."""

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar, get_origin

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails

from ferryman.web.api.endpoints import Body, Parameters
from ferryman.web.api.problems import Invalid, Mistake, UnsupportedContent

# Characters. In a URL each may take twelve bytes, and aiohttp takes no longer one than 8 KiB.
_LONGEST_NAME = 255
_LONGEST_TEXT = 128
_MOST_DIGITS = 18
_M = TypeVar("_M", bound=BaseModel)


def _flag(value: object) -> object:
    """`true` or `false`: pydantic alone would also take `on`, `1` and `y`."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _number(value: object) -> object:
    """Decimal digits: pydantic alone would also take `1_000` and ` 7`."""
    if isinstance(value, str):
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
            raise ValueError("should be a number")
    return value


# Texts without NUL, which PostgreSQL cannot store.
Text = Annotated[str, Field(max_length=_LONGEST_TEXT, pattern=r"^[^\x00]*$")]
Name = Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME, pattern=r"^[^\x00]*$")]
# What `parse_moment` reads, as far as JSON Schema can say it.
_DATE_TIME, _AGO = {"type": "string", "format": "date-time"}, {"type": "string", "pattern": "^[1-9][0-9]{0,2}[dhm]$"}
Moment = Annotated[str, Field(max_length=_LONGEST_TEXT), WithJsonSchema({"anyOf": [_DATE_TIME, _AGO]})]
Flag = Annotated[bool, Field(strict=True), BeforeValidator(_flag)]
DIGITS = BeforeValidator(_number)  # of a number; after its limits: pydantic does not describe those that come later


def read_parameters(request: web.Request, model: type[Parameters]) -> Parameters:
    """The parameters of the path and of the query. Raises Invalid."""
    path = dict(request.match_info)
    lists = {name for name, field in model.model_fields.items() if get_origin(field.annotation) is list}
    query = {name: request.query.getall(name) for name in dict.fromkeys(request.query)}
    if twice := [name for name, values in query.items() if name in path or (len(values) > 1 and name not in lists)]:
        raise Invalid([Mistake("query", name, "is given twice") for name in twice])
    given = {name: values if name in lists else values[0] for name, values in query.items()}
    return _validated(lambda: model.model_validate({**given, **path}), lambda name: "path" if name in path else "query")


async def read_body(request: web.Request, model: type[Body]) -> Body:
    """The JSON body; none at all is an empty object. Raises Invalid and UnsupportedContent."""
    content = await request.read()
    if content and request.content_type != "application/json":
        raise UnsupportedContent
    return _validated(lambda: model.model_validate_json(content or b"{}"), lambda _: "body")


def _validated(validate: Callable[[], _M], place: Callable[[str], Literal["path", "query", "body"]]) -> _M:
    try:
        return validate()
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_input=False, include_context=False)
        raise Invalid([_mistake(each, place) for each in mistakes]) from None


def _mistake(error: ErrorDetails, place: Callable[[str], Literal["path", "query", "body"]]) -> Mistake:
    name = "/".join(str(part) for part in error["loc"])
    message = "is not known" if error["type"] == "extra_forbidden" else error["msg"].removeprefix("Value error, ")
    return Mistake(place(name), name, message)
