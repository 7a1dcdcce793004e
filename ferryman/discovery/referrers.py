"""What refers to images now, by the referrers API: to be compared with what was copied."""

import asyncio
from collections.abc import Collection, Mapping

from ferryman import log
from ferryman.errors import LoginRefused, RateLimited, TransferError
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient
from ferryman.registry.referrers import fingerprint

_AT_ONCE = 32  # questions under way; the client keeps to the registry's own limit


async def fingerprints(client: RegistryClient, repository: Repository, digests: Collection[str]) -> Mapping[str, str]:
    """The fingerprint of what refers to each of these images, as far as it can be told.

    Empty where the registry has no such API: what it has instead are tags, which stand in its list.
    Raises RateLimited and LoginRefused.
    """
    waiting, found = iter(digests), dict[str, str]()

    async def some() -> None:
        for digest in waiting:
            try:
                listed = await client.list_referrers(repository.pinned(digest))
            except (RateLimited, LoginRefused):
                raise
            except TransferError as error:
                log.get().warning("cannot see what refers to an image", digest=digest, error=str(error))
                continue
            if listed is None:
                return
            found[digest] = fingerprint(listed)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_AT_ONCE, len(digests))):
                group.create_task(some())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return found
