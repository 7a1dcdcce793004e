"""The service tells people, and calls its heartbeat: the whole program, with a registry that nobody answers for."""

import signal
from pathlib import Path

import pytest

from tests.notify.listener import Listener
from tests.support.ferryman import Ferryman

pytestmark = pytest.mark.e2e
ITEMS = """\
notify: [{{url: "json://user:hunter2@127.0.0.1:{port}/hook", lang: zh}}]
heartbeat: http://127.0.0.1:{port}/beat/hunter2
unreachable_after: 1
items: [{{source: "127.0.0.1:1/acme/app", target: "127.0.0.1:1/m/"}}]
"""


async def test_the_service_tells_once_and_a_restart_does_not_tell_again(tmp_path: Path, listener: Listener) -> None:
    ferryman = Ferryman(tmp_path, engine="unix:///nowhere", environment={"FERRYMAN_TRANSPORT": "direct"})
    ferryman.items.write_text(ITEMS.format(port=listener.port))
    try:
        assert ferryman.run("sync").code == 1  # so the trouble is there when the service begins
        service = ferryman.start("run")
        await listener.count(2)
        service.tells("event=message_sent")
        assert service.stop(signal.SIGKILL) == -signal.SIGKILL
        again = ferryman.start("run")
        await listener.count(3)
        assert again.stop() == 0
        assert "hunter2" not in service.log + again.log
    finally:
        ferryman.close()

    messages = [received.json["title"] for received in listener.received if received.method == "POST"]
    assert messages == ["Ferryman: 127.0.0.1:1 无法连接"]
    assert {received.path for received in listener.received if received.method == "GET"} == {"/beat/hunter2/fail"}
