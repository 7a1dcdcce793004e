"""Walking a web API that pages by number, and what to do when it gives up."""

import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from ferryman.discovery.base import Page, UpstreamTag
from ferryman.discovery.listers.oci import OciLister
from ferryman.errors import Denied, NotFound, TlsFailed, Unreachable, Unsupported, WrongContent
from ferryman.reference import Repository
from ferryman.registry.bounds import Bounds

Ask = Callable[[int], Awaitable[tuple[Sequence[UpstreamTag], bool]]]  # page number, from 1 -> its tags, are there more

_GIVEN_UP = (Denied, NotFound, TlsFailed, Unreachable, Unsupported, WrongContent)


async def api_pages(ask: Ask, names: OciLister, repository: Repository, bounds: Bounds) -> AsyncGenerator[Page, None]:
    """Yield an API's pages, and go on with the plain list of names where the API gives up.

    It gives up by refusing (401, or 403 at depth), by not answering, by answering nonsense, or by
    repeating itself. A limit or a refused login is not giving up: those are raised, and so are too many tags.
    """
    seen: set[str] = set()
    for number in itertools.count(1):
        try:
            bounds.page()
            tags, more = await ask(number)
        except _GIVEN_UP:
            break
        page = _unseen(tags, seen)
        bounds.count(len(page.tags))
        if more and not page.tags:
            break
        yield page
        if not more:
            return
    async for rest in names.pages(repository):
        yield Page(_unseen(rest.tags, seen).tags)


def entries(answer: Any, key: str) -> list[dict[str, Any]]:
    """The objects under `key`; what is no object is left out. Raises WrongContent where there is no list."""
    found = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise WrongContent(f"the tag API's answer has no list of {key}")
    return [entry for entry in found if isinstance(entry, dict)]


def _unseen(tags: Sequence[UpstreamTag], seen: set[str]) -> Page:
    """Offsets shift while somebody pushes, so that tags come again: the first one is the newest."""
    fresh = {tag.name: tag for tag in reversed(tags) if tag.name not in seen}
    seen.update(fresh)
    kept = list(reversed(fresh.values()))
    return Page(kept, newest_first=_is_newest_first(kept))


def _is_newest_first(tags: Sequence[UpstreamTag]) -> bool:
    """Whether the API's own order is what it is known for: this was seen to be turned round."""
    times = [tag.pushed_at for tag in tags if tag.pushed_at]
    return bool(times) and times[0] >= times[-1]
