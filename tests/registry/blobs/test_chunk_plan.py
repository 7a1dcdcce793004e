"""Chunk sizes of an upload, and when it is given up."""

import pytest

from ferryman.registry.blobs.chunk_plan import LARGEST, SMALLEST, ChunkPlan

MIB = 1024 * 1024


def plan(*, largest: int | None = None, least: int = 0, refused: int | None = None) -> ChunkPlan:
    return ChunkPlan.of(largest=largest, least=least, refused=refused)


@pytest.mark.parametrize(
    ("made", "size"),
    [
        (plan(), LARGEST),
        (plan(largest=2 * MIB), 2 * MIB),
        (plan(largest=64 * MIB), LARGEST),
        (plan(least=12 * MIB), 12 * MIB),
        (plan(largest=MIB, least=5 * MIB), 5 * MIB),
        (plan(refused=100 * MIB), LARGEST),
        (plan(refused=5 * MIB), 4 * MIB),
        (plan(refused=10), SMALLEST),
    ],
)
def test_the_first_chunk(made: ChunkPlan, size: int) -> None:
    assert made.size == size
    assert made.proven is None


def test_chunks_shrink_to_half_a_mebibyte_and_no_further() -> None:
    chunks, sizes = plan(), []
    while chunks.refused(chunks.size):
        sizes.append(chunks.size)
    assert sizes == [4 * MIB, 2 * MIB, MIB, SMALLEST]
    assert chunks.proven == SMALLEST


def test_chunks_do_not_shrink_below_the_registrys_minimum() -> None:
    chunks = plan(least=3 * MIB)
    assert chunks.refused(chunks.size)
    assert chunks.size == 4 * MIB
    assert chunks.refused(chunks.size)
    assert chunks.size == 3 * MIB
    assert not chunks.refused(chunks.size)


def test_the_next_chunk_is_smaller_than_a_refused_last_chunk() -> None:
    chunks = plan()
    assert chunks.refused(3 * MIB)
    assert chunks.size == 2 * MIB


def test_a_cut_shrinks_chunks_only_if_nothing_arrived() -> None:
    chunks = plan()
    chunks.cut(taken=MIB)
    assert chunks.size == LARGEST
    chunks.cut(taken=0)
    assert chunks.size == LARGEST // 2
    assert chunks.proven is None  # it may have been the network


def test_the_stored_part_of_a_chunk_is_the_next_size() -> None:
    chunks = plan()
    assert chunks.stepped(sent=LARGEST, taken=3 * MIB)
    assert chunks.size == 3 * MIB


@pytest.mark.parametrize("taken", [0, 1, 1000])
def test_every_plan_ends(taken: int) -> None:
    chunks, steps = plan(), 1
    while chunks.stepped(sent=chunks.size, taken=taken):
        steps += 1
    assert steps < 20


def test_full_chunks_never_end_a_plan() -> None:
    chunks = plan()
    assert all(chunks.stepped(sent=LARGEST, taken=LARGEST) for _ in range(10_000))
