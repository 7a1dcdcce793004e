"""Lists that come a page at a time."""

from collections.abc import Callable, Sequence
from typing import Annotated, Generic, Self, TypeVar

from aiohttp import web
from pydantic import Field

from ferryman.views.documents.base import Document
from ferryman.web.api.cursors import encode
from ferryman.web.api.endpoints import Parameters
from ferryman.web.api.parameters import Number
from ferryman.web.routing import BASE_PATH, url

_MOST = 500
_USUAL = 100
_Entry = TypeVar("_Entry", bound=Document)
_Row = TypeVar("_Row")


class Paged(Parameters):
    """The parameters of a list. A list adds `cursor`, of its own sort key."""

    limit: Annotated[Number, Field(ge=1, le=_MOST)] = Field(_USUAL, description="Entries of a page.")


class Page(Document, Generic[_Entry]):
    """One page of a list."""

    entries: list[_Entry] = Field(description="What the page holds.")
    next: str | None = Field(description="The path and query of the next page; null: this is the last one.")

    @classmethod
    def of(
        cls,
        request: web.Request,
        rows: Sequence[_Row],
        *,
        limit: int,
        document: Callable[[_Row], _Entry],
        key: Callable[[_Row], tuple[object, ...]],
    ) -> Self:
        """The page with the first `limit` rows. `rows`: one more, if there is a next page; `key`: a row's sort key."""
        shown = rows[:limit]
        following = key(shown[-1]) if len(rows) > limit else None
        return cls.listing(request, [document(row) for row in shown], following=following)

    @classmethod
    def listing(cls, request: web.Request, entries: list[_Entry], *, following: tuple[object, ...] | None) -> Self:
        """The page with these entries. `following`: the key behind which the next page begins; None: it is the last."""
        return cls(entries=entries, next=None if following is None else _path(request, encode(following)))


def _path(request: web.Request, cursor: str) -> str:
    """Below FERRYMAN_BASE_PATH, also behind a proxy that takes it off."""
    path = request.rel_url.raw_path.removeprefix(request.app[BASE_PATH])
    query = request.rel_url.update_query(cursor=cursor).raw_query_string
    return f"{url(request, path)}?{query}"
