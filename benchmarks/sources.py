"""The content that the benchmarks mirror: ordinary images, and very large layers."""

import gzip
import hashlib
import http.client
import json
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from benchmarks.scale import Shape
from tests.support.images import (
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
    Image,
    digest_of,
    image,
    layer,
    push,
)
from tests.support.processes import RegistryServer

_PUSHES_AT_ONCE = 2
_PIECE = 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Source:
    """Repositories of a registry."""

    host: str
    repositories: tuple[str, ...]
    blobs: dict[str, int]  # digest: bytes; each once
    tags: int  # in all of them together

    def at(self, host: str) -> "Source":
        """The same source under another address."""
        return Source(host, self.repositories, self.blobs, self.tags)


def fill(server: RegistryServer, prefix: str, shape: Shape) -> Source:
    """Push images. The images of one tag have the same base layers in every repository."""
    repositories = tuple(f"{prefix}/app{number}" for number in range(shape.repositories))
    blobs: dict[str, int] = {}
    # In separate processes, so that this one stays small: see `measure`.
    with ProcessPoolExecutor(_PUSHES_AT_ONCE) as pool:
        for pushed in pool.map(partial(_push_tag, server.url, repositories, shape), range(shape.tags)):
            blobs |= pushed
    return Source(server.host, repositories, blobs, shape.repositories * shape.tags)


def ordinary(shape: Shape, repository: str, tag: int, *, created: str = "2026-01-01T00:00:00Z") -> Image:
    """The image of a tag that `fill` pushes. Another `created` gives the same layers and another config."""
    base = [_layer(f"base-{tag}-{number}", shape.base_size) for number in range(3)]
    own = [_layer(f"{repository}-{tag}-{number}", shape.own_size) for number in range(2)]
    return image([*base, *own], created=created, compresslevel=0)


def push_large(server: RegistryServer, repository: str, size: int, *, layers: int) -> Source:
    """Push an image with layers of about `size` bytes each, without holding one in memory."""
    # Each has another size: with the same size, it would be the same layer.
    pushed = [_push_layer(server, repository, size + number * _PIECE) for number in range(layers)]
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [digest for digest, _ in pushed]},
        }
    ).encode()
    manifest = {
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": digest_of(config), "size": len(config)},
        "layers": [{"mediaType": OCI_LAYER, "digest": digest, "size": length} for digest, length in pushed],
    }  # fmt: skip
    push(server.url, repository, "1", Image(json.dumps(manifest).encode(), OCI_MANIFEST, {digest_of(config): config}))
    return Source(server.host, (repository,), {**dict(pushed), digest_of(config): len(config)}, 1)


def _push_layer(server: RegistryServer, repository: str, size: int) -> tuple[str, int]:
    """Push one layer. Returns its digest and length."""
    # Generated twice: an upload needs the length at its beginning, and the digest at its end.
    length, digest = _weigh(_large_layer(size))
    _upload(server, repository, _large_layer(size), length, digest)
    return digest, length


def _push_tag(url: str, repositories: Sequence[str], shape: Shape, tag: int) -> dict[str, int]:
    blobs: dict[str, int] = {}
    for repository in repositories:
        made = ordinary(shape, repository, tag)
        push(url, repository, f"1.{tag}", made)
        blobs |= {digest: len(blob) for digest, blob in made.blobs.items()}
    return blobs


def _layer(seed: str, size: int) -> bytes:
    """A layer that cannot be compressed further, like those in registries."""
    return layer({"content": random.Random(seed).randbytes(size)})


def _large_layer(size: int) -> Iterator[bytes]:
    """A gzip stream: a client might compress anything else first, which would distort the measurement."""
    block = random.Random(size).randbytes(_PIECE)
    sink = _Sink()
    with gzip.GzipFile(fileobj=sink, mode="wb", compresslevel=0, mtime=0) as packed:
        for number in range(size // _PIECE):
            packed.write(number.to_bytes(8, "big") + block[8:])
            yield sink.taken()
    yield sink.taken()


class _Sink:
    """A file whose content is read while it is written."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def write(self, data: bytes) -> int:
        self._buffer += data
        return len(data)

    def flush(self) -> None: ...

    def taken(self) -> bytes:
        data = bytes(self._buffer)
        self._buffer.clear()
        return data


def _weigh(pieces: Iterator[bytes]) -> tuple[int, str]:
    found, length = hashlib.sha256(), 0
    for piece in pieces:
        found.update(piece)
        length += len(piece)
    return length, f"sha256:{found.hexdigest()}"


def _upload(server: RegistryServer, repository: str, pieces: Iterator[bytes], length: int, digest: str) -> None:
    connection = http.client.HTTPConnection(server.host, timeout=600)
    connection.request("POST", f"/v2/{repository}/blobs/uploads/", headers={"Content-Length": "0"})
    begun = connection.getresponse()
    begun.read()
    location = urlsplit(begun.headers["Location"])
    connection.request(
        "PUT", f"{location.path}?{location.query}&digest={digest}", pieces, {"Content-Length": str(length)}
    )
    ended = connection.getresponse()
    if ended.status != http.HTTPStatus.CREATED:
        raise RuntimeError(f"the large layer could not be pushed: {ended.status} {ended.read(500)!r}")
    connection.close()
