"""Whether a service's memory stays flat: `python -m benchmarks.long_run`; `--copies` for fewer than 20,000.

One `ferryman run` mirrors tiny images, a new repository of 1,000 tags in each cycle, and forgets the one before. After
each, the memory of the process is told, and the size of its database with what is recorded there. It fails if memory
grows by more than 5 % after the first thousand.
"""

import argparse
import sqlite3
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks.cold import push_warm_up
from benchmarks.installation import Running, Service, write_items
from benchmarks.job import Job
from benchmarks.processes import resident
from benchmarks.scale import FULL, Shape
from benchmarks.sources import ordinary
from benchmarks.stage import Stage
from tests.support.images import push

_ROUND = 1000  # copies
_SHAPE = Shape(repositories=1, tags=_ROUND, base_size=64, own_size=64)
_LIMIT = 3600.0  # seconds for one round
_GROWTH = 1.05
_PUSHES_AT_ONCE = 2


def main() -> int:
    """Print a line for each thousand copies. 1: memory has grown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_run", description=__doc__)
    parser.add_argument("--copies", type=int, default=20_000)
    rounds = max(2, parser.parse_args().copies // _ROUND)
    print(f"{'copies':>8}{'MiB':>8}{'ms of CPU each':>16}{'KiB of database each':>22}{'attempts':>10}", flush=True)
    with Stage(FULL) as stage, ProcessPoolExecutor(_PUSHES_AT_ONCE) as pool:  # so that this process stays small
        source, target = stage.registry(), stage.registry()
        push_warm_up(source)
        job = Job(stage.new_folder(), source.host, target.host, (_repository(0),))
        with Service().ready(job) as service:
            memory = [_round(number, job, service, pool, source.url) for number in range(rounds)]
    print(f"{memory[-1] / memory[0] - 1:+.1%} since the first {_ROUND:,}")
    return int(memory[-1] > memory[0] * _GROWTH)


def _repository(number: int) -> str:
    return f"long/run{number}"


def _round(number: int, job: Job, service: Running, pool: ProcessPoolExecutor, url: str) -> float:
    """Mirror another thousand. Returns the service's memory afterwards, in MiB."""
    repository = _repository(number)
    list(pool.map(partial(_push, url, repository), range(_ROUND)))
    before = _size(job.folder)
    write_items(job, [repository])
    cost = service.run(_LIMIT)
    memory = resident(service.pid)
    size, attempts = (_size(job.folder) - before) / _ROUND / 1024, _attempts(job.folder)
    print(
        f"{(number + 1) * _ROUND:>8,}{memory:>8.1f}{cost.cpu * 1000 / _ROUND:>16.1f}{size:>22.1f}{attempts:>10,}",
        flush=True,
    )
    return memory


def _push(url: str, repository: str, tag: int) -> None:
    push(url, repository, f"1.{tag}", ordinary(_SHAPE, repository, tag))


def _size(folder: Path) -> int:
    """Bytes of the database without its log."""
    return _database(folder).stat().st_size


def _attempts(folder: Path) -> int:
    with closing(sqlite3.connect(_database(folder))) as connection:
        (count,) = connection.execute("SELECT count(*) FROM attempts").fetchone()
    return int(count)


def _database(folder: Path) -> Path:
    return folder / "data" / "ferryman.db"


if __name__ == "__main__":
    sys.exit(main())
