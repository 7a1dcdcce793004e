"""Times what reads everything, on a record of 2,000 items with 150 tags each: `python -m benchmarks.big_tables`.

Nothing is new. A stand-in for Google's registry on loopback lists each repository with digests and times in one answer,
from this process; only Ferryman's own processes are measured. One more item, of which `status` alone knows, has 50,000
tags. `--items` makes a smaller record; names of cases choose among them.
"""

import argparse
import asyncio
import json
import signal
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from benchmarks.large_record import column, insert
from benchmarks.measured import measure
from benchmarks.processes import cpu, peak
from ferryman import planner
from ferryman.items.model import Rules
from ferryman.versions import natural_order
from tests.support import ferryman
from tests.support.databases import open_new_database
from tests.support.upstreams import Google, made_up_digest

_TAGS, _WANTED = 150, 100  # of an item
_MANY, _MANY_TAGS = "many", 50_000  # the one more item
_TARGET = "registry.example.com"
_NOW = datetime.now(UTC).replace(microsecond=0)
# By process. The first cycle reads every row, as after an upgrade; the others are quiet, also in a new process.
_CYCLES = (("every row is read",), ("of a new process", "further"))
_LONGEST = 3600.0  # seconds of a case
_COMMANDS = {
    "plan": ["plan"],
    "plan --json": ["plan", "--json"],
    "status --all": ["status", "--all"],
    "status --all --json": ["status", "--all", "--json"],
    "status ITEM": ["status", "many", "--items", "many.yml"],
    "status ITEM --json": ["status", "many", "--json", "--items", "many.yml"],
}


class _Lists(Google):
    """All repositories hold the same tags: one document, in which only the repository's name differs."""

    def __init__(self) -> None:
        super().__init__()
        for number in range(_TAGS):
            self.put("", _name(number), pushed_at=_pushed_at(number), digest=made_up_digest(_name(number)))

    async def _tags_list(self, request: web.Request) -> web.Response:
        return self.tags_list(request, request.match_info["repository"])

    def tags_list(self, request: web.Request, repository: str) -> web.Response:
        if not hasattr(self, "_document"):
            self._document = str(super().tags_list(request, "").text)
        name = json.dumps({"name": repository})[1:-1]
        return web.Response(text=self._document.replace('"name": ""', name), content_type="application/json")


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.big_tables", description=__doc__)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"one of cycles, {', '.join(_COMMANDS)}; default: all")
    arguments = parser.parse_args()
    chosen = arguments.cases or ["cycles", *_COMMANDS]
    with tempfile.TemporaryDirectory(prefix="ferryman-benchmark-") as folder, _Lists() as upstream:
        installed = _install(Path(folder), upstream.host, arguments.items)
        print(f"{'':<28}{'seconds':>10}{'of CPU':>10}{'MiB':>10}", flush=True)
        if "cycles" in chosen:
            _run_cycles(installed)
        for name, command in _COMMANDS.items():
            if name in chosen:
                _run_command(installed, name, command)


def _run_cycles(installed: ferryman.Ferryman) -> None:
    """The cycles of each process; each SIGHUP brings the next one, after reading items.yml again."""
    number = 0
    for names in _CYCLES:
        scheduler = installed.start("scheduler", FERRYMAN_NOTIFY="")
        before = 0.0
        try:
            for place, name in enumerate(names):
                if place:
                    scheduler.send(signal.SIGHUP)
                number += 1
                took, after = _await_cycle(installed, scheduler, number), cpu(scheduler.pid)
                _print(f"cycle {number}, {name}", took, after - before, peak(scheduler.pid) / 2**20)
                before = after
        finally:
            scheduler.stop()
    [(outcomes, enqueued)] = _query(installed, "SELECT group_concat(DISTINCT outcome), sum(enqueued) FROM cycles")
    if (outcomes, enqueued) != ("done", 0):
        raise RuntimeError(f"there was something new: {outcomes}, {enqueued} enqueued\n{scheduler.log[-4000:]}")


