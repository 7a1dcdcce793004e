"""Answers with a Content-Encoding that was not requested."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable

import pytest

from ferryman.errors import Denied, WrongContent
from ferryman.manifests.manifest import OCI_MANIFEST
from ferryman.reference import Repository
from ferryman.registry.http.content_encoding import unpack
from tests.registry.conftest import Connect
from tests.support.faulty import Faulty, says

BODY = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": []}).encode()
DIGEST = f"sha256:{hashlib.sha256(BODY).hexdigest()}"


def bare(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


def twice(data: bytes) -> bytes:
    return gzip.compress(gzip.compress(data))


def members(data: bytes) -> bytes:
    return gzip.compress(data[:20]) + gzip.compress(data[20:])


def untouched(data: bytes) -> bytes:
    return data


PACKED = [
    ("gzip", gzip.compress), ("x-gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress),
    ("deflate", bare), ("gzip, gzip", twice), ("gzip", members), ("gzip", untouched), ("deflate", untouched),
    ("identity", untouched), ("identity, gzip", gzip.compress),
]  # fmt: skip


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
async def test_documents_are_decompressed(
    faulty: Faulty, connect: Connect, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    headers = {"Content_Encoding": encoding}
    faulty.on("GET /v2/a/b/manifests/1", says(200, pack(BODY), Docker_Content_Digest=DIGEST, **headers))
    faulty.on("GET /v2/a/b/tags/list", says(200, pack(b'{"tags": ["1", "2"], "padding": "...."}'), **headers))
    faulty.on(f"GET /v2/a/b/blobs/{DIGEST}", says(200, pack(BODY), **headers))
    client, repository = connect(), Repository(faulty.host, "a/b")
    found = await client.get_manifest(repository.tagged("1"))
    assert (found.body, found.digest) == (BODY, DIGEST)
    assert [names async for names in client.list_tags(repository)] == [["1", "2"]]
    assert await client.get_blob(repository, DIGEST) == BODY


async def test_a_blob_that_is_a_compressed_file_stays_compressed(faulty: Faulty, connect: Connect) -> None:
    blob = gzip.compress(b"a layer")
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    faulty.on(f"GET /v2/a/b/blobs/{digest}", says(200, blob, Content_Encoding="gzip"))
    assert await connect().get_blob(Repository(faulty.host, "a/b"), digest) == blob


async def test_a_head_with_a_content_encoding_has_no_length(faulty: Faulty, connect: Connect) -> None:
    headers = {"Docker_Content_Digest": DIGEST, "Content_Type": OCI_MANIFEST, "Content_Encoding": "gzip"}
    faulty.on("HEAD /v2/a/b/manifests/1", says(200, gzip.compress(BODY), **headers))
    found = await connect().head_manifest(Repository(faulty.host, "a/b").tagged("1"))
    assert (found.digest, found.size) == (DIGEST, None)


@pytest.mark.slow
@pytest.mark.parametrize("nested", [1, 2])
async def test_a_decompression_bomb_is_refused(faulty: Faulty, connect: Connect, nested: int) -> None:
    bomb = bytes(80 * 1024 * 1024)
    for _ in range(nested):
        bomb = gzip.compress(bomb)
    encoding = ", ".join(["gzip"] * nested)
    faulty.on("GET /v2/a/b/manifests/1", says(200, bomb, Content_Encoding=encoding))
    with pytest.raises(WrongContent, match="more than 4194304 bytes: refused"):
        await connect().get_manifest(Repository(faulty.host, "a/b").tagged("1"))


def test_no_more_is_decompressed_than_the_limit() -> None:
    assert len(unpack(gzip.compress(bytes(10**7)), "gzip", limit=1000)) == 1001
    assert len(unpack(gzip.compress(bytes(600)) * 10, "gzip", limit=1000)) == 1001


@pytest.mark.parametrize(
    ("encoding", "body", "says_what"),
    [
        ("br", b"\x0b\x02\x80hello\x03", "is compressed by 'br'"),
        ("zstd", b"x", "is compressed by 'zstd'"),
        # With no time in it: the test's name holds it, and each of pytest-xdist's workers is to find the same tests.
        ("gzip", gzip.compress(BODY, mtime=0)[:-12], "cannot be decompressed"),
        ("gzip", gzip.compress(BODY, mtime=0)[:30] + b"x" * 30, "cannot be decompressed"),
    ],
)
async def test_broken_compressed_data(
    faulty: Faulty, connect: Connect, encoding: str, body: bytes, says_what: str
) -> None:
    faulty.on("GET /v2/a/b/manifests/1", says(200, body, Content_Encoding=encoding))
    with pytest.raises(WrongContent, match=says_what):
        await connect().get_manifest(Repository(faulty.host, "a/b").tagged("1"))


@pytest.mark.parametrize("encoding", ["gzip", "br"])
async def test_compressed_errors_are_read(faulty: Faulty, connect: Connect, encoding: str) -> None:
    message = json.dumps({"errors": [{"code": "DENIED", "message": "no entry"}]}).encode()
    body = gzip.compress(message) if encoding == "gzip" else message
    faulty.on("GET /v2/a/b/manifests/1", says(403, body, Content_Encoding=encoding))
    with pytest.raises(Denied, match="no entry"):
        await connect().get_manifest(Repository(faulty.host, "a/b").tagged("1"))
