"""Lists that come a page at a time."""

from collections.abc import Callable, Sequence
from typing import Annotated, Generic, Protocol, Self, TypeVar, cast

from aiohttp import web
from pydantic import Field

from ferryman.store.queries import pages
from ferryman.views.documents.base import Document
from ferryman.web.api.endpoints import Parameters
from ferryman.web.api.parameters import DIGITS
from ferryman.web.routing import BASE_PATH, url

_MOST = 200
_USUAL = 100
_LONGEST_CURSOR = 300  # characters
_Entry = TypeVar("_Entry", bound=Document)
_Row = TypeVar("_Row")


class _Identified(Protocol):
    @property
    def id(self) -> int: ...


_Numbered = TypeVar("_Numbered", bound=_Identified)


class Paged(Parameters):
    """The parameters of a list."""

    limit: Annotated[int, Field(ge=1, le=_MOST), DIGITS] = Field(_USUAL, description="Entries of a page.")
    cursor: str | None = Field(
        None,
        max_length=_LONGEST_CURSOR,
        description="Where the page begins: take `next` of the page before as it is.",
        json_schema_extra={"format": "cursor"},
    )


class Page(Document, Generic[_Entry]):
    """One page of a list."""

    entries: list[_Entry] = Field(description="What the page holds.")
    next: str | None = Field(description="The path and query of the next page; null: this is the last one.")

    @classmethod
    def of(cls, request: web.Request, page: pages.Page[_Row], document: Callable[[_Row], _Entry]) -> Self:
        """The document of a page."""
        following = None if page.next is None else _path(request, page.next)
        return cls(entries=[document(row) for row in page.rows], next=following)


def number_of(cursor: str | None) -> int | None:
    """The key of a list that is sorted by one number. Raises InvalidCursor."""
    if cursor is None:
        return None
    (number,) = pages.decode_cursor(cursor, int)
    return cast("int", number)


def by_id(rows: Sequence[_Numbered], size: int) -> pages.Page[_Numbered]:
    """A page of a list that is sorted by its ids. `rows`: one more than the page has, if it is not the last."""
    return pages.page_of(rows, size, [(row.id,) for row in rows])


def _path(request: web.Request, cursor: str) -> str:
    """Below FERRYMAN_BASE_PATH, also behind a proxy that takes it off."""
    path = request.rel_url.raw_path.removeprefix(request.app[BASE_PATH])
    query = request.rel_url.update_query(cursor=cursor).raw_query_string
    return f"{url(request, path)}?{query}"
