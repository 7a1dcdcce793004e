"""The tag list of the distribution specification, from a real registry."""

from collections.abc import Callable

import pytest

from ferryman.discovery.base import UpstreamTag
from ferryman.discovery.listers.oci import OciLister
from ferryman.errors import NotFound
from ferryman.reference import Repository
from tests.discovery.conftest import Connect
from tests.discovery.support import tags_of, walk
from tests.support import images
from tests.support.processes import RegistryServer
from tests.support.upstreams import Upstream


async def test_names_come_alone(start_registry: Callable[..., RegistryServer], connect: Connect) -> None:
    server = start_registry()
    for name in ("1", "2", "latest"):
        images.push(server.url, "a/b", name, images.image([]))
    repository = Repository.parse(f"{server.host}/a/b")
    found = tags_of(await walk(OciLister(await connect({})), repository))
    assert sorted(found, key=str) == [UpstreamTag("1"), UpstreamTag("2"), UpstreamTag("latest")]


async def test_pages_are_followed(plain: Upstream, connect: Connect) -> None:
    names = plain.fill("a/b", 2500)
    pages = await walk(OciLister(await connect({})), Repository.parse(f"{plain.host}/a/b"))
    assert [len(page.tags) for page in pages] == [1000, 1000, 500]
    assert not any(page.newest_first for page in pages)
    assert {tag.name for tag in tags_of(pages)} == set(names)


async def test_a_missing_repository_is_an_error(plain: Upstream, connect: Connect) -> None:
    with pytest.raises(NotFound):
        await walk(OciLister(await connect({})), Repository.parse(f"{plain.host}/a/b"))
