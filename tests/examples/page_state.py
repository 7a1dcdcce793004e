"""A state database as months of work leave it, for pictures of the page: always the same one."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Insert, Table

from ferryman.events import JobInfo, JobProgressed, JobStarted, LookStarted
from ferryman.store.database import tables
from ferryman.store.database.database import Database
from ferryman.versions import natural_order
from ferryman.views.running_jobs import RunningJobs

NOW = datetime(2026, 5, 20, 9, 41, 12, tzinfo=UTC)
_TARGET = "registry.example.com/mirror/"
_MIB = 1 << 20


@dataclass(frozen=True)
class _Repository:
    name: str
    source: str
    tags: int
    skipped: int
    size: int  # MiB of a tag
    newest: timedelta  # its age
    queued: int = 0
    running: int = 0
    failed: int = 0
    held: int = 0

    @property
    def target(self) -> str:
        return f"{_TARGET}{self.name}"


REPOSITORIES = (
    _Repository("etcd", "quay.io/coreos/etcd", 214, 96, 58, timedelta(hours=3), queued=9, running=2),
    _Repository("nginx", "docker.io/library/nginx", 402, 731, 71, timedelta(hours=19), queued=31, running=1),
    _Repository("redis", "docker.io/library/redis", 318, 540, 49, timedelta(days=2)),
    _Repository("postgres", "docker.io/library/postgres", 350, 611, 156, timedelta(days=5)),
    _Repository("prometheus", "quay.io/prometheus/prometheus", 187, 12, 112, timedelta(days=1)),
    _Repository("alertmanager", "quay.io/prometheus/alertmanager", 66, 4, 31, timedelta(days=12)),
    _Repository("coredns", "registry.k8s.io/coredns/coredns", 41, 8, 19, timedelta(days=31)),
    _Repository("pause", "registry.k8s.io/pause", 14, 0, 1, timedelta(days=204)),
    _Repository(
        "actions-runner", "ghcr.io/actions/actions-runner", 88, 20, 640, timedelta(hours=40), queued=4, failed=2
    ),
    _Repository("payments", "harbor.acme.example/shop/payments", 56, 3, 210, timedelta(days=3), held=3),
)
ITEMS = """\
defaults:
  target: registry.example.com/mirror/
  limit: 500
  tags: {exclude: ['.*-(rc|beta).*']}
