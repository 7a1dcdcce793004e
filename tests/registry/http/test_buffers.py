"""Buffers that are used again."""

from ferryman.registry.http.buffers import SIZE, Buffers


def test_a_buffer_is_given_out_again() -> None:
    buffers = Buffers()
    first = buffers.take()
    buffers.give_back(first)
    assert buffers.take() is first
    assert len(first) == SIZE


def test_one_that_somebody_still_reads_is_not() -> None:
    buffers = Buffers()
    read, free = buffers.take(), buffers.take()
    view = memoryview(read)[:10]
    buffers.give_back(free)
    buffers.give_back(read)
    assert buffers.take() is free
    assert buffers.take() is not read
    view.release()
    assert buffers.take() is read


def test_few_are_kept() -> None:
    buffers = Buffers()
    taken = [buffers.take() for _ in range(100)]
    for buffer in taken:
        buffers.give_back(buffer)
    again = [buffers.take() for _ in range(100)]
    assert sum(any(each is buffer for buffer in taken) for each in again) == 32
