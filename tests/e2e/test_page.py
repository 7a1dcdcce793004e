"""The page of a service that runs."""

import json
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPConnection

from tests.support.ferryman import Ferryman
from tests.support.processes import free_port

ITEMS = "items: [{source: 127.0.0.1:1/acme/app, target: 127.0.0.1:1/m/}]"
TOKEN = "acting-0123456789abcdef"


def get(address: str, path: str, token: str | None = None) -> tuple[int, str]:
    request = urllib.request.Request(f"http://{address}{path}")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_it_serves_while_it_runs_and_stops_with_a_connection_open(install: Callable[..., Ferryman]) -> None:
    address = f"127.0.0.1:{free_port()}"
    ferryman = install(FERRYMAN_LISTEN=address, FERRYMAN_TOKEN=TOKEN, FERRYMAN_TRANSPORT="direct")
    ferryman.items.write_text(ITEMS)
    service = ferryman.start("run")
    service.tells("web_listening")
    service.until("a heartbeat", lambda: get(address, "/readyz")[0] == 200)

    assert get(address, "/healthz") == (200, '{"status": "alive"}')
    assert json.loads(get(address, "/readyz")[1]) == {"ready": True}
    assert json.loads(get(address, "/readyz", TOKEN)[1])["items"] == 1
    assert get(address, "/")[0] == 401
    assert get(address, "/", TOKEN)[0] == 200
    second = ferryman.run("worker")
    assert second.code == 3
    assert f"FERRYMAN_LISTEN: {address} is in use: set another address" in second.err

    silent = HTTPConnection(address)
    silent.connect()
    assert service.stop(signal.SIGTERM) == 0
    assert "Traceback" not in service.log
    assert TOKEN not in service.log
    silent.close()


def test_a_worker_serves_probes_alone(install: Callable[..., Ferryman]) -> None:
    address = f"127.0.0.1:{free_port()}"
    ferryman = install(FERRYMAN_LISTEN=address, FERRYMAN_TRANSPORT="direct")
    ferryman.items.write_text(ITEMS)
    worker = ferryman.start("worker")
    worker.tells("web_listening")

    assert get(address, "/healthz")[0] == 200
    assert get(address, "/readyz")[0] == 503, "nobody schedules"
    assert get(address, "/")[0] == 404
    assert worker.stop() == 0


_ANOTHER_DEFAULT = """
import ferryman.cli, ferryman.service
from ferryman.settings import Settings
from ferryman.web_address import ListenAddress

Settings.model_fields["listen"].default = ListenAddress.parse("{address}")
Settings.model_rebuild(force=True)
ferryman.service._LISTEN_INTERVAL = 0.1
ferryman.cli.main(["run"])
"""


def test_a_default_address_that_is_in_use_is_waited_for_while_everything_else_works(
    install: Callable[..., Ferryman],
) -> None:
    ferryman = install(FERRYMAN_LISTEN="", FERRYMAN_TRANSPORT="direct")
    ferryman.items.write_text(ITEMS)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        service = ferryman.start("-c", _ANOTHER_DEFAULT.format(address=address), program=sys.executable)
        service.tells("web_not_listening")
        service.until("good health", lambda: ferryman.run("health").code == 0)
        assert "web_listening" not in service.log
    service.tells("web_listening")
    assert get(address, "/healthz")[0] == 200
    assert service.stop() == 0
    assert service.log.count("web_not_listening") == 1
