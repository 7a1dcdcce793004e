"""A site whose record has tags in every state, beside an upstream that can be listed."""

from dataclasses import replace
from typing import Any

from ferryman.application import Application
from ferryman.clock import SystemClock
from ferryman.store.records import ItemKey, Job, Look, PlannedTag, SeenTag, Walk
from tests.support.upstreams import Upstream, made_up_digest
from tests.web.support import READ_TOKEN, TOKEN

TOKENS: dict[str, Any] = {"FERRYMAN_TOKEN": TOKEN, "FERRYMAN_READ_TOKEN": READ_TOKEN}
# A tag cannot have such a name; errors can hold anything, and so can what a client sends.
HOSTILE = "<script>alert(1)</script>\"'&\u202e\x1b[31m\u2028\r\nX-Injected: 1\n\ndata: x"


def items_yml(upstream: Upstream) -> str:
    """Two items: one at the upstream, and one that nobody can list."""
    return (
        f"defaults: {{target: registry.example.com/mirror/}}\nitems:\n- source: {upstream.host}/coreos/etcd\n"
        "- {source: 127.0.0.1:9/library/other, target: registry.example.com/other}\n"
    )


async def fill(app: Application) -> None:
    """Of etcd's tags, v3.6.0 is synced, .1 failed, .2 waits for a retry, .3 runs, .4 is due, .5 is skipped."""
    item = app.configuration.items[0]
    key = ItemKey(item.name, str(item.source), str(item.target), None)
    names = [f"v3.6.{number}" for number in range(6)]
    *wanted, excluded = (PlannedTag(name, "copy", "new", rank) for rank, name in enumerate(names))
    now = SystemClock().now()
    await app.record.queue.apply(
        key,
        [SeenTag(name, made_up_digest(name), now) for name in names],
        gone=(),
        planned=[*wanted, replace(excluded, action="skip", reason="excluded")],
        walk=Walk(now, now, "rules"),
        look=Look(len(names), True),
    )  # fmt: skip
    queue = app.record.queue
    jobs: list[Job] = [job for _ in range(4) if (job := await queue.claim())]
    await queue.succeed(
        jobs[0], started_at=now, target_digest=made_up_digest("t"), identical=True, bytes_moved=7, bytes_reused=5
    )
    await queue.fail(jobs[1], started_at=now, kind="denied", error=f"no: {HOSTILE}", retry_at=None)
    await queue.fail(
        jobs[2], started_at=now, kind="unreachable", error="gone", registry=item.target.registry,
        retry_at=now.replace(year=now.year + 1),
    )  # fmt: skip
    await app.record.services.heartbeat(app.owner.name, "run")
    await app.record.samples.take(now)
    for _ in range(3):
        cycle = await app.record.cycles.begin(app.owner.name, items=2, now=now)
        await app.record.cycles.end(cycle, outcome="done", now=now, items_failed=1, enqueued=5)
