"""What people do to a running service from the command line: pause, resume, cancel, and ask for a look."""

import getpass
import json
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing

from tests.e2e.support import held, layers, tiny
from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.processes import RegistryServer
from tests.support.proxy import FaultyProxy


def test_a_paused_registry_is_left_alone_until_it_is_resumed_also_after_a_kill(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    images.push(upstream.url, "acme/app", "1", tiny("1"))
    ferryman.environment["FERRYMAN_TRANSPORT"] = "direct"
    ferryman.items.write_text(f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/m/}}]")
    service = ferryman.start("run")
    service.until("the first tag", lambda: "m/app:1" in held(target))

    done = ferryman.run("pause", "--registry", upstream.host, "--note", "maintenance")
    assert (done.code, done.out) == (0, f"registry {upstream.host} is paused, until `ferryman resume`\n"), done.err
    images.push(upstream.url, "acme/app", "2", tiny("2"))
    service.stop(signal.SIGKILL)
    service = ferryman.start("run")
    service.tells("work_paused")
    service.tells("cycle_ended")
    look, sync, status, health = ferryman.run_all(["look"], ["sync"], ["status"], ["health"])
    assert (look.code, "app is paused" in look.err) == (1, True)
    sentence = f"by cli:{getpass.getuser()}@"
    assert (sync.code, "1 item is paused: not looked at" in sync.err, sentence in sync.err) == (1, True, True)
    verdict, pause, *_ = status.out.splitlines()
    assert verdict.startswith(f"{upstream.host} is paused by cli:"), status.out
    assert pause.startswith(f"registry {upstream.host} is paused since 20")
    assert pause.endswith(": maintenance: `ferryman resume` ends that")
    assert health.code == 0
    assert held(target).keys() == {"m/app:1"}

    assert ferryman.run("resume", "--registry", upstream.host).out == f"registry {upstream.host} goes on\n"
    assert ferryman.run("look", "app").out == "a look at 1 item is requested\n"
    service.until("the second tag", lambda: "m/app:2" in held(target))
    assert service.stop() == 0
    with closing(sqlite3.connect(ferryman.database)) as database:
        actions = database.execute("SELECT action, subject, detail FROM actions ORDER BY id").fetchall()
    assert actions == [
        ("pause", upstream.host, "maintenance"),
        ("resume", upstream.host, None),
        ("look", "everything", None),  # it has only one item
    ]


def test_a_cancelled_copy_stops_within_a_heartbeat_and_leaves_nothing(
    ferryman: Ferryman,
    upstream: RegistryServer,
    target: RegistryServer,
    proxied: Callable[[RegistryServer], FaultyProxy],
) -> None:
    proxy, image = proxied(upstream), tiny("cancelled")
    images.push(upstream.url, "acme/app", "1", image)
    proxy.stall(layers(image))
    ferryman.environment |= {"FERRYMAN_TRANSPORT": "direct", "FERRYMAN_LEASE": "6s"}
    ferryman.items.write_text(f"items: [{{source: {proxy.host}/acme/app, target: {target.host}/m/}}]")
    service = ferryman.start("run")
    service.until("a copy in flight", proxy.stalled.is_set)

    done = ferryman.run("cancel", "app:1")
    assert (done.code, done.out) == (
        0, f"{target.host}/m/app:1: its copy is stopped; `ferryman requeue app:1` tries it again\n",
    ), done.err  # fmt: skip
    service.tells("copy_cancelled")
    [tag] = json.loads(ferryman.run("status", "app:1", "--json").out)
    assert (tag["status"], tag["error_kind"]) == ("failed", "cancelled")
    assert [each["outcome"] for each in tag["attempt_log"]] == ["cancelled"]
    assert held(target) == {}
    again, unknown = ferryman.run_all(["cancel", "app:1"], ["cancel", "app:2"])
    assert (again.code, again.err) == (1, f"error: {target.host}/m/app:1 is not being copied: it is failed\n")
    assert (unknown.code, unknown.err) == (2, "error: app has no tag '2' on record; see `ferryman status app`\n")

    proxy.mend()
    assert ferryman.run("requeue", "app:1").out == "1 tag queued\n"
    service.until("the copy", lambda: held(target).keys() == {"m/app:1"})
    assert service.stop() == 0
