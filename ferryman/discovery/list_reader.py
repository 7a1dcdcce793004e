"""A repository's list, read ahead: its first pages tell whether anything is new, and a walk begins with them."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from hashlib import blake2b

from ferryman.discovery.base import Page, TagLister, UpstreamTag
from ferryman.reference import Repository


class ListReader:
    """A lister of one repository, for one walk."""

    def __init__(self, pages: AsyncGenerator[Page, None]) -> None:
        self.page_count = 0  # that were read
        self.complete = False  # the list was read to its end
        self.may_end_early = False  # a walk may do without the rest of the list, because the newest tags come first
        self._pages = pages
        self._ahead: deque[Page] = deque()  # those that were read, and not given to the walk yet
        self._hash = blake2b(digest_size=16)

    @property
    def fingerprint(self) -> str:
        """Of the pages that were read, in their order."""
        return self._hash.hexdigest()

    async def read(self, number: int) -> None:
        """Read so many pages, as far as there are any. Raises TransferError."""
        while self.page_count < number and await self._read_next():
            pass

    async def pages(self, repository: Repository) -> AsyncGenerator[Page, None]:
        """As a TagLister."""
        while self._ahead or await self._read_next():
            yield self._ahead.popleft()

    async def _read_next(self) -> bool:
        """Read a page. False: there is no further one."""
        page = None if self.complete else await anext(self._pages, None)
        if page is None:
            self.complete = True
            return False
        if not self.page_count:
            self.may_end_early = page.newest_first
        self.page_count += 1
        self._ahead.append(page)
        self._hash.update(repr((page.newest_first, [_values(tag) for tag in page.tags])).encode())
        return True


@asynccontextmanager
async def reading(lister: TagLister, repository: Repository) -> AsyncIterator[ListReader]:
    """Read a repository's list; at the end no further page is requested."""
    async with aclosing(lister.pages(repository)) as pages:
        yield ListReader(pages)


def _values(tag: UpstreamTag) -> Iterable[object]:
    platforms = tag.platforms and [(str(platform), digest) for platform, digest in tag.platforms.items()]
    return tag.name, tag.digest, tag.pushed_at and tag.pushed_at.timestamp(), platforms
