"""Nobody who waits for a wakeup's next stroke misses it, and nobody hears one that is over."""

from ferryman.wakeup import Wakeup


async def test_wakes_all_who_wait() -> None:
    wakeup = Wakeup()
    first, second = wakeup.next(), wakeup.next()
    wakeup.notify()
    await first.wait()
    await second.wait()


async def test_a_stroke_that_is_over_is_not_heard() -> None:
    wakeup = Wakeup()
    wakeup.notify()
    assert not wakeup.next().is_set()