def _await_cycle(installed: ferryman.Ferryman, scheduler: ferryman.Running, number: int) -> float:
    """Wait until so many cycles have ended. Returns the seconds."""
    began = time.perf_counter()
    while _ended_cycles(installed) < number:
        if scheduler.ended or time.perf_counter() - began > _LONGEST:
            raise RuntimeError(f"no cycle has ended\n{scheduler.log[-4000:]}")
        time.sleep(0.1)
    return time.perf_counter() - began


def _run_command(installed: ferryman.Ferryman, name: str, command: list[str]) -> None:
    measured = measure(
        [ferryman.PROGRAM, *command], folder=installed.folder, environment=installed.environment, limit=_LONGEST
    )
    _print(name, measured.wall, measured.cpu, measured.rss / 2**20)


def _print(name: str, wall: float, of_cpu: float, most: float) -> None:
    print(f"{name:<28}{wall:>10.2f}{of_cpu:>10.2f}{most:>10.0f}", flush=True)


def _ended_cycles(installed: ferryman.Ferryman) -> int:
    [(number,)] = _query(installed, "SELECT count(*) FROM cycles WHERE ended_at IS NOT NULL")
    return int(number)


def _query(installed: ferryman.Ferryman, query: str) -> list[Any]:
    with closing(sqlite3.connect(installed.database)) as connection:
        return connection.execute(query).fetchall()


def _install(folder: Path, host: str, items: int) -> ferryman.Ferryman:
    """An installation that has mirrored everything, and whose targets need no check yet."""
    environment = {"FERRYMAN_TRANSPORT": "direct"}
    installed = ferryman.Ferryman(folder, engine="unix:///nonexistent/docker.sock", environment=environment)
    names = [f"image{number}" for number in range(items)]
    for name, listed in {"items.yml": names, "many.yml": [*names, _MANY]}.items():
        lines = (f"  - source: {_source(host, item)}\n" for item in listed)
        (folder / name).write_text(
            f"defaults: {{target: {_TARGET}/mirror/, limit: {_WANTED}}}\n"
            f"registries: {{'{host}': {{lister: google}}}}\nitems:\n{''.join(lines)}"
        )
    asyncio.run(_create(installed.database))
    with closing(sqlite3.connect(installed.database)) as connection, connection:
        insert(connection, "tags", _tags(host, names))
        insert(connection, "walks", _walks(host, names))
    return installed


async def _create(file: Path) -> None:
    await (await open_new_database(file)).close()


def _tags(host: str, items: list[str]) -> Iterator[dict[str, Any]]:
    for item in [*items, _MANY]:
        for number in range(_MANY_TAGS if item == _MANY else _TAGS):
            wanted = number < _WANTED or item == _MANY
            digest = made_up_digest(_name(number))
            yield {
                "item": item, "target": _target(item), "target_registry": _TARGET,
                "source": _source(host, item), "source_registry": host,
                "tag": _name(number), "natural_order": natural_order(_name(number)),
                "status": "synced" if wanted else "skipped", "reason": None if wanted else "beyond-limit",
                "rank": number, "withdrawn": 0, "attempts": 1 if wanted else 0,
                "source_digest": digest,
                "pushed_at": column(_pushed_at(number)), "upstream_since": column(_pushed_at(number)),
                "first_seen_at": column(_NOW), "last_seen_at": column(_NOW),
                "mirrored_digest": digest if wanted else None, "target_digest": digest if wanted else None,
                "identical": 1 if wanted else None, "synced_at": column(_NOW) if wanted else None,
                "target_checked_at": column(_NOW) if wanted else None,
            }  # fmt: skip


def _walks(host: str, items: list[str]) -> Iterator[dict[str, Any]]:
    for item in items:
        yield {
            "target": _target(item), "walked_at": column(_NOW), "completed_at": column(_NOW),
            "rules": planner.rules_fingerprint(Rules(limit=_WANTED), None, _source(host, item)),
        }  # fmt: skip


def _source(host: str, item: str) -> str:
    return f"{host}/upstream/{item}"


def _target(item: str) -> str:
    return f"{_TARGET}/mirror/{item}"


def _name(number: int) -> str:
    """The name of a tag: the first ones are the newest."""
    number = _MANY_TAGS - number
    return f"1.{number // 100}.{number % 100}-alpine"


def _pushed_at(number: int) -> datetime:
    return _NOW - timedelta(hours=number)


if __name__ == "__main__":
    main()
