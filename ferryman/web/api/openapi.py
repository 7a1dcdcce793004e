"""The OpenAPI 3.1 document, made from the declared calls. It is committed as docs/openapi.json."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from ferryman import __version__
from ferryman.views.documents.base import Document
from ferryman.web.api.endpoints import PREFIX, Endpoint

Json = dict[str, Any]
_REFERENCES = "#/components/schemas/{model}"
_TOKENS = "FERRYMAN_TOKEN may act; FERRYMAN_READ_TOKEN may read. Without a token everybody on this machine reads."
_ETAG = "Of this answer: `If-None-Match` with it is answered by 304 as long as nothing has changed."
_DESCRIPTION = "What Ferryman's page shows and does. How to use it: docs/api.md."
_OF_ALL = {  # what any call may answer, too
    401: "No token, or a wrong one.",
    421: "The Host header names another host than FERRYMAN_HOSTS.",
    422: "A parameter is not what it should be; `errors` names each.",
    429: "Too many wrong tokens came from this address.",
    503: "The database cannot be used, or the answer took too long.",
}
_OF_ACTIONS = {403: "The token may read, but not act."}


class MistakeDocument(Document):
    """What is wrong with one parameter."""

    place: str = Field(description="`path`, `query` or `body`.")
    name: str = Field(description="The parameter's name; of the body: the key, or empty for the whole of it.")
    detail: str = Field(description="What is wrong with it.")


class ProblemDocument(Document):
    """Why a call was refused (RFC 9457)."""

    type: str = Field(description="`about:blank`: the status says it all.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The status of the response.")
    detail: str = Field(description="What is wrong, in a sentence.")
    instance: str = Field(description="The path that was asked for.")
    errors: list[MistakeDocument] = Field(default=[], description="With status 422: every mistake.")


def openapi(endpoints: Sequence[Endpoint], events: Mapping[str, type[Document]]) -> Json:
    """The document. `events`: what the event stream sends, by the names there."""
    answers = [each.answer for each in endpoints if each.answer is not None]
    bodies = [each.body for each in endpoints if each.body is not None]
    paths: Json = {}
    for endpoint in endpoints:
        paths.setdefault(f"{PREFIX}{endpoint.path}", {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Ferryman", "version": __version__, "description": _DESCRIPTION},
        "paths": paths,
        "components": {
            "responses": {str(status): _problem(text) for status, text in (_OF_ALL | _OF_ACTIONS).items()},
            "schemas": _schemas([*answers, *events.values(), ProblemDocument], bodies),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": _TOKENS}},
        },
        "security": [{"token": []}],
        "x-events": {name: _reference(model) for name, model in events.items()},
    }


def as_file(document: Json) -> str:
    """The document as the text of docs/openapi.json."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _operation(endpoint: Endpoint) -> Json:
    operation: Json = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "tags": [endpoint.path.split("/")[1]],
        "parameters": list(_parameters(endpoint)),
        "responses": {str(endpoint.status): _answer(endpoint), **_problems(endpoint)},
    }
    if endpoint.description:
        operation["description"] = endpoint.description
    if endpoint.body is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": _reference(endpoint.body)}}}
    return operation


def _parameters(endpoint: Endpoint) -> Iterator[Json]:
    schema = endpoint.parameters.model_json_schema()
    for name, found in schema["properties"].items():
        place = "path" if name in endpoint.path_names else "query"
        description = found.pop("description", "")
        yield {
            "name": name, "in": place, "required": name in schema.get("required", ()),
            "description": description, "schema": _given(found),
        }  # fmt: skip


def _given(schema: Json) -> Json:
    """The schema of a parameter that is given: one that may be left out is `null` in its model."""
    kinds = [each for each in schema.pop("anyOf", ()) if each != {"type": "null"}]
    found = {**schema, **(kinds[0] if kinds else {})}
    return {key: value for key, value in found.items() if key != "title" and (key, value) != ("default", None)}


def _answer(endpoint: Endpoint) -> Json:
    if endpoint.answer is None:
        return {"description": "A stream of events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    described = {"description": endpoint.answer.__doc__, "content": _content(endpoint.answer)}
    if endpoint.method == "GET":
        described["headers"] = {"ETag": {"description": _ETAG, "schema": {"type": "string"}}}
    return described


def _problems(endpoint: Endpoint) -> Json:
    of_all = _OF_ALL | (_OF_ACTIONS if endpoint.needs == "act" else {})
    found = {str(status): _shared(status) for status in of_all}
    found |= {str(status): _problem(description) for status, description in endpoint.problems.items()}
    if endpoint.method == "GET" and endpoint.answer is not None:
        found["304"] = {"description": "It is what If-None-Match names."}
    return dict(sorted(found.items()))


def _problem(description: str) -> Json:
    content = {"application/problem+json": {"schema": _reference(ProblemDocument)}}
    return {"description": description, "content": content}


def _shared(status: int) -> Json:
    return {"$ref": f"#/components/responses/{status}"}


def _content(model: type[BaseModel]) -> Json:
    return {"application/json": {"schema": _reference(model)}}


def _reference(model: type[BaseModel]) -> Json:
    return {"$ref": _REFERENCES.format(model=model.__name__)}


def _schemas(answers: Sequence[type[Document]], bodies: Sequence[type[BaseModel]]) -> Json:
    """The schemas of these models, and of those that they contain, by name."""
    answered, sent = _definitions(answers, "serialization"), _definitions(bodies, "validation")
    for schema in answered.values():
        schema.pop("additionalProperties", None)  # keys will be added to what is answered
    schemas = answered | sent
    return {name: _untitled(schemas[name]) for name in sorted(schemas)}


def _definitions(models: Sequence[type[BaseModel]], mode: JsonSchemaMode) -> Json:
    _, found = models_json_schema([(model, mode) for model in dict.fromkeys(models)], ref_template=_REFERENCES)
    definitions: Json = found.get("$defs", {})
    return definitions


def _untitled(schema: Any) -> Any:
    """Without pydantic's titles, which say the names once more."""
    if isinstance(schema, list):
        return [_untitled(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _untitled(value) for name, value in schema.items() if name != "title" or not isinstance(value, str)}
