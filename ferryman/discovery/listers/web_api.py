"""Walks a tag API with numbered pages, and falls back to the plain list of names."""

import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from ferryman.discovery.base import Page, UpstreamTag
from ferryman.discovery.listers.oci import OciLister
from ferryman.errors import Denied, NotFound, TlsFailed, Unreachable, Unsupported, WrongContent
from ferryman.reference import Repository
from ferryman.registry.bounds import Bounds

FetchPage = Callable[[int], Awaitable[tuple[Sequence[UpstreamTag], bool]]]  # page from 1 -> its tags, has more pages

_API_FAILURES = (Denied, NotFound, TlsFailed, Unreachable, Unsupported, WrongContent)


async def api_pages(
    fetch: FetchPage, names: OciLister, repository: Repository, bounds: Bounds
) -> AsyncGenerator[Page, None]:
    """Yield an API's pages. If the API fails, continue with the plain list of names.

    Failures are a refusal (401, or 403 on late pages), no answer, an invalid answer, and repeated pages. A rate limit,
    a refused login and too many tags are raised.
    """
    seen: set[str] = set()
    for number in itertools.count(1):
        try:
            bounds.page()
            tags, more = await fetch(number)
        except _API_FAILURES:
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
    """The objects in the list `key`; other values are left out. Raises WrongContent if there is no list."""
    found = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(found, list):
        raise WrongContent(f"the tag API's answer has no list of {key}")
    return [entry for entry in found if isinstance(entry, dict)]


def _unseen(tags: Sequence[UpstreamTag], seen: set[str]) -> Page:
    """A page of the tags not seen yet. A push during the walk shifts the pages, so tags repeat: the first is newest."""
    fresh = {tag.name: tag for tag in reversed(tags) if tag.name not in seen}
    seen.update(fresh)
    kept = list(reversed(fresh.values()))
    return Page(kept, newest_first=_is_newest_first(kept))


def _is_newest_first(tags: Sequence[UpstreamTag]) -> bool:
    """Whether the tags are really sorted newest first: APIs were seen to reverse their order."""
    times = [tag.pushed_at for tag in tags if tag.pushed_at]
    return bool(times) and times[0] >= times[-1]
