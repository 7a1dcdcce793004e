"""Targets that refuse some manifests in various ways: the digest, the requests, and the learned capabilities."""

import itertools
import json
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from ferryman.errors import Denied, NotFound, Unreachable, Unsupported
from ferryman.transports.base import Copied
from tests.support.images import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Image,
    Index,
    attestation,
    image,
    index,
    layer,
    push,
)
from tests.support.proxy import FaultyProxy
from tests.support.transports import manifest_at, pinned
from tests.transports.direct.blob_store import InMemoryBlobLedger
from tests.transports.line import Line

Document = Mapping[str, Any]
AMD64, ARM64 = image([layer({"a": b"a"})]), image([layer({"b": b"b"})], platform="linux/arm64")
DOCKERS = [image([layer({"d": name})], platform=f"linux/{name.decode()}", docker=True) for name in (b"amd64", b"arm64")]
PROVENANCE, ANNOTATIONS = attestation(AMD64)


def chart() -> Image:
    manifest = json.loads(AMD64.manifest)
    manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
    return Image(json.dumps(manifest).encode(), OCI_MANIFEST, AMD64.blobs)


IMAGES: Mapping[str, Image | Index] = {
    "oci": AMD64,
    "docker": DOCKERS[0],
    "index": index([AMD64, ARM64]),
    "list": index(DOCKERS, docker=True),
    "attested": index([AMD64, ARM64, PROVENANCE], annotations={2: ANNOTATIONS}),
    "nested": index([index([AMD64]), ARM64]),
    "mislabelled": DOCKERS[1],  # the source calls it OCI's
    "chart": chart(),
}


def takes_dockers(kind: str, _: Document) -> bool:
    return kind in {DOCKER_MANIFEST, DOCKER_LIST}


def takes_ocis(kind: str, _: Document) -> bool:
    return kind in {OCI_MANIFEST, OCI_INDEX}


def takes_no_attestations(_: str, document: Document) -> bool:
    return all(each["platform"]["os"] != "unknown" for each in document.get("manifests", ()) if "platform" in each)


def takes_no_oci_indexes(kind: str, _: Document) -> bool:
    return kind != OCI_INDEX


def takes_nothing(_: str, __: Document) -> bool:
    return False


