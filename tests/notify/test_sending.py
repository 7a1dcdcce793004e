"""The process that sends: it does, it is killed when it takes too long, and what it says has no secret."""

import sys

import pytest

from ferryman.notify import sending
from ferryman.notify.apprise_child import NOT_INSTALLED, UNKNOWN_URL
from ferryman.notify.messages import Message
from tests.notify.listener import Listener

MESSAGE = Message("Ferryman: 同步停滞", "自 09:12 起", failed=True)


@pytest.mark.slow
async def test_a_process_sends_and_the_service_does_not_load_apprise(listener: Listener) -> None:
    url = f"json://user:hunter2@127.0.0.1:{listener.port}/hook"
    before = "apprise" in sys.modules

    assert await sending.send(url, MESSAGE) is None
    listener.otherwise = (500, {"message": "hunter2"})
    assert await sending.send(url, MESSAGE) == "it answers 500: ***"

    assert [received.json["title"] for received in listener.received] == [MESSAGE.title] * 2
    assert ("apprise" in sys.modules) is before


@pytest.mark.slow
async def test_urls_are_checked_in_one_process(listener: Listener) -> None:
    known = f"json://127.0.0.1:{listener.port}/hook"

    assert await sending.check([known, "nosuch://hunter2"]) == [None, UNKNOWN_URL]
    assert await sending.check([]) == []
    assert listener.received == []


async def test_a_process_that_takes_too_long_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "LONGEST", 0.2)
    monkeypatch.setattr(sending, "_CHILD", (sys.executable, "-c", "import time; time.sleep(600)"))

    assert await sending.send("json://hunter2", MESSAGE) == "it does not take the message within 0 seconds"


async def test_a_process_that_breaks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_CHILD", (sys.executable, "-c", "raise SystemExit(input())"))

    assert await sending.send("json://hunter2", MESSAGE) == "apprise ended without an answer"


async def test_without_apprise_what_to_install_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "find_spec", lambda _: None)

    assert await sending.send("json://hunter2", MESSAGE) == NOT_INSTALLED
    assert "pip install 'ferryman[notify]'" in NOT_INSTALLED
