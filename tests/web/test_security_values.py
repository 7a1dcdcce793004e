"""Sessions and wrong tokens over time, which a server in a test cannot let pass."""

import pytest

from ferryman.web.security import wrong_tokens
from ferryman.web.security.access import Access
from ferryman.web.security.sessions import Sessions
from ferryman.web.security.wrong_tokens import WrongTokens
from tests.support.clock import ManualClock


def test_a_session_ends_after_twelve_hours() -> None:
    clock = ManualClock()
    access = Access(token="a" * 16, read_token="b" * 16)
    sessions = Sessions(access, clock=clock)
    value = sessions.begin(access.actors()[0])

    clock.advance(12 * 3600 - 1)
    assert sessions.read(value) is not None
    clock.advance(1)
    assert sessions.read(value) is None


@pytest.mark.parametrize("value", ["", "act", "act.9999999999.x.y", "act.٣.x.y", "anybody.9999999999.x.y", "é.1.2.3"])
def test_what_is_no_session_is_none(value: str) -> None:
    assert Sessions(Access(token="a" * 16, read_token=None), clock=ManualClock()).read(value) is None


def test_an_address_waits_a_minute_after_five_wrong_tokens() -> None:
    clock = ManualClock()
    wrong = WrongTokens(clock=clock)
    for _ in range(4):
        wrong.note("203.0.113.7")
    clock.advance(50)
    assert wrong.wait("203.0.113.7") == 0
    wrong.note("203.0.113.7")

    assert wrong.wait("203.0.113.7") == 10
    assert wrong.wait("203.0.113.8") == 0
    clock.advance(10)
    assert wrong.wait("203.0.113.7") == 0


def test_a_network_of_ipv6_is_one_address() -> None:
    wrong = WrongTokens(clock=ManualClock())
    for number in range(5):
        wrong.note(f"2001:db8::{number}")

    assert wrong.wait("2001:db8::9") == 60
    assert wrong.wait("2001:db8:0:1::9") == 0


def test_the_addresses_that_it_remembers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrong_tokens, "_MOST_ADDRESSES", 3)
    wrong = WrongTokens(clock=ManualClock())
    for _ in range(5):
        wrong.note("203.0.113.1")
    for number in (2, 3):
        wrong.note(f"203.0.113.{number}")
    assert wrong.wait("203.0.113.1") == 60
    wrong.note("203.0.113.4")

    assert wrong.wait("203.0.113.1") == 0
    assert len(wrong._times) == 3
