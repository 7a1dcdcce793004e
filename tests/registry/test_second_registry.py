"""The client against zuul-registry, which does much unlike distribution."""

import asyncio

import pytest

from ferryman.errors import LoginRefused, NotFound
from ferryman.manifests.manifest import Manifest
from ferryman.reference import Repository
from ferryman.registry.client import Stored
from tests.registry.conftest import Connect
from tests.support.images import OCI_INDEX, digest_at, image, index, layer, push
from tests.support.zuul_registry import ZuulRegistry, login_of

CHILDREN = [image([layer({"a": b"1"})], platform=platform) for platform in ("linux/amd64", "linux/arm64")]
WHOLE = index(CHILDREN)


async def test_reads_and_lists_without_a_login(zuul: ZuulRegistry, connect: Connect) -> None:
    await asyncio.to_thread(push, zuul.url, "read/app", "1", WHOLE)
    client, repository = connect(), Repository(zuul.host, "read/app")

    described = await client.head_manifest(repository.tagged("1"))

    assert (described.digest, described.media_type, described.size) == (WHOLE.digest, OCI_INDEX, len(WHOLE.manifest))
    assert await client.get_manifest(repository.pinned(WHOLE.digest)) == Manifest(
        WHOLE.manifest, OCI_INDEX, WHOLE.digest
    )
    # It answers 404 to a page size, and lists the digests of the images among the tags.
    assert [name async for names in client.list_tags(repository) for name in names] == ["1"]
    assert await client.list_referrers(repository.pinned(WHOLE.digest)) is None
    with pytest.raises(NotFound):
        await client.head_manifest(repository.tagged("2"))
    made = CHILDREN[0]
    with pytest.raises(LoginRefused, match="a login is wanted and there is none"):
        await client.put_manifest(repository.tagged("2"), Manifest(made.manifest, made.media_type, made.digest))


async def test_pushes_with_a_login(zuul: ZuulRegistry, connect: Connect) -> None:
    client, repository = connect(logins=dict(login_of(zuul))), Repository(zuul.host, "pushed/app")
    made = CHILDREN[0]
    assert await client.log_in(zuul.host) == f"logged in to {zuul.host} as {zuul.login[0]}"
    for digest, blob in made.blobs.items():
        await client.upload_blob(repository, digest, blob)
        assert await client.has_blob(repository, digest)

    stored = await client.put_manifest(repository.tagged("1"), Manifest(made.manifest, made.media_type, made.digest))

    assert stored == Stored(made.digest, confirmed=True)
    assert digest_at(zuul.url, "pushed/app", "1") == made.digest


async def test_a_delete_that_it_does_not_know_is_none(zuul: ZuulRegistry, connect: Connect) -> None:
    """Its 404 says nothing of the manifest, which is still there."""
    await asyncio.to_thread(push, zuul.url, "kept/app", "1", CHILDREN[0])
    client, repository = connect(logins=dict(login_of(zuul))), Repository(zuul.host, "kept/app")

    assert not await client.delete_manifest(repository.pinned(CHILDREN[0].digest))

    assert digest_at(zuul.url, "kept/app", "1") == CHILDREN[0].digest


async def test_a_wrong_password(zuul: ZuulRegistry, connect: Connect) -> None:
    client = connect(logins={zuul.host: ("tests", "wr0ng")})
    with pytest.raises(LoginRefused) as raised:
        await client.open_upload(Repository(zuul.host, "x/app"), CHILDREN[0].digest)
    assert "wr0ng" not in str(raised.value)
