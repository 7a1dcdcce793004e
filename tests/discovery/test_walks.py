"""Walks over any history of a repository: a short walk must lead to the same selection as a complete one."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from datetime import timedelta
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from ferryman.discovery.base import Page, UpstreamTag
from ferryman.discovery.survey import Survey, survey
from ferryman.items.model import Rules
from ferryman.planner import RuleSelector
from ferryman.platforms import Platform
from ferryman.reference import Repository, keep_tag
from ferryman.registry.client import RegistryClient
from tests.discovery.support import NGINX
from tests.support.upstreams import NOON, made_up_digest

NOBODY = cast("RegistryClient", None)  # these lists are complete, so no request is sent


class Shelf:
    """A repository in memory, listed newest first, a few tags a page."""

    def __init__(self, page_size: int) -> None:
        self.tags: dict[str, UpstreamTag] = {}
        self._page_size = page_size
        self._now = NOON

    def push(self, name: str, content: int) -> None:
        self._now += timedelta(minutes=1)
        self.tags[name] = UpstreamTag(name, made_up_digest(f"{name}{content}"), self._now)

    async def pages(self, repository: Repository) -> AsyncGenerator[Page, None]:
        newest_first = sorted(self.tags.values(), key=lambda tag: str(tag.pushed_at), reverse=True)
        for start in range(0, len(newest_first), self._page_size):
            yield Page(newest_first[start : start + self._page_size], newest_first=True)


def look(shelf: Shelf, known: dict[str, UpstreamTag], selector: RuleSelector, *, complete: bool = False) -> Survey:
    return asyncio.run(
        survey(lister=shelf, client=NOBODY, repository=NGINX, known=known, selector=selector, complete=complete)
    )


def replay(
    history: list[list[tuple[str, int]]], shelf: Shelf, selector: RuleSelector
) -> Iterator[dict[str, UpstreamTag]]:
    """Push the tags of each round, then look at them. Yields the known tags after each look."""
    known: dict[str, UpstreamTag] = {}
    for pushed in history:
        for name, content in pushed:
            shelf.push(name, content)
        known = {tag.name: tag for tag in look(shelf, known, selector).tags}
        yield known


names = st.sampled_from([f"{kind}{number}" for kind in "ab" for number in range(8)])
pushes = st.lists(st.tuples(names, st.integers(0, 1)), max_size=12)
histories = st.lists(pushes, min_size=1, max_size=6)
rules = st.builds(
    Rules,
    limit=st.sampled_from([0, 1, 3, 9999]),
    exclude=st.sampled_from([(), (re.compile("a.*"),)]),
    pin=st.sampled_from([(), (re.compile("a[12]"),)]),
    order=st.sampled_from(["newest", "version", "name"]),
)


@given(histories, rules, st.integers(1, 4))
def test_short_walks_select_what_complete_ones_would(
    history: list[list[tuple[str, int]]], by: Rules, page_size: int
) -> None:
    shelf, selector = Shelf(page_size), RuleSelector(by, None, Platform.parse("linux/amd64"))
    for known in replay(history, shelf, selector):
        assert selector.select(known.values()) == selector.select(shelf.tags.values())


@given(histories, st.lists(names, max_size=8), rules, st.integers(1, 4))
def test_a_complete_walk_corrects_everything(
    history: list[list[tuple[str, int]]], deleted: list[str], by: Rules, page_size: int
) -> None:
    shelf, selector = Shelf(page_size), RuleSelector(by, None, Platform.parse("linux/amd64"))
    *_, known = {}, *replay(history, shelf, selector)
    for name in deleted:
        shelf.tags.pop(name, None)
    found = look(shelf, known, selector, complete=True)
    assert {tag.name: tag for tag in found.tags} == shelf.tags
    assert found.gone == known.keys() - shelf.tags.keys()
    assert found.seen == shelf.tags.keys()


def test_what_another_ferryman_keeps_is_nobody_s_to_mirror() -> None:
    shelf = Shelf(page_size=2)
    for name in ("1", keep_tag(made_up_digest("old")), "2"):
        shelf.push(name, 1)
    selector = RuleSelector(Rules(), None, Platform("linux", "amd64"))

    found = look(shelf, {}, selector)

    assert {tag.name for tag in found.tags} == {"1", "2"} == found.seen
