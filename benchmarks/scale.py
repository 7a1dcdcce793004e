"""The sizes of the benchmarks."""

from dataclasses import dataclass

_KIB, _MIB, _GIB = 2**10, 2**20, 2**30


@dataclass(frozen=True, slots=True)
class Shape:
    """Repositories of images with five layers; the same tag of all repositories shares three of them."""

    repositories: int
    tags: int  # in each
    base_size: int  # bytes of each of the shared layers
    own_size: int  # bytes of each of the other two


@dataclass(frozen=True, slots=True)
class Scale:
    """Everything that determines how long a run takes."""

    ordinary: Shape
    mirrored: Shape  # for the case without new tags
    engine: Shape
    listed: Shape  # of each provider that lists digests and times
    large: int  # bytes of the one large layer
    pairs: int  # measured runs of each contestant
    far_pairs: int
    large_pairs: int
    engine_pairs: int
    warm_ups: int


FULL = Scale(
    ordinary=Shape(repositories=5, tags=20, base_size=2 * _MIB, own_size=1 * _MIB),
    mirrored=Shape(repositories=5, tags=200, base_size=1 * _KIB, own_size=1 * _KIB),
    engine=Shape(repositories=2, tags=5, base_size=2 * _MIB, own_size=1 * _MIB),
    listed=Shape(repositories=2, tags=50, base_size=1 * _KIB, own_size=1 * _KIB),
    large=4 * _GIB, pairs=5, far_pairs=1, large_pairs=3, engine_pairs=3, warm_ups=1,
)  # fmt: skip
QUICK = Scale(
    ordinary=Shape(repositories=2, tags=1, base_size=1500 * _KIB, own_size=100 * _KIB),
    mirrored=Shape(repositories=2, tags=5, base_size=1 * _KIB, own_size=1 * _KIB),
    engine=Shape(repositories=1, tags=1, base_size=100 * _KIB, own_size=100 * _KIB),
    listed=Shape(repositories=1, tags=2, base_size=1 * _KIB, own_size=1 * _KIB),
    large=8 * _MIB, pairs=1, far_pairs=1, large_pairs=1, engine_pairs=1, warm_ups=0,
)  # fmt: skip