items:
""" + "".join(f"  - {{source: {each.source}}}\n" for each in REPOSITORIES).replace(
    "coreos/etcd}",
    "coreos/etcd, platforms: [linux/amd64, linux/arm64], tags: {include: ['v3.*'], exclude: ['.*-rc.*']}}",
)
SHOWN_ITEM, SHOWN_TAG = "etcd", "v3.5.21"


def digest(text: str) -> str:
    """A digest as of this content."""
    return f"sha256:{sha256(text.encode()).hexdigest()}"


async def fill(database: Database) -> None:
    """Write it all."""
    dice = random.Random(3)
    rows: list[tuple[Table, list[dict[str, Any]]]] = []
    tags: list[dict[str, Any]] = []
    attempts: list[dict[str, Any]] = []
    digests: list[dict[str, Any]] = []
    for item in REPOSITORIES:
        for tag in _tags(item, dice):
            tag["id"] = len(tags) + 1
            tags.append(tag)
            attempts += _attempts(tag, item, dice)
            digests += _digests(tag)
    rows += [(tables.tags, tags), (tables.attempts, attempts), (tables.digests, digests)]
    rows += [(tables.looks, _looks(dice)), (tables.walks, _walks()), (tables.samples, _samples(dice))]
    rows += [(tables.registries, _registries()), (tables.services, _services()), (tables.cycles, _cycles())]
    rows += [(tables.manual_pauses, _pauses())]
    async with database.write() as connection:
        for table, values in rows:
            for start in range(0, len(values), 500):
                insert: Insert = table.insert()
                await connection.execute(insert, values[start : start + 500])


def move(running: RunningJobs, advance: Callable[[float], None]) -> None:
    """Begin the copies and the look that the pictures show. `advance`: moves the clock of `running`, in seconds."""
    jobs = [("etcd", "v3.6.1", 0.72, 3), ("etcd", "v3.6.0", 0.31, 5), ("nginx", "1.29.0-alpine", 0.08, 2)]
    infos = {}
    for name, tag, _, _ in jobs:
        item = next(each for each in REPOSITORIES if each.name == name)
        infos[tag] = JobInfo(f"key-{tag}", name, item.source, item.target, tag, 1)
        running.observe(JobStarted(infos[tag]))
    item = REPOSITORIES[4]
    for step in range(1, 9):
        advance(1.0)
        if step == 3:
            running.observe(LookStarted(item.name, item.source, item.target))
        for _, tag, share, rate in jobs:
            done = int(rate * _MIB * step * 1.7)
            running.observe(JobProgressed(infos[tag], "copy:layer", done, int(rate * _MIB * 8 * 1.7 / share)))
        running.now()


def _tags(item: _Repository, dice: random.Random) -> Iterator[dict[str, Any]]:
    statuses = ["running"] * item.running + ["queued"] * item.queued + ["failed"] * item.failed + ["held"] * item.held
    wanted = item.tags + len(statuses)
    pushed = NOW - item.newest
    for number, name in enumerate(_names(item, wanted + item.skipped)):
        status = statuses[number] if number < len(statuses) else "synced" if number < wanted else "skipped"
        pushed -= timedelta(hours=dice.randrange(5, 90))
        yield _tag(item, name, status, pushed, number)


def _tag(item: _Repository, name: str, status: str, pushed: datetime, rank: int) -> dict[str, Any]:
    source = digest(f"{item.source}:{name}")
    synced = status == "synced"
    row: dict[str, Any] = dict.fromkeys(column.name for column in tables.tags.columns)
    row |= {
        "item": item.name, "source": item.source, "target": item.target, "tag": name,
        "source_registry": item.source.partition("/")[0], "target_registry": item.target.partition("/")[0],
        "natural_order": natural_order(name),
        "status": "queued" if status == "held" else status, "rank": rank, "withdrawn": False, "attempts": 0,
        "source_digest": source, "pushed_at": pushed, "first_seen_at": pushed + timedelta(hours=2),
        "last_seen_at": NOW - timedelta(hours=2), "identical": None,
    }  # fmt: skip
    if synced:
        row |= {"mirrored_digest": source, "target_digest": source, "identical": True, "attempts": 1}
        row |= {"synced_at": pushed + timedelta(hours=3), "target_checked_at": NOW - timedelta(hours=2)}
    if status == "skipped":
        row |= {"reason": "beyond-limit" if rank % 3 else "excluded"}
    if status == "queued":
        waits = item.source.startswith("ghcr.io/")  # until a limit on requests ends
        row |= {"run_at": NOW + timedelta(minutes=11 if waits else -4), "reason": "rate-limited" if waits else None}
    if status == "held":
        row |= {"reason": "login", "error": "harbor.acme.example: 401 Unauthorized", "error_kind": "login",
                "error_registry": "harbor.acme.example", "failed_at": NOW - timedelta(hours=6)}  # fmt: skip
    if status == "running":
        row |= {"lease_token": f"t-{name}", "lease_owner": "mirror-1.1.0.1", "attempts": 1,
                "lease_expires_at": NOW + timedelta(minutes=2), "claimed_at": NOW - timedelta(seconds=40)}  # fmt: skip
    if status == "failed":
        error = f"registry.example.com: PUT /v2/mirror/{item.name}/manifests/{name}: 403 Forbidden"
        row |= {"attempts": 5, "error": error, "error_kind": "denied", "error_registry": "registry.example.com",
                "failed_at": NOW - timedelta(hours=8)}  # fmt: skip
    row["last_outcome"] = {"synced": "synced", "failed": "failed"}.get(status)
    if name == SHOWN_TAG:
        row |= {"target_digest": digest("rebuilt"), "identical": False,
                "degraded": "the provenance attestations: the target refuses their media type"}  # fmt: skip
    return row


def _names(item: _Repository, number: int) -> Iterator[str]:
    """Versions downwards."""
    yield from (("v3.6.1", "v3.6.0") if item.name == "etcd" else ("1.29.0-alpine",) if item.name == "nginx" else ())
    prefix, major, minor, patch = ("v", 3, 5, 32) if item.name == "etcd" else ("", 1 + len(item.name) % 4, 28, 19)
    for _ in range(number - {"etcd": 2, "nginx": 1}.get(item.name, 0)):
        yield f"{prefix}{major}.{minor}.{patch}"
        patch -= 1
        if patch < 0:
            minor, patch = minor - 1, 59


def _attempts(tag: dict[str, Any], item: _Repository, dice: random.Random) -> Iterator[dict[str, Any]]:
    if tag["status"] == "failed":
        outcomes = ["failed"] * 5
    elif tag["tag"] == SHOWN_TAG:
        outcomes = ["failed", "synced"]
    else:
        outcomes = ["synced"] if tag["status"] == "synced" and tag["synced_at"] > NOW - timedelta(days=30) else []
    at = tag["synced_at"] or NOW - timedelta(hours=8)
    for number, outcome in enumerate(outcomes):
        began = at - timedelta(minutes=7 * (len(outcomes) - number))
        moved = int(item.size * _MIB * dice.uniform(0.3, 1))
        error = tag["error"] or "quay.io: GET /v2/coreos/etcd/blobs/sha256:5f70…: the connection broke after 21 MiB"
        failed = outcome == "failed"
        yield {
            "tag_id": tag["id"], "started_at": began, "finished_at": began + timedelta(seconds=dice.randrange(4, 90)),
            "outcome": outcome, "digest": None if failed else tag["source_digest"],
            "bytes_moved": moved // 3 if failed else moved, "bytes_reused": 0 if failed else item.size * _MIB - moved,
            "error": error if failed else None, "error_kind": (tag["error_kind"] or "unreachable") if failed else None,
            "target": tag["target"], "error_registry": (tag["error_registry"] or "quay.io") if failed else None,
        }  # fmt: skip


def _digests(tag: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if tag["tag"] == SHOWN_TAG:
        before = digest("before")
        at = tag["first_seen_at"]
        yield {"tag_id": tag["id"], "side": "source", "digest": before, "at": at}
        yield {"tag_id": tag["id"], "side": "target", "digest": before, "at": at + timedelta(minutes=9)}
        at += timedelta(days=3)
    else:
        at = tag["first_seen_at"]
    yield {"tag_id": tag["id"], "side": "source", "digest": tag["source_digest"], "at": at}
    if tag["target_digest"]:
        yield {"tag_id": tag["id"], "side": "target", "digest": tag["target_digest"], "at": at + timedelta(hours=1)}


def _looks(dice: random.Random) -> list[dict[str, Any]]:
    rows = []
    for item in REPOSITORIES:
        for back in range(34, -1, -1):
            copied = dice.choice((0, 0, 0, 1, 2, 7)) if item.newest < timedelta(days=9) else 0
            row = {
                "target": item.target, "at": NOW - timedelta(hours=2 + 6 * back), "outcome": "looked", "error": None,
                "error_kind": None, "tags": item.tags + item.skipped, "enqueued": copied, "complete": back % 4 == 0,
                "copied": copied, "failed": 0,
            }  # fmt: skip
            if item.failed and back < 2:
                row |= {"failed": item.failed, "enqueued": 2, "copied": 0}
            if (item.held and back < 1) or (item.name == "coredns" and back == 17):
                row |= {
                    "outcome": "failed",
                    "error": f"{item.source.partition('/')[0]}: 401 Unauthorized",
                    "enqueued": 0,
                }
                row |= {"error_kind": "login", "copied": 0}
            if item.name == "pause" and back < 5:
                row |= {"outcome": "paused", "error": "paused by cli:ops@mirror-1", "enqueued": 0, "copied": 0}
            if item.queued and back == 0:
                row |= {"enqueued": item.queued + 12, "copied": 12}
            rows.append(row)
    return rows


def _walks() -> list[dict[str, Any]]:
    at = NOW - timedelta(hours=2)
    return [{"target": each.target, "walked_at": at, "completed_at": at, "rules": "{}"} for each in REPOSITORIES]


def _samples(dice: random.Random) -> list[dict[str, Any]]:
    start = NOW.replace(minute=35, second=0)
    rows = []
    for back in range(30 * 288):
        at = start - timedelta(minutes=5 * back)
        since_look = (at - datetime(2026, 5, 20, 7, 41, tzinfo=UTC)) % timedelta(hours=6) / timedelta(hours=1)
        busy = max(0.0, 1 - since_look / dice.uniform(1.2, 2.6)) * (1.4 if at.weekday() < 5 else 0.5)
        queued = int(60 * busy * dice.uniform(0.7, 1.3))
        rows.append({
            "at": at, "queued": queued, "due": queued, "running": min(queued, 4), "failed": 2,
            "latency": 420.0 * busy * dice.uniform(0.5, 1.4), "copies": queued // 4, "failures": 0,
            "bytes_moved": int(queued * 60 * _MIB * dice.uniform(0.6, 1.2)), "bytes_reused": queued * 20 * _MIB,
        })  # fmt: skip
    return rows


def _registries() -> list[dict[str, Any]]:
    return [
        {"registry": "harbor.acme.example", "until": None, "error": "401 Unauthorized: the robot account has expired",
         "since": NOW - timedelta(hours=6), "tried_at": NOW - timedelta(hours=2), "tries": 2},
        {"registry": "ghcr.io", "until": NOW + timedelta(minutes=11), "error": "429 Too Many Requests",
         "since": NOW - timedelta(minutes=4), "tried_at": None, "tries": 0},
    ]  # fmt: skip


def _services() -> list[dict[str, Any]]:
    quota = {"limit": 200, "remaining": 38, "window": 21600.0, "seen_at": (NOW - timedelta(seconds=50)).isoformat(),
             "since": (NOW - timedelta(hours=1)).isoformat()}  # fmt: skip
    limits = [
        {"host": "quay.io", "requests": 16, "copies": 4, "quota": None},
        {"host": "docker.io", "requests": 4, "copies": 2, "quota": quota},
        {"host": "ghcr.io", "requests": 1, "copies": 1, "quota": None},
        {"host": "registry.k8s.io", "requests": 16, "copies": 4, "quota": None},
        {"host": "registry.example.com", "requests": 16, "copies": 8, "quota": None},
    ]
    started = NOW - timedelta(days=23, hours=4)
    common: dict[str, Any] = {"started_at": started, "version": "1.1.0", "next_cycle_at": None, "cycle_began_at": None}
    return [
        {**common, "owner": "mirror-1.1.0.1", "role": "run", "beat_at": NOW - timedelta(seconds=6),
         "next_cycle_at": NOW + timedelta(hours=3, minutes=58), "cycle_ended_at": NOW - timedelta(hours=2),
         "details": {"jobs": [], "looks": [], "limits": limits}},
        {**common, "owner": "mirror-2.1.0.1", "role": "worker", "beat_at": NOW - timedelta(seconds=11),
         "cycle_ended_at": None, "details": {"jobs": [], "looks": [], "limits": []}},
    ]  # fmt: skip


def _cycles() -> list[dict[str, Any]]:
    at = NOW - timedelta(hours=2, minutes=1)
    return [{"owner": "mirror-1.1.0.1", "began_at": at, "ended_at": at + timedelta(minutes=1), "outcome": "done",
             "items": len(REPOSITORIES), "items_failed": 1, "enqueued": 52, "error": None}]  # fmt: skip


def _pauses() -> list[dict[str, Any]]:
    since = NOW - timedelta(days=1, hours=3)
    return [{"scope": "item", "name": f"{_TARGET}pause", "since": since, "actor": "cli:ops@mirror-1", "note": None}]