SAME = dict.fromkeys(IMAGES, "same")
# What is to become of each image; and all that may be believed of the target then.
TARGETS: Mapping[str, tuple[Callable[[str, Document], bool], Mapping[str, str], set[str]]] = {
    "takes Docker's": (
        takes_dockers,
        SAME | dict.fromkeys(["oci", "index", "attested"], "docker") | dict.fromkeys(["nested", "chart"], "refused"),
        {"takes_oci"},  # the images in an index are refused before it is
    ),
    "takes OCI's": (
        takes_ocis,
        SAME | dict.fromkeys(["docker", "list", "mislabelled"], "oci"),
        {"takes_docker"},
    ),
    "takes no attestations": (takes_no_attestations, {**SAME, "attested": "without"}, {"takes_attestations"}),
    "takes no OCI indexes": (
        takes_no_oci_indexes,
        SAME | dict.fromkeys(["index", "attested"], "docker") | {"nested": "refused"},
        {"takes_oci_indexes"},
    ),
    "takes nothing": (takes_nothing, dict.fromkeys(IMAGES, "refused"), set()),
}
WORDS: list[tuple[int, Any]] = [
    (400, {"errors": [{"code": "MANIFEST_INVALID", "message": "manifest invalid"}]}),
    (400, {"errors": [{"code": "UNKNOWN", "message": "", "detail": {"reason": "class"}}]}),
    (403, {"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]}),
    (404, "<html>no such page</html>"),
    (405, ""),
    (406, {"message": "not acceptable"}),
    (409, {"error": "conflict"}),
    (415, "Unsupported Media Type"),
    (422, [1, 2]),
    (500, {"errors": [{"code": "UNKNOWN", "message": "unknown error"}]}),
    (500, {"errors": [{"code": "MANIFEST_INVALID", "message": "manifest blob type"}]}),
    (501, {"errors": [{"code": "UNSUPPORTED", "message": "The operation is unsupported"}]}),
]


class Picky:
    """A source that gives one wrong media type, and a target that refuses some manifests."""

    def __init__(self, line: Line, source: FaultyProxy, target: FaultyProxy) -> None:
        self.line = line
        self.source = source
        self.target = target
        self.takes: Callable[[str, Document], bool] = lambda *_: True
        self.says: tuple[int, Any] = WORDS[0]
        self.hiccups = 0  # refusals still to come, of whatever is sent
        source.fail("GET .*/mislabelled/manifests/", self._mislabel)
        target.fail("PUT .*/manifests/", self._judge)

    async def copy(self, name: str, what: Image | Index, tag: str) -> Copied:
        push(self.line.source.url, name, tag, what)
        self.target.requests.clear()
        return await self.line.copy_digest(
            what.digest, "all", tag=tag, name=name, source=self.source.host, target=self.target.host
        )

    def puts(self) -> int:
        return sum(line.startswith("PUT") and "/manifests/" in line for line in self.target.requests)

    async def _mislabel(self, request: web.Request) -> web.StreamResponse:
        response = await self.source.pass_on(request)
        response.headers["Content-Type"] = OCI_MANIFEST
        return response

    async def _judge(self, request: web.Request) -> web.StreamResponse:
        body, kind = await request.read(), request.headers["Content-Type"]
        document = json.loads(body)
        self.hiccups -= 1
        if self.hiccups < 0 and document.get("mediaType", kind) == kind and self.takes(kind, document):
            return await self.target.pass_on(request)
        status, body = self.says
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text)


@pytest.fixture
async def picky(line: Line, stack: AsyncExitStack) -> Picky:
    proxies = [await FaultyProxy(server.url).start() for server in (line.source, line.target)]
    for proxy in proxies:
        stack.push_async_callback(proxy.stop)
    return Picky(line, *proxies)


def manifests_in(what: Image | Index) -> int:
    return 1 + sum(map(manifests_in, what.images)) if isinstance(what, Index) else 1


@pytest.mark.parametrize("target", TARGETS)
async def test_every_image_arrives_in_the_first_variant_that_is_accepted(
    picky: Picky, ledger: InMemoryBlobLedger, target: str
) -> None:
    picky.takes, outcomes, may_believe = TARGETS[target]
    words = itertools.cycle(WORDS)
    for turn, (name, what) in itertools.product(range(2), IMAGES.items()):  # unknown, and then known, of each kind
        picky.says = next(words)
        await check(picky, name, what, f"{turn}", outcomes[name])
    assert set(ledger.cannot[picky.target.host]) == may_believe


@pytest.mark.parametrize("words", WORDS, ids=lambda words: f"{words[0]}")
async def test_whatever_the_target_says(picky: Picky, ledger: InMemoryBlobLedger, words: tuple[int, Any]) -> None:
    picky.takes, outcomes, may_believe = TARGETS["takes Docker's"]
    picky.says = words
    for name in ("index", "list", "chart", "attested"):
        await check(picky, name, IMAGES[name], "1", outcomes[name])
    assert set(ledger.cannot[picky.target.host]) <= may_believe


@pytest.mark.parametrize(("status", "code"), [(404, "MANIFEST_UNKNOWN"), (400, "MANIFEST_BLOB_UNKNOWN")])
async def test_a_target_that_says_that_something_is_missing_when_nothing_is(
    picky: Picky, status: int, code: str
) -> None:
    picky.takes, outcomes, _ = TARGETS["takes Docker's"]
    picky.says = (status, {"errors": [{"code": code, "message": code.lower()}]})
    copied = await picky.copy("index", IMAGES["index"], "1")
    assert copied.digest == manifest_at(picky.line.target.url, "m/index", "1").digest
    assert outcomes["index"] == "docker"
    assert copied.degraded is not None
    assert picky.puts() <= 20


async def check(picky: Picky, name: str, what: Image | Index, tag: str, expected: str) -> None:
    url, repository = picky.line.target.url, f"m/{name}"
    if expected == "refused":
        with pytest.raises((Denied, NotFound, Unsupported, Unreachable)) as raised:
            await picky.copy(name, what, tag)
        assert raised.value.status == picky.says[0]
        assert raised.value.temporary is (picky.says == WORDS[9])
    else:
        copied = await picky.copy(name, what, tag)
        found = manifest_at(url, repository, tag)
        assert copied.digest == found.digest
        assert copied.identical is (copied.degraded is None) is (found.digest == what.digest) is (expected == "same")
        types = {"docker": {DOCKER_MANIFEST, DOCKER_LIST}, "oci": {OCI_MANIFEST, OCI_INDEX}}
        assert found.media_type in types.get(expected, {what.media_type})
        for child in found.document.get("manifests", ()):
            assert manifest_at(url, repository, child["digest"]).media_type == child["mediaType"]
    tries = 3 if picky.says == WORDS[9] else 1  # of each PUT that is answered by a mere 500
    assert picky.puts() <= 4 * tries * (manifests_in(what) + 1)


@pytest.mark.parametrize("words", WORDS, ids=lambda words: f"{words[0]}")
async def test_a_refusal_in_passing_degrades_nothing(
    picky: Picky, ledger: InMemoryBlobLedger, words: tuple[int, Any]
) -> None:
    for name in ("index", "attested", "docker"):
        picky.says, picky.hiccups = words, 1
        await check(picky, name, IMAGES[name], "1", "same")
    assert not ledger.cannot[picky.target.host]


async def test_the_first_refusal_is_raised_when_nothing_is_accepted(picky: Picky) -> None:
    picky.takes, picky.says = takes_nothing, (403, {"errors": [{"code": "DENIED", "message": "not in this project"}]})

    with pytest.raises(Denied, match=r"not in this project.*without attestations and in Docker's types") as raised:
        await picky.copy("attested", IMAGES["attested"], "1")

    assert raised.value.registry == picky.target.host


async def test_an_outage_is_no_refusal(picky: Picky) -> None:
    picky.takes, picky.says = takes_nothing, (503, "")

    with pytest.raises(Unreachable):
        await picky.copy("oci", AMD64, "1")

    assert picky.puts() == 3  # in Docker's types it was not tried


def changed(what: Image, **changes: object) -> Image:
    """The image with changes in its manifest; None removes a key."""
    document = {key: value for key, value in (json.loads(what.manifest) | changes).items() if value is not None}
    return Image(json.dumps(document).encode(), what.media_type, what.blobs, what.platform)


def misdescribed() -> Index:
    """An index that gives one of its images a wrong media type."""
    document = json.loads(IMAGES["index"].manifest)
    document["manifests"][1]["mediaType"] = DOCKER_MANIFEST
    return Index(json.dumps(document).encode(), OCI_INDEX, [AMD64, ARM64])


ODD: Mapping[str, Image | Index] = {
    "a key that nobody knows": changed(AMD64, x=1),
    "a type of its own": changed(AMD64, artifactType="application/vnd.example+json"),
    "no media type": changed(AMD64, mediaType=None),
    "blobs of Docker's types": changed(
        AMD64, **{key: json.loads(DOCKERS[0].manifest)[key] for key in ("config", "layers")}
    ),
    "a wrong description": misdescribed(),
}


@pytest.mark.parametrize("odd", ODD)
async def test_one_odd_image_says_nothing_of_the_others(picky: Picky, ledger: InMemoryBlobLedger, odd: str) -> None:
    what = ODD[odd]
    if isinstance(what, Image):
        what = Image(what.manifest, what.media_type, {**AMD64.blobs, **DOCKERS[0].blobs})
    regular = [json.loads(each.manifest) for each in (AMD64, ARM64, IMAGES["index"])]
    # Like a real one, that checks all that it is sent.
    picky.takes = lambda kind, document: kind in {DOCKER_MANIFEST, DOCKER_LIST} or document in regular

    await check(picky, "odd", what, "1", "docker")
    await check(picky, "other", ARM64, "1", "same")
    await check(picky, "index", IMAGES["index"], "1", "same")

    assert not ledger.cannot[picky.target.host]


async def test_what_was_taken_before_is_not_believed_to_be_refused(picky: Picky, ledger: InMemoryBlobLedger) -> None:
    await check(picky, "before", ARM64, "1", "same")
    picky.takes = lambda kind, document: kind == DOCKER_MANIFEST or document == json.loads(ARM64.manifest)

    await check(picky, "one", AMD64, "1", "docker")
    await check(picky, "other", ARM64, "1", "same")

    assert not ledger.cannot[picky.target.host]


async def test_a_target_that_begins_to_accept_oci_types_no_longer_gets_dockers(
    picky: Picky, ledger: InMemoryBlobLedger
) -> None:
    picky.takes = takes_dockers
    await check(picky, "one", AMD64, "1", "docker")
    assert set(ledger.cannot[picky.target.host]) == {"takes_oci"}

    picky.takes = takes_ocis  # another registry stands there now
    await check(picky, "one", AMD64, "2", "same")

    assert "takes_oci" not in ledger.cannot[picky.target.host]
    await check(picky, "other", ARM64, "1", "same")


async def test_a_referrer_is_taken_as_it_is_or_not_at_all(picky: Picky) -> None:
    """It is put under its digest, which another variant would not have."""
    push(picky.line.source.url, "a", "1", AMD64)
    picky.takes = takes_dockers
    source, target = picky.source.host, picky.target.host

    with pytest.raises(Unsupported):
        await picky.line.transport.copy(
            pinned(source, "a", AMD64.digest), pinned(target, "a", AMD64.digest), None, picky.line.progress
        )

    assert picky.puts() == 1
