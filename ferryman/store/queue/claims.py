"""Claims: the next due tags, each under a lease of its own, in one transaction.

Nothing here awaits: it runs where the database does (`Database.write_at_once`).
"""

import secrets
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql.dml import ReturningUpdate

from ferryman.clock import Clock
from ferryman.store.queue.barred import Barred, read_barred
from ferryman.store.queue.first_due import FIRST_DUE_OF_ITEMS, FIRST_DUE_OF_ROUTES
from ferryman.store.queue.statements import CLAIM, CLAIM_OF_ITEM, CLAIM_OF_ROUTE, RUNNING_BY_REGISTRY, Values
from ferryman.store.records import Job, Share

_NO_JOBS: Iterator[Job] = iter(())
_Targets = frozenset[str] | None  # None: all
ClaimRequest = tuple[_Targets, Share | None]


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims of one owner."""

    owner: str | None
    clock: Clock
    lease: timedelta

    def claim(self, connection: Connection, requests: Sequence[ClaimRequest]) -> list[Job | None]:
        """A job for each request, or None. The jobs start at the same time, so any request may get any of its tags."""
        jobs: dict[ClaimRequest, Iterator[Job]] = {}
        barred = read_barred(connection, self.clock.now())
        for request, number in Counter(requests).items():
            jobs[request] = iter(self._jobs(connection, request, number, barred))
        return [next(jobs.get(request, _NO_JOBS), None) for request in requests]

    def _jobs(self, connection: Connection, request: ClaimRequest, number: int, barred: Barred) -> list[Job]:
        """Claim up to so many. Those of a registry that has its share are counted again after every claim."""
        targets, share = request
        jobs: list[Job] = []
        while len(jobs) < number and not barred.everything:
            free, full = self._left_of_share(connection, share)
            if targets is None and not barred and not full:
                more = self._claim(connection, CLAIM, min(free or number, number - len(jobs)))
            elif targets is None and not barred.items:
                more = self._of_routes(connection, barred, full)
            else:
                more = self._of_items(connection, targets, barred, full)
            if not more:
                break
            jobs += more
        return jobs

    def _left_of_share(self, connection: Connection, share: Share | None) -> tuple[int | None, set[str]]:
        """How many tags any source registry may get, and those that have their share of this owner's workers already.

        None: as many as there are.
        """
        if share is None or len(share.registries) < 2:  # noqa: PLR2004 - no other registry to share with
            return None, set()
        running = {row[0]: row[1] for row in connection.execute(RUNNING_BY_REGISTRY, {"owner": self.owner})}
        full = {registry for registry, count in running.items() if count >= share.most}
        return share.most - max(running.values(), default=0), full

    def _of_routes(self, connection: Connection, barred: Barred, full: Collection[str]) -> list[Job]:
        """A tag of the first route that is open and has one: another process may have taken its last."""
        for source, target in connection.execute(FIRST_DUE_OF_ROUTES, {"now": self.clock.now()}).all():
            if source in full or barred.registries & {source, target}:
                continue
            if jobs := self._claim(connection, CLAIM_OF_ROUTE, 1, of_source=source, of_target=target):
                return jobs
        return []

    def _of_items(self, connection: Connection, targets: _Targets, barred: Barred, full: Collection[str]) -> list[Job]:
        """A tag of the first of these items that is open and has one."""
        for target, source in connection.execute(FIRST_DUE_OF_ITEMS, {"now": self.clock.now()}).all():
            if (targets is not None and target not in targets) or source in full or barred.holds(target, source):
                continue
            if jobs := self._claim(connection, CLAIM_OF_ITEM, 1, of_target=target):
                return jobs
        return []

    def _claim(self, connection: Connection, statement: ReturningUpdate[Any], number: int, **among: Any) -> list[Job]:
        now = self.clock.now()
        parameters: Values = {
            "number": number, "now": now,
            "lease": secrets.token_hex(16), "owner": self.owner, "expires_at": now + self.lease,
            **among,
        }  # fmt: skip
        return [_job(*row) for row in connection.execute(statement, parameters)]


def _job(*row: Any) -> Job:
    """Not by SQL: SQLite 3.40 says of every row of this table, in RETURNING, that its NULLs are not NULL."""
    *columns, target_digest, mirrored_digest = row
    return replace(Job(*columns), overwrites=target_digest is not None or mirrored_digest is not None)
