"""The cache of manifests and configs between discovery and a copy."""

import asyncio
from collections.abc import Callable

from ferryman.reference import Repository
from ferryman.registry.content_cache import ContentCache
from tests.registry.conftest import Connect
from tests.support.images import push
from tests.support.processes import RegistryServer
from tests.support.workplace import tiny


def test_content_is_returned_once() -> None:
    cache = ContentCache[bytes]()
    cache.put("a", b"content", size=7)
    assert (cache.pop("a"), cache.pop("a")) == (b"content", None)


def test_the_oldest_content_is_evicted_first() -> None:
    cache, size = ContentCache[str](), 3 * 1024 * 1024
    for name in ("a", "b", "b", "c"):
        cache.put(name, name, size=size)
    assert [cache.pop(name) for name in ("a", "b", "c")] == [None, "b", "c"]


def test_content_that_is_too_large_is_not_cached() -> None:
    cache = ContentCache[str]()
    cache.put("large", "content", size=1 << 30)
    assert cache.pop("large") is None


async def test_the_next_caller_needs_no_request(
    start_registry: Callable[..., RegistryServer], connect: Connect
) -> None:
    server, client, made = start_registry(), connect(), tiny("kept")
    await asyncio.to_thread(push, server.url, "team/app", "1", made)
    repository = Repository(server.host, "team/app")
    for keep in (True, False):
        assert (await client.get_manifest(repository.pinned(made.digest), keep=keep)).body == made.manifest
        assert await client.get_blob(repository, made.config_digest, keep=keep) == made.blobs[made.config_digest]
    assert server.access_log().count('"GET /v2/team/app/') == 2
