"""Referrers are copied with an image: by the API, by the referrers tag, at any depth; they never fail the tag."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from ferryman.errors import RateLimited
from ferryman.platforms import Platforms
from ferryman.transports.base import Copied
from ferryman.transports.direct import referrers as direct_referrers
from tests.support.images import Image, Index, image, index, layer, push
from tests.support.processes import RegistryServer
from tests.support.proxy import FaultyProxy
from tests.support.referrers import ReferrersApi, list_tag, listed_at, refer, referrer, signature
from tests.support.transports import DirectTransports, Progress, manifest_at, pinned, tagged, tags_at

StartRegistry = Callable[..., RegistryServer]


def fresh(platform: str = "linux/amd64") -> Image:
    return image([layer({"file": os.urandom(2000)})], platform=platform)


class Ends:
    """A source and a target, each with its own way to list referrers, and a direct transport between them."""

    def __init__(
        self, source: RegistryServer | FaultyProxy, target: RegistryServer | FaultyProxy, stack: AsyncExitStack
    ) -> None:
        self.source = source
        self.target = target
        self.transport = DirectTransports(stack).open()

    async def push(self, tag: str, what: Image | Index) -> None:
        await asyncio.to_thread(push, self.source.url, "a/image", tag, what)

    async def refer(self, subject: Image | Index, *made: Image) -> None:
        """Push a referrer, and list it as the source does."""
        if isinstance(self.source, FaultyProxy):
            for each in made:
                await self.push(each.digest, each)
        else:
            refer(self.source.url, "a/image", subject, *made)

    async def copy(self, what: Image | Index, platforms: str | None = None, *, tag: str = "1") -> Copied:
        await self.push(tag, what)
        return await self.copy_digest(what.digest, tag, Platforms.parse(platforms) if platforms else None)

    async def copy_digest(self, digest: str, tag: str, platforms: Platforms | None = None) -> Copied:
        source, target = pinned(self.source.host, "a/image", digest), tagged(self.target.host, "m/image", tag)
        return await self.transport.copy(source, target, platforms, Progress(), referrers=True)

    async def listed(self, subject: Image | Index) -> list[str]:
        """The referrers that the target lists, by its API or under the referrers tag."""
        return [each["digest"] for each in await asyncio.to_thread(self._described, subject)]

    def _described(self, subject: Image | Index) -> list[dict[str, str]]:
        if isinstance(self.target, FaultyProxy):
            return listed_at(self.target.url, "m/image", subject)
        if list_tag(subject) not in tags_at(self.target.url, "m/image"):
            return []
        found: list[dict[str, str]] = manifest_at(self.target.url, "m/image", list_tag(subject)).document["manifests"]
        return found


@pytest.fixture(params=["tag to tag", "api to tag", "tag to api", "api to api"])
async def ends(
    request: pytest.FixtureRequest, source: RegistryServer, target: RegistryServer, stack: AsyncExitStack
) -> Ends:
    here, there = request.param.split(" to ")
    return Ends(await _served(source, here, stack), await _served(target, there, stack), stack)


async def _served(server: RegistryServer, way: str, stack: AsyncExitStack) -> RegistryServer | FaultyProxy:
    if way == "tag":
        return server
    proxy = await ReferrersApi(server.url).start()
    stack.push_async_callback(proxy.stop)
    return proxy


@pytest.fixture
def plain(source: RegistryServer, target: RegistryServer, stack: AsyncExitStack) -> Ends:
    """Two registries without the referrers API."""
    return Ends(source, target, stack)


@pytest.fixture
async def api(source: RegistryServer, target: RegistryServer, stack: AsyncExitStack) -> Ends:
    """A source with the API, and a target without it."""
    return Ends(await _served(source, "api", stack), target, stack)


async def test_everything_that_belongs_to_an_image_comes_along(ends: Ends) -> None:
    amd64, arm64 = fresh(), fresh("linux/arm64")
    whole = index([amd64, arm64])
    await ends.push("1", whole)
    of_whole = [referrer(whole, b"%d" % number) for number in range(5)]
    of_child, of_signature = referrer(arm64), referrer(of_whole[0])
    await ends.refer(whole, *of_whole)
    await ends.refer(arm64, of_child)
    await ends.refer(of_whole[0], of_signature)

    copied = await ends.copy(whole)

    assert (copied.digest, copied.identical, copied.degraded) == (whole.digest, True, None)
    assert sorted(await ends.listed(whole)) == sorted(each.digest for each in of_whole)
    assert await ends.listed(arm64) == [of_child.digest]
    assert await ends.listed(of_whole[0]) == [of_signature.digest]
    assert await ends.listed(amd64) == []


async def test_a_target_that_lists_referrers_gets_no_tag_for_them(
    source: RegistryServer, target: RegistryServer, stack: AsyncExitStack
) -> None:
    ends, made = Ends(source, await _served(target, "api", stack), stack), fresh()
    await ends.push("1", made)
    await ends.refer(made, referrer(made))

    await ends.copy(made)

    assert tags_at(target.url, "m/image") == ["1"]


async def test_the_list_under_a_tag_keeps_types_and_annotations(plain: Ends) -> None:
    made = fresh()
    await plain.push("1", made)
    await plain.refer(made, referrer(made, kind="application/spdx+json"))

    await plain.copy(made)

    [entry] = manifest_at(plain.target.url, "m/image", list_tag(made)).document["manifests"]
    assert entry["artifactType"] == "application/spdx+json"
    assert entry["annotations"] == {"org.example.about": "what was tested"}


async def test_what_others_have_listed_at_the_target_stays(plain: Ends) -> None:
    made = fresh()
    ours, first, second = (referrer(made, content) for content in (b"ours", b"first", b"second"))
    await plain.push("1", made)
    push(plain.target.url, "m/image", "1", made)
    refer(plain.target.url, "m/image", made, ours)
    await plain.refer(made, first)

    await plain.copy(made)
    assert await plain.listed(made) == [ours.digest, first.digest]
    await plain.refer(made, first, second)
    await plain.copy(made)
    assert await plain.listed(made) == [ours.digest, first.digest, second.digest]


async def test_two_tags_of_one_image_at_once_list_it_once(plain: Ends) -> None:
    made = fresh()
    await plain.push("1", made)
    all_of_it = [referrer(made, b"%d" % number) for number in range(4)]
    await plain.refer(made, *all_of_it)

    await asyncio.gather(*(plain.copy(made, tag=tag) for tag in ("1", "latest")))

    assert sorted(await plain.listed(made)) == sorted(each.digest for each in all_of_it)


async def test_the_list_itself_is_a_tag_that_can_be_copied(plain: Ends) -> None:
    made = fresh()
    first, second, deeper = referrer(made, b"1"), referrer(made, b"2"), referrer(referrer(made, b"2"))
    await plain.push("1", made)
    await plain.copy(made)
    await plain.refer(made, first, second)
    await plain.refer(second, deeper)
    found = manifest_at(plain.source.url, "a/image", list_tag(made))

    copied = await plain.copy_digest(found.digest, list_tag(made))

    assert (copied.digest, copied.identical) == (found.digest, True)
    assert await plain.listed(made) == [first.digest, second.digest]
    assert await plain.listed(second) == [deeper.digest]


async def test_a_list_that_the_target_has_more_in_is_joined(plain: Ends) -> None:
    made = fresh()
    ours, theirs = referrer(made, b"ours"), referrer(made, b"theirs")
    push(plain.target.url, "m/image", "1", made)
    refer(plain.target.url, "m/image", made, ours)
    await plain.push("1", made)
    await plain.refer(made, theirs)

    copied = await plain.copy_digest(manifest_at(plain.source.url, "a/image", list_tag(made)).digest, list_tag(made))

    assert not copied.identical
    assert copied.digest == manifest_at(plain.target.url, "m/image", list_tag(made)).digest
    assert await plain.listed(made) == [theirs.digest, ours.digest]


async def test_a_list_stands_without_what_is_missing(plain: Ends) -> None:
    made = fresh()
    lost, kept = referrer(made, b"lost"), referrer(made, b"kept")
    await plain.push("1", made)
    await plain.copy(made)
    await plain.refer(made, lost, kept)
    assert isinstance(plain.source, RegistryServer)
    [link] = plain.source.folder.glob(f"data/**/a/image/_manifests/revisions/sha256/{lost.digest[7:]}/link")
    link.unlink()

    copied = await plain.copy_digest(manifest_at(plain.source.url, "a/image", list_tag(made)).digest, list_tag(made))

    assert copied.degraded is not None
    assert lost.digest in copied.degraded
    assert await plain.listed(made) == [kept.digest]


async def test_a_signature_of_cosigns_is_for_every_platform(plain: Ends) -> None:
    tag, made = signature(fresh())

    copied = await plain.copy(made, "linux/s390x", tag=tag)

    assert (copied.digest, copied.identical) == (made.digest, True)


async def test_what_refers_to_a_rebuilt_index_is_left_out_loudly(api: Ends) -> None:
    amd64, windows = fresh(), fresh("windows/amd64")
    whole = index([amd64, fresh("linux/arm64"), windows])
    await api.push("1", whole)
    await api.refer(whole, referrer(whole))
    await api.refer(amd64, of_child := referrer(amd64))
    await api.refer(windows, referrer(windows))

    copied = await api.copy(whole)

    assert not copied.identical
    assert copied.degraded is not None
    assert f"they refer to {whole.digest}" in copied.degraded
    assert await api.listed(amd64) == [of_child.digest]
    assert [await api.listed(each) for each in (whole, windows)] == [[], []]


async def test_a_referrer_that_is_missing_costs_the_tag_nothing(api: Ends, source: RegistryServer) -> None:
    made = fresh()
    await api.push("1", made)
    lost, kept = referrer(made, b"lost"), referrer(made, b"kept")
    await api.refer(made, lost, kept)
    assert isinstance(api.source, FaultyProxy)
    api.source.answer(f"GET .*/manifests/{lost.digest}", 404)

    copied = await api.copy(made)

    assert copied.identical
    assert copied.degraded is not None
    assert lost.digest in copied.degraded
    assert copied.referrers  # it is not expected to come back
    assert await api.listed(made) == [kept.digest]


@pytest.mark.parametrize("request_", ["PUT .*/manifests/{referrer}", "PUT .*/manifests/sha256-"])
async def test_a_referrer_that_is_refused_costs_the_tag_nothing(
    source: RegistryServer, target: RegistryServer, stack: AsyncExitStack, request_: str
) -> None:
    proxy = await FaultyProxy(target.url).start()
    stack.push_async_callback(proxy.stop)
    ends, made = Ends(source, proxy, stack), fresh()
    await ends.push("1", made)
    await ends.refer(made, of_it := referrer(made))
    proxy.answer(request_.format(referrer=of_it.digest), 400, '{"errors": [{"code": "MANIFEST_INVALID"}]}')

    copied = await ends.copy(made)

    assert copied.digest == made.digest
    assert copied.degraded is not None
    assert "MANIFEST_INVALID" in copied.degraded
    assert tags_at(target.url, "m/image") == ["1"]


async def test_a_limit_makes_the_tag_wait(api: Ends) -> None:
    made = fresh()
    await api.push("1", made)
    assert isinstance(api.source, FaultyProxy)
    api.source.answer("GET .*/referrers/", 429, headers={"Retry-After": "3600"})

    with pytest.raises(RateLimited):
        await api.copy(made)


async def test_what_may_pass_is_asked_for_again(api: Ends) -> None:
    made = fresh()
    await api.push("1", made)
    await api.refer(made, referrer(made))
    before = await api.copy(made)
    assert isinstance(api.source, FaultyProxy)
    api.source.answer("GET .*/referrers/", 200, "<html>", {"Content-Type": "text/html"})

    after = await api.copy(made)

    assert before.referrers
    assert (before.degraded, after.referrers) == (None, None)
    assert after.degraded is not None
    assert "no JSON" in after.degraded


async def test_the_fingerprint_is_that_of_the_set(api: Ends) -> None:
    made = fresh()
    await api.push("1", made)
    none = await api.copy(made)
    await api.refer(made, referrer(made, b"1"))
    one = await api.copy(made)
    again = await api.copy(made, tag="2")
    await api.refer(made, referrer(made, b"2"))
    two = await api.copy(made)

    assert none.referrers == ""
    assert one.referrers == again.referrers
    assert len({none.referrers, one.referrers, two.referrers}) == 3


async def test_a_chain_without_end_is_cut(plain: Ends) -> None:
    chain = [fresh()]
    await plain.push("1", chain[0])
    for _ in range(6):
        chain.append(referrer(chain[-1]))
        await plain.refer(chain[-2], chain[-1])

    copied = await plain.copy(chain[0])

    assert copied.digest == chain[0].digest
    assert copied.degraded is not None
    assert "nested too deep" in copied.degraded
    assert [bool(await plain.listed(each)) for each in chain] == [True] * 4 + [False] * 3


async def test_too_many_are_cut(plain: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct_referrers, "_MOST", 2)
    made = fresh()
    several = [referrer(made, b"%d" % number) for number in range(4)]
    await plain.push("1", made)
    await plain.refer(made, *several)

    copied = await plain.copy(made)

    assert copied.degraded == "referrers left out: there are more than 2"
    assert await plain.listed(made) == [each.digest for each in several[:2]]


async def test_without_being_asked_for_nothing_comes_along(plain: Ends) -> None:
    made = fresh()
    await plain.push("1", made)
    await plain.refer(made, referrer(made))

    await plain.transport.copy(
        pinned(plain.source.host, "a/image", made.digest), tagged(plain.target.host, "m/image", "1"), None, Progress()
    )

    assert tags_at(plain.target.url, "m/image") == ["1"]
