"""A repository's list, read ahead: its first pages tell whether anything is new, and a walk begins with them."""

import marshal
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b

from ferryman.discovery.base import Page, TagLister, UpstreamTag
from ferryman.reference import Repository


@dataclass(frozen=True, slots=True)
class ListState:
    """The first pages of a list. Two of them are equal if a walk would find the same in them."""

    pages: int
    complete: bool  # those are all
    fingerprint: str


class ListReader:
    """A lister of one repository, for one walk."""

    def __init__(self, pages: AsyncGenerator[Page, None]) -> None:
        self.may_end_early = False  # a walk may do without the rest of the list, because the newest tags come first
        self._pages = pages
        self._ended = False
        self._ahead: deque[Page] = deque()  # those that were read, and not given to the walk yet
        self._walked = 0  # number of pages given to it
        self._hash = blake2b(digest_size=16)  # of these

    async def read(self, pages: int, *, complete: bool) -> ListState:
        """Read so many pages before the walk does; `complete`: and see whether those are all. Raises TransferError."""
        while len(self._ahead) < pages + complete and await self._read_next():
            pass
        found = blake2b(digest_size=16)
        for page in self._ahead:
            found.update(_content(page))
        return ListState(len(self._ahead), complete and self._ended, found.hexdigest())

    async def pages(self, repository: Repository) -> AsyncGenerator[Page, None]:
        """As a TagLister."""
        while self._ahead or await self._read_next():
            page = self._ahead.popleft()
            self.may_end_early = page.newest_first if not self._walked else self.may_end_early
            self._walked += 1
            self._hash.update(_content(page))
            yield page

    def walked(self, *, complete: bool) -> ListState:
        """What the walk has read. `complete`: it went to the end."""
        return ListState(self._walked, complete, self._hash.hexdigest())

    async def _read_next(self) -> bool:
        """Read a page. False: there is no further one."""
        page = None if self._ended else await anext(self._pages, None)
        if page is None:
            self._ended = True
            return False
        self._ahead.append(page)
        return True


@asynccontextmanager
async def reading(lister: TagLister, repository: Repository) -> AsyncIterator[ListReader]:
    """Read a repository's list; at the end no further page is requested."""
    async with aclosing(lister.pages(repository)) as pages:
        yield ListReader(pages)


def _content(page: Page) -> bytes:
    """Equal for equal pages."""
    # Much quicker than repr. Its later formats also tell which strings are interned, or the same object.
    return marshal.dumps((page.newest_first, [_values(tag) for tag in page.tags]), 2)


def _values(tag: UpstreamTag) -> tuple[object, ...]:
    platforms = tag.platforms and [(str(platform), digest) for platform, digest in tag.platforms.items()]
    return tag.name, tag.digest, tag.pushed_at and tag.pushed_at.timestamp(), platforms
