"""Malicious sources: whatever their manifests contain, a copy ends with a tag or an error, and with bounded cost."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from aiohttp import web
from hypothesis import strategies as st

from ferryman.errors import TransferError
from ferryman.platforms import Platforms
from tests.support.clock import ManualClock
from tests.support.faulty import Faulty
from tests.support.images import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, digest_of
from tests.support.measuring import unmeasured
from tests.support.processes import RegistryServer
from tests.support.transports import DirectTransports, Progress, pinned, tagged

HANGS = 60  # seconds: an example takes some hundredths of one
LONGEST = 2000  # characters of an error: it goes into a log, a table and a terminal
MIB = 1024 * 1024
LAYER = os.urandom(100)
CONFIG = {"os": "linux", "architecture": "amd64", "variant": "v1"}
AMD64 = {"os": "linux", "architecture": "amd64"}

Changes = list[tuple[int, Any]]

traps = st.sampled_from(["\ud800", "a\r\nb: c", "a\0b", "é", "x" * 70_000])  # JSON can write all of them
texts = st.text(max_size=20) | traps
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.just(10**30) | st.just(-1)
junk = st.recursive(scalars, lambda more: st.lists(more, max_size=3) | st.dictionaries(texts, more, max_size=3))
nests = st.integers(1, 3000).map(lambda depth: "\0" * depth)  # stands for so many brackets: see `written`
changes = st.lists(st.tuples(st.integers(0, 60), junk | nests), max_size=2)
types = st.sampled_from([None, OCI_INDEX, OCI_MANIFEST]) | traps
headers = st.sampled_from(["", OCI_INDEX, OCI_MANIFEST, "text/plain", "application/json", "\udcff\udcfe", "a\tb", "é"])


@dataclass
class Lies:
    """Random changes to a tree of manifests."""

    in_config: Changes
    in_image: Changes
    in_index: Changes
    note: Any
    image_type: str | None
    image_header: str
    index_type: str | None
    index_header: str


lies = st.builds(Lies, changes, changes, changes, junk, types, headers, types, headers)


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every place for a value: the containers, with their keys and some new ones."""
    keys = [*document, "annotations", "urls"] if isinstance(document, dict) else range(len(document))
    for key in keys:
        yield document, key
        inner = document.get(key) if isinstance(document, dict) else document[key]
        if isinstance(inner, dict | list):
            yield from places(inner)


def changed(document: Any, changes: Changes) -> Any:
    """The document with some of its values changed."""
    document = deepcopy(document)
    for number, value in changes:
        found = list(places(document))
        container, key = found[number % len(found)]
        container[key] = value
    return document


def written(document: Any) -> bytes:
    """As JSON; a text of NULs becomes nested lists."""
    raw = json.dumps(document).encode()
    nests = {part for part in raw.split(b'"') if part and not part.replace(rb"\u0000", b"")}
    for nest in nests:
        depth = len(nest) // len(rb"\u0000")
        raw = raw.replace(b'"' + nest + b'"', b"[" * depth + b"]" * depth)
    return raw


def described(media_type: str, content: bytes, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **more}


class Liar:
    """A malicious source: its digests are right, everything else may be wrong."""

    def __init__(self, server: Faulty) -> None:
        self.server = server

    def blob(self, content: bytes) -> bytes:
        return self._serve("blobs", content, "application/octet-stream")

    def manifest(self, content: bytes, header: str = OCI_MANIFEST) -> bytes:
        return self._serve("manifests", content, header)

    def image(self, *layers: dict[str, Any], config: bytes = json.dumps(CONFIG).encode(), **more: Any) -> bytes:
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described(OCI_CONFIG, self.blob(config))}
        return self.manifest(json.dumps({**document, "layers": layers, **more}).encode())

    def index(self, *entries: dict[str, Any], **more: Any) -> bytes:
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, **more}
        return self.manifest(json.dumps(document).encode(), OCI_INDEX)

    def tree(self, lies: Lies) -> bytes:
        """An index, an image, a config and a layer, each with changes."""
        config = self.blob(written(changed(CONFIG, lies.in_config)))
        image = {
            "schemaVersion": 2, "mediaType": lies.image_type,
            "config": described(OCI_CONFIG, config), "layers": [described(OCI_LAYER, self.blob(LAYER))],
        }  # fmt: skip
        manifest = self.manifest(written(changed(image, lies.in_image)), lies.image_header)
        index = {
            "schemaVersion": 2, "mediaType": lies.index_type, "annotations": {"a": lies.note},
            "manifests": [
                described(OCI_MANIFEST, manifest, platform=AMD64),
                described(OCI_MANIFEST, b"of no interest", platform={"os": "windows", "architecture": "amd64"}),
                described(OCI_MANIFEST, manifest, annotations={"a": "b"}),
            ],
        }  # fmt: skip
        return self.manifest(written(changed(index, lies.in_index)), lies.index_header)

    def _serve(self, kind: str, content: bytes, header: str) -> bytes:
        async def answer(_: web.Request) -> web.StreamResponse:
            response = web.Response(body=content)
            response.headers["Content-Type"] = header.encode(errors="surrogateescape").decode("latin-1")
            return response

        self.server.on(f"GET /v2/a/image/{kind}/{digest_of(content)}", answer)
        return content


