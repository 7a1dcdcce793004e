"""Notification between tasks: no waiting task misses one, and an earlier one does not wake later waiters."""

from ferryman.wakeup import Wakeup


async def test_wakes_all_who_wait() -> None:
    wakeup = Wakeup()
    first, second = wakeup.next(), wakeup.next()
    wakeup.notify()
    await first.wait()
    await second.wait()


async def test_an_earlier_notification_does_not_wake_a_later_waiter() -> None:
    wakeup = Wakeup()
    wakeup.notify()
    assert not wakeup.next().is_set()
