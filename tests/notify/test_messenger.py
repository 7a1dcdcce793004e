"""Telling people, from a record that the queue has written to messages that a real listener receives."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ferryman.daytime import PartOfDay
from ferryman.items.model import FAILURES, Configuration, Item, PruneRules, Recipient
from ferryman.kinds import NotifyEvent
from ferryman.notify import apprise_child
from ferryman.notify.evaluation import Evaluation
from ferryman.notify.messages import Message
from ferryman.notify.messenger import Messenger
from ferryman.reference import Repository
from ferryman.settings import Schedule
from ferryman.store.conditions import Conditions
from ferryman.store.database.database import Database, open_database
from ferryman.store.database.tables import cycles, manual_pauses
from ferryman.store.freezes import Freezes
from ferryman.store.ledger import Ledger
from ferryman.store.notices import Notices
from ferryman.store.prunes import Prunes
from ferryman.store.queue.queue import Queue
from ferryman.store.records import Intent, ItemKey, PruneMark, Walk
from ferryman.store.rollbacks import Rollbacks
from tests.conftest import ReadLog
from tests.notify.listener import Listener
from tests.store.scene import ITEM, LEASE, ManualClock, Scene, digest
from tests.support.damage import damage
from tests.support.databases import open_new_database
from tests.support.freezing import freeze

FLANNEL = ItemKey("flannel", "quay.io/coreos/flannel", "registry.example.com/mirror/flannel", None)
SECRET = "hunter2-0123456789"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FULL = shutil.disk_usage("/")._replace(total=100 * 2**30, used=0, free=50 * 2**30)
_ONE_AT_A_TIME = threading.Lock()  # a process sends one message: what it hears of it belongs to no other
# Of a library that apprise's plugins load, on Python 3.11.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


class Place(NamedTuple):
    """A database with some items, and everybody who tells of it."""

    database: Database
    clock: ManualClock
    scene: Scene
    queue: Queue
    ledger: Ledger
    listener: Listener

    def url(self, query: str = "") -> str:
        return f"json://user:{SECRET}@127.0.0.1:{self.listener.port}/hook{query}"

    def process(self, *told: Recipient, send: Any = None, page: str | None = None) -> Messenger:
        """One of the processes on this database."""
        configuration = Configuration(
            tuple(
                Item(key.name, Repository.parse(key.source), Repository.parse(key.target), prune=PruneRules())
                for key in (ITEM, FLANNEL)
            ),
            {},
            notify=told or (Recipient(self.url()),),
        )
        return Messenger(
            notices=Notices(self.database, clock=self.clock),
            evaluation=Evaluation(
                Conditions(self.database), interval=Schedule("6h"), file=self.database.file, clock=self.clock
            ),
            configuration=lambda: configuration,
            variable=None,
            page=page,
            send=send or send_in_a_thread,
            clock=self.clock,
        )

    def titles(self) -> list[str]:
        """Of what has come since the last call."""
        came = [received.json["title"].removeprefix("Ferryman: ") for received in self.listener.received]
        self.listener.received.clear()
        return came

    async def fail(self, tag: str = "v1", *, item: ItemKey = ITEM, kind: str = "denied") -> None:
        """A tag of the item fails for good."""
        await self.scene.walk({tag: digest("a")}, item=item)
        await self.scene.fail(await self.scene.claimed(), kind=kind)

    async def mend(self, tag: str = "v1", *, item: ItemKey = ITEM) -> None:
        await self.scene.walk({tag: digest("a")}, item=item)
        await self.scene.succeed(await self.scene.claimed())


async def send_in_a_thread(url: str, message: Message) -> str | None:
    """As the process that sends does it, without the process."""

    def send() -> str | None:
        with _ONE_AT_A_TIME:
            return apprise_child.send(url, message.title, message.body, failed=message.failed)

    return await asyncio.to_thread(send)


@pytest.fixture(autouse=True)
def roomy_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: FULL)


@pytest.fixture
async def place(tmp_path: Path, listener: Listener) -> AsyncIterator[Place]:
    database, clock = await open_new_database(tmp_path / "ferryman.db"), ManualClock()
    queue = Queue(database, owner="me", clock=clock, lease=LEASE, max_attempts=3)
    ledger = Ledger(database, clock=clock)
    yield Place(database, clock, Scene(queue, ledger, clock), queue, ledger, listener)
    await database.close()


async def test_an_item_that_becomes_incomplete_is_told_once_and_when_it_is_complete_again(place: Place) -> None:
    messenger = place.process(page="https://ferryman.example.com")
    await messenger.look()
    assert place.titles() == []

    await place.fail()
    place.clock.advance(MINUTE)
    await messenger.look()
    assert "https://ferryman.example.com" in place.listener.received[0].json["message"]
    assert place.titles() == ["incomplete: etcd (1 tag missing)"]

    for _ in range(3):
        place.clock.advance(HOUR)
        await messenger.look()
    assert place.titles() == []
    await place.scene.walk({"v1": digest("a")})  # the next cycle tries again: that is no recovery
    place.clock.advance(HOUR)
    await messenger.look()
    assert place.titles() == []

    await place.scene.succeed(await place.scene.claimed())
    place.clock.advance(MINUTE)
    await messenger.look()
    assert place.titles() == ["complete again: etcd"]


async def test_what_is_damaged_at_a_target_is_told_unless_it_is_repaired(place: Place) -> None:
    messenger = place.process()
    for tag in ("v1", "v2"):
        await place.mend(tag)
    await messenger.look()
    await damage(place.database, place.clock, ITEM.target, "v1", repair="queued")
    await damage(place.database, place.clock, ITEM.target, "v2", "changed", found=digest("b"))
    place.clock.advance(MINUTE)
    await messenger.look()
    assert place.titles() == ["etcd: 1 tag is damaged at the target"]

    await damage(place.database, place.clock, ITEM.target, "v2", "changed", found=digest("b"), repair="queued")
    place.clock.advance(HOUR)
    await messenger.look()
    assert place.titles() == ["whole at the target again: etcd"]


async def test_a_frozen_item_is_told_as_such_again_after_a_day_and_when_it_is_released(place: Place) -> None:
    messenger = place.process()
    await place.mend("v1")
    await messenger.look()
    await freeze(place.ledger, ITEM, "v1", now=place.clock.now())
    for _ in range(2):
        place.clock.advance(MINUTE)
        await messenger.look()
    assert place.titles() == ["etcd is frozen: upstream has lost what is mirrored"]
    place.clock.advance(DAY)
    await messenger.look()
    assert place.titles() == ["still: etcd is frozen: upstream has lost what is mirrored"]
    freezes = Freezes(place.database, clock=place.clock, released=place.queue.filled)
    await freezes.release(ITEM.target, intent=Intent("me", "release", ITEM.target))
    await place.scene.walk({"v1": digest("a")}, planned={"v1": "keep"})
    place.clock.advance(HOUR)
    await messenger.look()
    assert place.titles() == ["not frozen any more: etcd"]


async def test_what_lasts_is_told_again_after_a_day(place: Place) -> None:
    messenger = place.process()
    await place.fail()
    await messenger.look()
    place.clock.advance(DAY)
    await messenger.look()
    assert place.titles() == ["incomplete: etcd (1 tag missing)", "still: incomplete: etcd (1 tag missing)"]


async def test_what_happens_in_the_same_minute_is_one_message(place: Place) -> None:
    messenger = place.process()
    await messenger.look()
    await place.fail()
    await place.fail("v2", item=FLANNEL, kind="not-found")
    await place.queue.pause("quay.io", until=None, error="it was refused", login_fingerprint="x")
    place.clock.advance(MINUTE)
    await messenger.look()
    assert place.titles() == ["quay.io refuses the login (+1)"]


async def test_a_restart_tells_nothing_twice_and_loses_nothing(place: Place) -> None:
    place.listener.answers = [(500, {}), (200, {})]
    await place.fail()
    await place.process().look()  # this one fails, and then the process ends
    place.clock.advance(MINUTE)
    await place.process().look()
    place.clock.advance(MINUTE)
    await place.process().look()
    assert place.titles() == ["incomplete: etcd (1 tag missing)"] * 2  # the first was not taken


async def test_several_processes_tell_once(place: Place) -> None:
    """Each has connections of its own, as processes have."""
    await place.fail()
    url = f"sqlite+aiosqlite:///{place.database.file}"
    places = [place._replace(database=await open_database(url)) for _ in range(3)]
    await asyncio.gather(*(each.process().look() for each in places))
    place.clock.advance(MINUTE)
    await asyncio.gather(*(each.process().look() for each in places))
    for each in places:
        await each.database.close()
    assert place.titles() == ["incomplete: etcd (1 tag missing)"]


async def test_a_service_that_cannot_be_reached_is_tried_for_a_day_and_shown(place: Place, read_log: ReadLog) -> None:
    place.listener.otherwise = (503, {"msg": f"no room for {SECRET}"})
    messenger, notices = place.process(), Notices(place.database, clock=place.clock)
    await place.fail()
    await messenger.look()
    [failing] = await notices.failing()
    assert (failing.name, failing.error) == ("notify[1] (json)", "it answers 503: no room for ***")
    assert failing.next_at == place.clock.now() + MINUTE

    async def refuse(url: str, message: Message) -> str:
        return "it answers 503"

    messenger, tries = place.process(send=refuse), 0
    while (next_at := (await notices.failing())[0].next_at) is not None:
        place.clock.advance(next_at - place.clock.now())
        await messenger.look()
        tries += 1
        assert tries < 40
    assert 24 <= tries <= 32  # a minute, two, four … and then every hour
    lines = read_log()
    assert [line["event"] for line in lines].count("message_given_up") == 1
    assert SECRET not in str(lines)
    assert SECRET not in await everything(place.database)


async def everything(database: Database) -> str:
    """All that the database holds."""
    assert database.file is not None
    await database.checkpoint()
    return database.file.read_bytes().decode("latin-1")


async def test_quiet_hours_hold_back_all_but_a_refused_login(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferryman.daytime.minute_of_day", lambda moment: moment.hour * 60 + moment.minute)
    quiet = PartOfDay.parse("22:00-08:00")
    messenger = place.process(Recipient(place.url(), quiet=quiet))  # it is midnight
    await place.fail()
    await messenger.look()
    await place.queue.pause("quay.io", until=None, error="it was refused", login_fingerprint="x")
    place.clock.advance(HOUR)
    await messenger.look()
    assert place.titles() == ["quay.io refuses the login"]

    await place.queue.resume("quay.io")
    await place.fail("v2", item=FLANNEL, kind="not-found")
    place.clock.advance(HOUR)
    await messenger.look()
    assert place.titles() == []
    place.clock.advance(6 * HOUR)
    await messenger.look()
    assert place.titles() == ["incomplete: etcd (1 tag missing), flannel (1 tag missing) (+1)"]


async def test_what_ends_before_it_is_told_is_told_as_ended(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferryman.daytime.minute_of_day", lambda moment: moment.hour * 60 + moment.minute)
    messenger = place.process(Recipient(place.url(), quiet=PartOfDay.parse("22:00-08:00")))
    await place.fail()
    await messenger.look()
    await place.mend()
    place.clock.advance(HOUR)
    await messenger.look()
    place.clock.advance(7 * HOUR)
    await messenger.look()
    assert place.titles() == ["complete again: etcd"]


async def test_each_recipient_has_its_events_and_language(place: Place) -> None:
    login: frozenset[NotifyEvent] = frozenset({"login"})
    told = (
        Recipient(place.url("?+to=all"), FAILURES, "zh"),
        Recipient(place.url("?+to=login"), login),
    )
    messenger = place.process(*told)
    await place.fail()
    await messenger.look()
    assert place.titles() == ["同步不完整：etcd（缺 1 个 Tag）"]
    await place.queue.pause("quay.io", until=None, error="it was refused", login_fingerprint="x")
    place.clock.advance(MINUTE)
    await messenger.look()
    assert sorted(place.titles()) == ["quay.io refuses the login", "quay.io 拒绝登录"]
    await place.queue.resume("quay.io")
    place.clock.advance(HOUR)
    await messenger.look()
    assert place.titles() == ["quay.io 恢复登录"]


async def test_a_registry_that_answers_nobody_is_told_after_two_cycles(place: Place) -> None:
    messenger = place.process()

    async def cycle(*items: ItemKey) -> None:
        for item in items:
            error = "quay.io: cannot connect"
            await place.ledger.note_lookup_failure(
                item, error, now=place.clock.now(), kind="unreachable", registry="quay.io"
            )
        place.clock.advance(6 * HOUR)
        await messenger.look()

    await cycle(ITEM)
    await cycle(ITEM)  # flannel is read: the registry is there, and only etcd has a problem
    assert place.titles() == ["incomplete: etcd (cannot be listed)"]
    await cycle(ITEM, FLANNEL)
    assert place.titles() == ["quay.io cannot be reached"]

    for item in (ITEM, FLANNEL):
        now = place.clock.now()
        await place.queue.apply(item, [], gone=[], planned=[], walk=Walk(now, now, "rules"))
    place.clock.advance(HOUR)
    await messenger.look()
    assert place.titles() == ["quay.io can be reached again (+1)"]  # and etcd is complete again


async def test_nothing_that_succeeds_for_two_intervals_is_told(place: Place) -> None:
    messenger = place.process()
    await place.mend()
    await place.scene.walk({"v2": digest("b")})  # due, and nobody copies it
    for _ in range(2):
        place.clock.advance(6 * HOUR)
        await messenger.look()
    assert place.titles() == []
    place.clock.advance(MINUTE)
    await messenger.look()
    assert place.titles() == []  # no cycle is recorded: nothing is known of one that should have been
    await begin_cycle(place)
    place.clock.advance(13 * HOUR)
    await messenger.look()
    assert place.titles() == ["nothing succeeds any more"]
    async with place.database.write() as connection:
        pause = {"scope": "all", "name": "", "since": place.clock.now(), "actor": "me"}
        await connection.execute(manual_pauses.insert(), pause)
    place.clock.advance(HOUR)
    await messenger.look()
    assert place.titles() == []  # what a person pauses does not succeed either: it is not over
    async with place.database.write() as connection:
        await connection.execute(manual_pauses.delete())
    await place.scene.succeed(await place.scene.claimed())
    await messenger.look()
    place.clock.advance(HOUR)
    await messenger.look()
    assert place.titles() == ["the work goes on again"]


async def begin_cycle(place: Place) -> None:
    async with place.database.write() as connection:
        await connection.execute(
            cycles.insert(),
            [{"owner": "me", "began_at": place.clock.now(), "items": 1, "items_failed": 0, "enqueued": 0}],
        )


async def test_a_version_tag_that_is_held_is_told_until_a_person_decides(place: Place) -> None:
    messenger, tag = place.process(), "1.2.3"
    await place.scene.walk({tag: digest("a")}, holds_changes=True)
    await place.scene.succeed(await place.scene.claimed())
    await place.scene.walk({tag: digest("b")}, holds_changes=True)
    place.clock.advance(MINUTE)
    await messenger.look()
    assert place.titles() == ["etcd: upstream changed 1 version tag, which is held"]
    changes = Rollbacks(place.database, clock=place.clock, queued=place.scene.queue.filled)
    assert await changes.keep(ITEM.target, tag, intent=Intent("me", "keep", tag))
    place.clock.advance(HOUR)
    await messenger.look()
    assert place.titles() == ["no version tag is held any more: etcd"]


async def test_marked_tags_are_told_who_wants_to_know_and_again_when_there_are_more(place: Place) -> None:
    messenger = place.process(Recipient(place.url(), frozenset({"prune"})))
    prunes = Prunes(place.database, clock=place.clock)
    await place.scene.walk({tag: digest("a") for tag in ("v1", "v2")})

    async def mark(*names: str) -> None:
        known = {each.tag: each for each in await prunes.marks([ITEM.target])}
        await prunes.settle(ITEM.target, [known.get(name) or await marked(name) for name in names])
        await messenger.look()

    async def marked(name: str) -> PruneMark:
        record, now = await place.ledger.tag(ITEM.target, name), place.clock.now()
        assert record is not None
        return PruneMark(record.id, record.target, record.tag, "beyond-limit", now, now + DAY)

    due = place.clock.now() + DAY
    await mark("v1")
    lines = place.listener.received[0].json["message"].splitlines()
    assert place.titles() == ["etcd: prune is to remove 1 tag from the target"]
    assert lines[:2] == ["v1", f"The first goes at {due:%Y-%m-%d %H:%M} UTC at the earliest."]
    assert "`protect`" in lines[2]
    place.clock.advance(2 * DAY)
    await mark("v1")
    assert place.titles() == []
    place.clock.advance(MINUTE)
    await mark("v1", "v2")
    assert place.listener.received[0].json["message"].startswith("v2, v1\n")
    assert place.titles() == ["etcd: prune is to remove 2 tags from the target"]
    place.clock.advance(HOUR)
    await mark()
    assert place.titles() == []  # only those are told of an end who are told of recoveries


async def test_a_version_that_upstream_changes_is_told_who_wants_to_know(place: Place) -> None:
    everything_: frozenset[NotifyEvent] = frozenset({"changed"})
    messenger = place.process(Recipient(place.url(), everything_))
    tags = ("1.2.3", "v1.2.4-alpine", "latest", "1.2")
    await place.scene.walk({tag: digest("a") for tag in tags})
    await messenger.look()
    place.clock.advance(HOUR)
    await place.scene.walk({tag: digest("b") for tag in tags})
    await messenger.look()
    message = place.listener.received[0].json["message"]
    assert place.titles() == ["upstream changed 2 version tags"]
    assert sorted(message.split(", ")) == ["etcd:1.2.3", "etcd:v1.2.4-alpine"]
    place.clock.advance(DAY)
    await messenger.look()
    await place.process(Recipient(place.url(), everything_)).look()
    assert place.titles() == []


async def test_a_disk_that_fills_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    messenger, free = place.process(), [2**29]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: FULL._replace(free=free[0]))
    await messenger.look()
    assert place.titles() == ["only 512 MiB are free on the state database's disk"]
    free[0] = 2**30 + 2**20  # hardly more: it may fill again
    place.clock.advance(HOUR)
    await messenger.look()
    assert place.titles() == []
    free[0] = 2**31
    place.clock.advance(HOUR)
    await messenger.look()
    assert place.titles() == ["there is room again on the state database's disk"]


async def test_a_database_that_fails_is_told_from_memory(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    messenger = place.process()
    await messenger.look()
    with monkeypatch.context() as patch:
        patch.setattr("ferryman.store.notices._DECIDED", None)  # the database refuses a mark without a name
        for minutes in (0, 1, 1, 1):
            place.clock.advance(minutes * MINUTE)
            await messenger.look()
        assert place.titles() == ["the state database fails"]
        place.clock.advance(DAY)
        await messenger.look()
        assert place.titles() == ["the state database fails"]
    await messenger.look()
    await messenger.look()
    assert place.titles() == ["the state database works again"]


async def test_nobody_who_is_told_costs_nothing(place: Place) -> None:
    messenger = Messenger(
        notices=Notices(place.database, clock=place.clock),
        evaluation=Evaluation(Conditions(place.database), interval=Schedule("6h"), file=None, clock=place.clock),
        configuration=lambda: Configuration((), {}),
        variable=None,
        page=None,
        send=send_in_a_thread,
        clock=place.clock,
    )
    await place.fail()
    await place.database.close()
    await messenger.look()
    assert place.titles() == []


async def test_a_message_that_is_being_sent_when_the_service_stops_is_not_sent_again(place: Place) -> None:
    sending, may_end = asyncio.Event(), asyncio.Event()
    sent: list[str] = []

    async def slowly(url: str, message: Message) -> None:
        sending.set()
        await may_end.wait()
        sent.append(message.title)

    await place.fail()
    look = asyncio.create_task(place.process(send=slowly).look())
    async with asyncio.timeout(30):
        await sending.wait()
    look.cancel()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await look
    place.clock.advance(HOUR)
    await place.process(send=slowly).look()
    assert sent == ["Ferryman: incomplete: etcd (1 tag missing)"]


async def test_hostile_names_and_errors_reach_nobody(place: Place) -> None:
    hostile = "\x1b[31m<!channel> @all **x** [y](http://evil.example)\u202e\n# z"
    await place.scene.walk({"v1": digest("a")})
    job = await place.scene.claimed()
    await place.queue.fail(job, started_at=place.clock.now(), kind="denied", error=hostile, retry_at=None)
    await place.process().look()

    [received] = place.listener.received
    text = f"{received.json['title']}{received.json['message']}"
    assert "evil.example" in text
    assert not set(text) & set("<>@*[]`\x1b\u202e")
    assert "\n#" not in text
