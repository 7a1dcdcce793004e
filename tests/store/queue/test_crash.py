"""kill -9 at random times: the record stays consistent, whatever was being written."""

import asyncio
import random
import signal
import sys

import pytest
from sqlalchemy import text

from ferryman.store.database.database import Database, open_database
from ferryman.store.ledger import Ledger
from ferryman.store.queue.lease_owners import Owner
from ferryman.store.queue.queue import Queue
from ferryman.store.records import TagRecord
from tests.store.scene import ITEM, LEASE, MAX_ATTEMPTS, ManualClock, Scene, digest
from tests.support.measuring import unmeasured

TAGS = 300
LIVES = 12

VICTIM = f"""
import asyncio, sys
from ferryman.store.database.database import open_database
from ferryman.store.ledger import Ledger
from ferryman.store.queue.lease_owners import Owner
from ferryman.store.queue.queue import Queue
from tests.store.scene import LEASE, ManualClock, Scene

async def work(scene):
    while job := await scene.queue.claim():
        print("claimed", flush=True)
        await scene.succeed(job)

async def main():
    database = await open_database(sys.argv[1])
    owner = Owner.claim(database)
    clock = ManualClock()
    queue = Queue(database, owner=owner.name, clock=clock, lease=LEASE, max_attempts={MAX_ATTEMPTS})
    scene = Scene(queue, Ledger(database, clock=clock), clock)
    await asyncio.gather(*(work(scene) for _ in range(4)))
    await database.close()

asyncio.run(main())
"""


@pytest.mark.slow
async def test_killed_again_and_again(url: str) -> None:
    database = await open_database(url)
    owner = Owner.claim(database)
    clock = ManualClock()
    queue = Queue(database, owner=owner.name, clock=clock, lease=LEASE, max_attempts=MAX_ATTEMPTS)
    scene = Scene(queue, Ledger(database, clock=clock), clock)
    await scene.walk({f"v{number}": digest("a") for number in range(TAGS)})
    chance = random.Random(11)
    synced: set[str] = set()
    for _ in range(LIVES):
        await _live_and_die(url, claims=chance.randrange(1, 30))
        async with database.write(exclusive=True):
            pass  # a server may still be at what the dead process sent last
        known = await scene.ledger.known(ITEM.target)
        _check(known)
        assert synced <= (synced := {tag for tag, record in known.items() if record.status == "synced"})
        dead = owner.dead_owners()
        assert await queue.reclaim(dead) == sum(record.status == "running" for record in known.values())
        owner.remove(dead)
    while job := await queue.claim():
        assert job.attempt == 1, "a dead process's attempts do not count"
        await scene.succeed(job)
    assert {record.status for record in (await scene.ledger.known(ITEM.target)).values()} == {"synced"}
    assert len(await scene.history()) == TAGS
    assert await _attempts(database, "synced") == TAGS
    owner.release()
    await database.close()


async def _live_and_die(url: str, *, claims: int) -> None:
    victim = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", VICTIM, url),
        env=unmeasured(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert victim.stdout is not None
    for _ in range(claims):
        line = await victim.stdout.readline()
        assert line, (await victim.communicate())[1].decode()
    victim.send_signal(signal.SIGKILL)
    await victim.communicate()


def _check(known: dict[str, TagRecord]) -> None:
    assert len(known) == TAGS
    for record in known.values():
        assert record.status in {"queued", "running", "synced"}
        assert (record.status == "synced") == (record.mirrored_digest is not None) == (record.synced_at is not None)
        assert (record.status == "queued") == (record.run_at is not None)
        assert record.attempts == (0 if record.status == "queued" else 1)


async def _attempts(database: Database, outcome: str) -> int:
    async with database.read() as connection:
        counting = text("SELECT count(*) FROM attempts WHERE outcome = :outcome").bindparams(outcome=outcome)
        return int(await connection.scalar(counting))
