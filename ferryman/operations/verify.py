"""Verify what the targets have, now in this process, or by a service."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ferryman.application import Application
from ferryman.kinds import Depth, Repair
from ferryman.operations.services import services_liveness
from ferryman.operations.subjects import items_in_words
from ferryman.record import Record
from ferryman.reference import Repository
from ferryman.store.queries.findings import Finding, read_findings
from ferryman.store.records import Checked, Intent
from ferryman.tasks import for_each_by_owner
from ferryman.verification.verifier import Verified

_ITEMS_AT_ONCE = 8
_SCHEDULING = {"run", "scheduler"}  # roles that verify
_PAGE = 500

Since = Mapping[tuple[str, str | None], datetime]  # by target, and tag if only one was verified


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be verified."""

    targets: Collection[str]
    tags: Collection[tuple[str, str]]  # single ones: target and tag


@dataclass(slots=True)
class Found:
    """What a verification of several items came to."""

    verified: Verified = field(default_factory=Verified)  # of all together
    since: dict[tuple[str, str | None], datetime] = field(default_factory=dict)
    failures: dict[str, Verified] = field(default_factory=dict)  # by target: where some could not be read


async def verify_all(
    app: Application, wanted: Wanted, depth: Depth, repair: Repair, *, actor: str, tell: Callable[[Checked], object]
) -> Found:
    """Verify all that is wanted. What was interrupted within a day goes on where it stopped. Raises StoreError."""
    subject = items_in_words([*wanted.targets, *(f"{target}:{tag}" for target, tag in wanted.tags)])
    await app.record.actions.note(Intent(actor, "verify", subject, in_words(depth, repair)))
    run, found = app.verification(depth, repair, actor=actor), Found()

    async def verify(of: tuple[str, str | None]) -> None:
        target, tag = of
        each, repository = Verified(), Repository.parse(target)
        report = run.item(repository, each, tell=_told) if tag is None else run.tag(repository, tag, each, tell=_told)
        found.since[of] = await report
        found.verified.add(each)
        if each.error is not None:
            found.failures[target] = each

    def _told(_: Repository, result: Checked) -> None:
        tell(result)

    everything = [*((target, None) for target in sorted(wanted.targets)), *sorted(wanted.tags)]
    await for_each_by_owner(everything, verify, at_once=_ITEMS_AT_ONCE, owner=lambda of: of[0].partition("/")[0])
    return found


async def findings_of(record: Record, since: Since) -> AsyncIterator[Finding]:
    """The findings since then, page by page. Raises StoreError."""
    for (target, tag), moment in sorted(since.items(), key=lambda each: each[0][0]):
        last = 0
        while True:
            async with record.database.read() as connection:
                page = await read_findings(connection, [target], tag=tag, after=last, most=_PAGE)
            if not page:
                break
            for each in page:
                if each.checked_at >= moment:
                    yield each
            last = page[-1].id


def in_words(depth: Depth, repair: Repair) -> str | None:
    """How it is verified, for the audit log; None: as usual."""
    parts = [] if depth == "tags" else [f"deep: {depth}"]
    return "; ".join([*parts, f"repair: {repair}"] if repair != "nothing" else parts) or None


async def request_verification(
    record: Record, targets: Collection[str], depth: Depth, repair: Repair, *, actor: str
) -> bool | None:
    """Let a service verify these items. False: it is asked for that; None: there is none. Raises StoreError."""
    services = await services_liveness(record)
    if not any(each.alive and each.service.role in _SCHEDULING for each in services):
        return None
    intent = Intent(actor, "verify", items_in_words(targets), in_words(depth, repair))
    return await record.verifications.request(targets, depth, repair, intent=intent)
