"""How a call of the API is declared: once, for the server and for the OpenAPI document alike."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict

from ferryman.views.documents.base import Document
from ferryman.web.routing import Needs

PREFIX = "/api/v1"
# An async function (request, *, parameters, body), or without one of these: its annotations are the models.
Call = Callable[..., Awaitable[Any]]


class Parameters(BaseModel):
    """The parameters of a call, of its path and of its query together; these are none."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Body(BaseModel):
    """The JSON body of a call."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One call of the API."""

    method: Literal["GET", "POST"]
    path: str  # below PREFIX, with {parameters}
    needs: Needs
    call: Call
    parameters: type[Parameters]
    body: type[Body] | None
    answer: type[Document] | None  # None: an event stream
    status: int  # of an answer
    problems: Mapping[int, str] = field(default_factory=dict)  # beside those of all calls: status and when

    @property
    def name(self) -> str:
        """Its own name, for programs that are generated from the OpenAPI document."""
        return self.call.__name__

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        return _documentation(self.call)[0]

    @property
    def description(self) -> str:
        """More about it; may be empty."""
        return _documentation(self.call)[1]

    @property
    def path_names(self) -> list[str]:
        """The parameters of its path."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


def get(path: str, *, problems: Mapping[int, str] | None = None) -> Callable[[Call], Endpoint]:
    """Declare a call that reads. `problems`: what else it answers, and when."""
    return lambda call: _declared("GET", path, call, needs="read", problems=problems)


def post(path: str, *, status: int = 200, problems: Mapping[int, str] | None = None) -> Callable[[Call], Endpoint]:
    """Declare a call that acts, which needs the acting token."""
    return lambda call: _declared("POST", path, call, needs="act", status=status, problems=problems)


def _declared(
    method: Literal["GET", "POST"], path: str, call: Call, *,
    needs: Needs, problems: Mapping[int, str] | None, status: int = 200,
) -> Endpoint:  # fmt: skip
    models = get_type_hints(call)
    answer = models["return"]
    return Endpoint(
        method, path, needs, call, models.get("parameters", Parameters), models.get("body"),
        answer if issubclass(answer, Document) else None, status, problems or {},
    )  # fmt: skip


def _documentation(call: Call) -> tuple[str, str]:
    first, _, rest = inspect.cleandoc(call.__doc__ or "").partition("\n\n")
    return first, rest.replace("\n", " ").strip()
