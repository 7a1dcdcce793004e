"""Indexes as buildkit pushes them: images of two platforms, and an attestation of each."""

import random

from benchmarks.sources import Source
from tests.support.images import Image, attestation, image, index, layer, push
from tests.support.processes import RegistryServer

_PLATFORMS = ("linux/amd64", "linux/arm64")
_LAYERS = 3  # of each platform


def push_indexes(server: RegistryServer, prefix: str, count: int, layer_size: int) -> Source:
    """Push one index into each of `count` repositories. They share nothing."""
    repositories = tuple(f"{prefix}/index{number}" for number in range(count))
    blobs: dict[str, int] = {}
    for repository in repositories:
        images = [_image(repository, platform, layer_size) for platform in _PLATFORMS]
        proofs, annotations = zip(*map(attestation, images), strict=True)
        children = (*images, *proofs)
        push(server.url, repository, "1.0", index(children, annotations=dict(enumerate(annotations, len(images)))))
        blobs |= {digest: len(blob) for child in children for digest, blob in child.blobs.items()}
    return Source(server.host, repositories, blobs, count)


def _image(repository: str, platform: str, layer_size: int) -> Image:
    chance = random.Random(f"{repository} {platform}")
    layers = [layer({"content": chance.randbytes(layer_size)}) for _ in range(_LAYERS)]
    return image(layers, platform=platform, compresslevel=0)
