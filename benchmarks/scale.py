"""The sizes of the benchmarks."""

from dataclasses import dataclass

_KIB, _MIB = 2**10, 2**20


@dataclass(frozen=True, slots=True)
class Shape:
    """Repositories of images with five layers; the same tag of all repositories shares three of them."""

    repositories: int
    tags: int  # in each
    base_size: int  # bytes of each of the shared layers
    own_size: int  # bytes of each of the other two


@dataclass(frozen=True, slots=True)
class Scale:
    """Everything that determines how large a case is."""

    ordinary: Shape
    mirrored: Shape  # for the cases with few or no new tags
    new: int  # tags, in all repositories together
    indexes: int  # repositories with one index each
    index_layer: int  # bytes of each of the three layers of a platform
    large_mib: int  # MiB of a large layer
    engine: Shape
    listed: Shape  # of each provider that lists digests and times


FULL = Scale(
    ordinary=Shape(repositories=5, tags=20, base_size=2 * _MIB, own_size=1 * _MIB),
    mirrored=Shape(repositories=5, tags=200, base_size=1 * _KIB, own_size=1 * _KIB),
    new=10, indexes=20, index_layer=512 * _KIB, large_mib=2048,
    engine=Shape(repositories=2, tags=5, base_size=2 * _MIB, own_size=1 * _MIB),
    listed=Shape(repositories=2, tags=50, base_size=1 * _KIB, own_size=1 * _KIB),
)  # fmt: skip
TINY = Scale(
    ordinary=Shape(repositories=2, tags=1, base_size=100 * _KIB, own_size=50 * _KIB),
    mirrored=Shape(repositories=2, tags=5, base_size=1 * _KIB, own_size=1 * _KIB),
    new=2, indexes=2, index_layer=20 * _KIB, large_mib=4,
    engine=Shape(repositories=1, tags=1, base_size=100 * _KIB, own_size=100 * _KIB),
    listed=Shape(repositories=1, tags=2, base_size=1 * _KIB, own_size=1 * _KIB),
)  # fmt: skip
