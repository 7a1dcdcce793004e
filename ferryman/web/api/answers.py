"""Answers of the API: JSON with a strong entity tag, so that who has it already is told no more than that."""

import hashlib

from aiohttp import web

from ferryman.store.queries.pages import InvalidCursor
from ferryman.web.api.endpoints import PREFIX, Endpoint
from ferryman.web.api.parameters import read_body, read_parameters
from ferryman.web.api.problems import Invalid, Mistake
from ferryman.web.routing import Handler, Route


def route(endpoint: Endpoint) -> Route:
    """The address of a call, for the server."""
    return Route(
        endpoint.method, f"{PREFIX}{endpoint.path}", _handler(endpoint), needs=endpoint.needs,
        endless=endpoint.answer is None,
    )  # fmt: skip


def _handler(endpoint: Endpoint) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        given: dict[str, object] = {"parameters": read_parameters(request, endpoint.parameters)}
        if endpoint.body is not None:
            given["body"] = await read_body(request, endpoint.body)
        taken = endpoint.call.__annotations__
        try:
            answer = await endpoint.call(request, **{name: value for name, value in given.items() if name in taken})
        except InvalidCursor as error:
            raise Invalid([Mistake("query", "cursor", str(error))]) from None
        if isinstance(answer, web.StreamResponse):
            return answer
        return as_json(request, answer.model_dump_json().encode(), status=endpoint.status)

    return handle


def as_json(request: web.Request, body: bytes, *, status: int = 200) -> web.Response:
    """This JSON, or 304 if the client has it already (RFC 9110, section 13.1.2)."""
    if request.method == "POST":
        return web.Response(body=body, status=status, content_type="application/json")
    tag = hashlib.sha256(body).hexdigest()[:32]
    headers = {"Cache-Control": "private, no-cache", "ETag": f'"{tag}"'}
    if any(each.value in {tag, "*"} for each in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)
