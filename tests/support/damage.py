"""What a check has found at a target, for the record of a test."""

from datetime import timedelta

from ferryman.clock import Clock
from ferryman.kinds import FindingKind, RepairOutcome
from ferryman.store.database.database import Database
from ferryman.store.records import Checked, Damage
from ferryman.store.target_checks import TargetChecks
from ferryman.wakeup import Wakeup


async def damage(
    database: Database, clock: Clock, target: str, tag: str, finding: FindingKind = "missing", *,
    found: str | None = None, detail: str | None = None, repair: RepairOutcome = "none",
) -> None:  # fmt: skip
    """A check of a mirrored tag has found this."""
    checks = TargetChecks(database, clock=clock, queued=Wakeup())
    [held] = await checks.page(target, "tags", since=clock.now() + timedelta(days=1), after=0, tag=tag, most=2)
    await checks.record([Checked(held, Damage(finding, found=found, detail=detail), repair)], "tags")
