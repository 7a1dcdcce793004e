"""Nobody who waits for a bell's next stroke misses it, and nobody hears one that is over."""

from ferryman.wakeup import Bell


async def test_wakes_all_who_wait() -> None:
    bell = Bell()
    first, second = bell.next(), bell.next()
    bell.ring()
    await first.wait()
    await second.wait()


async def test_a_stroke_that_is_over_is_not_heard() -> None:
    bell = Bell()
    bell.ring()
    assert not bell.next().is_set()