@hypothesis.settings(max_examples=150)
@hypothesis.given(lies, st.sampled_from([None, "all", "linux/amd64"]))
def test_a_tree_with_anything_in_it(distribution: RegistryServer, lies: Lies, platforms: str | None) -> None:
    async def run() -> None:
        async with Faulty() as server, AsyncExitStack() as stack, asyncio.timeout(HANGS):
            root = Liar(server).tree(lies)
            try:
                await (
                    DirectTransports(stack)
                    .open(clock=ManualClock())
                    .copy(
                        pinned(server.host, "a/image", digest_of(root)),
                        tagged(distribution.host, "fuzzed/image", "1"),
                        Platforms.parse(platforms) if platforms else None,
                        Progress(),
                    )
                )
            except TransferError as error:
                check_error(error, server.host, distribution.host)

    asyncio.run(run())


def check_error(error: TransferError, *hosts: str) -> None:
    assert error.registry in hosts
    assert str(error).isprintable()
    assert len(str(error)) < LONGEST


def many_children(liar: Liar) -> bytes:
    return liar.index(*(described(OCI_MANIFEST, b"%d" % number, platform=AMD64) for number in range(18_000)))


def many_platforms(liar: Liar) -> bytes:
    return liar.index(
        *(
            described(OCI_MANIFEST, b"%d" % number, platform={"os": "x" * 100, "architecture": f"\n{number}"})
            for number in range(4_900)
        )
    )


def many_layers(liar: Liar) -> bytes:
    return liar.image(*({"digest": digest_of(b"%d" % number), "size": 2**40} for number in range(38_000)))


def thousands_of_layers(liar: Liar) -> bytes:
    return liar.image(*({"digest": digest_of(b"%d" % number), "size": 2**40} for number in range(2_000)))


def many_manifests(liar: Liar) -> bytes:
    images = [liar.image(annotations={"number": f"{number}" * 100_000}) for number in range(400)]
    return liar.index(*(described(OCI_MANIFEST, image, platform=AMD64) for image in images))


def laughs(liar: Liar) -> bytes:
    """Every index names all indexes of the next level: 40 × 40 × 40 × 40 paths."""
    level = [liar.image(annotations={"number": f"{number}"}) for number in range(40)]
    entries = [described(OCI_MANIFEST, image, platform=AMD64) for image in level]
    for depth in range(3):
        indexes = [liar.index(*entries, annotations={"number": f"{depth} {number}"}) for number in range(40)]
        entries = [described(OCI_INDEX, index) for index in indexes]
    return liar.index(*entries)


def tiny_values(liar: Liar) -> bytes:
    return liar.image(filler=[[] for _ in range(1_000_000)])


def tiny_values_in_a_config(liar: Liar) -> bytes:
    return liar.image(config=json.dumps([[] for _ in range(1_000_000)]).encode())


def endless(liar: Liar) -> bytes:
    content = b"{"

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b" " * MIB)
        return response

    liar.server.on(f"GET /v2/a/image/manifests/{digest_of(content)}", answer)
    return content


BOMBS: dict[Callable[[Liar], bytes], str] = {
    many_children: "Unsupported",
    many_platforms: "NoSuchPlatform",
    many_layers: "Unsupported",
    thousands_of_layers: "NotFound",
    many_manifests: "Unsupported",
    laughs: "copied",
    tiny_values: "copied",
    tiny_values_in_a_config: "copied",
    endless: "WrongContent",
}
MOST = 150 * MIB  # of resident memory, interpreter and all
COPY = """
import asyncio, re, sys
from contextlib import AsyncExitStack
from pathlib import Path
from ferryman.errors import TransferError
from tests.support.transports import DirectTransports, Progress, pinned, tagged

async def main(source, target, digest):
    async with AsyncExitStack() as stack:
        transport = DirectTransports(stack).open()
        try:
            await transport.copy(pinned(source, "a/image", digest), tagged(target, "bomb/image", "1"), None, Progress())
        except TransferError as error:
            print(type(error).__name__, error)
        else:
            print("copied")
    print(re.search("VmHWM:[^0-9]*([0-9]+)", Path("/proc/self/status").read_text())[1])  # not of whoever started it

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
async def test_what_is_large_eats_no_memory_and_no_time(
    distribution: RegistryServer, bomb: Callable[[Liar], bytes]
) -> None:
    async with Faulty() as server, asyncio.timeout(HANGS):
        root = bomb(Liar(server))
        copying = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", COPY, server.host, distribution.host, digest_of(root)),
            env=unmeasured(),
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )
        output, _ = await copying.communicate()

    outcome, memory = output.decode().splitlines()
    assert outcome.split()[0] == BOMBS[bomb]
    assert len(outcome) < LONGEST
    assert int(memory) * 1024 < MOST


@pytest.mark.parametrize("length", [1, 2, 3])
async def test_a_circle(distribution: RegistryServer, stack: AsyncExitStack, length: int) -> None:
    """Only a registry that answers with wrong content can have such a cycle."""
    async with Faulty() as server, asyncio.timeout(HANGS):
        names = [digest_of(b"%d" % number) for number in range(length)]
        for number, name in enumerate(names):
            entry = {"mediaType": OCI_INDEX, "digest": names[(number + 1) % length], "size": 1}
            body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()

            async def answer(_: web.Request, body: bytes = body, name: str = name) -> web.StreamResponse:
                return web.Response(body=body, headers={"Content-Type": OCI_INDEX, "Docker-Content-Digest": name})

            server.on(f"GET /v2/a/image/manifests/{name}", answer)

        with pytest.raises(TransferError, match="what arrived is") as raised:
            await (
                DirectTransports(stack)
                .open()
                .copy(pinned(server.host, "a/image", names[0]), tagged(distribution.host, "c", "1"), None, Progress())
            )
    check_error(raised.value, server.host)
