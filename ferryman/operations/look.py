"""Let the scheduler of whichever process look at items now."""

from collections.abc import Collection
from dataclasses import dataclass

from ferryman.operations.services import services_liveness
from ferryman.operations.subjects import EVERYTHING, items_in_words
from ferryman.record import Record
from ferryman.store.look_requests import ALL_ITEMS
from ferryman.store.records import Intent

_LOOKING = {"run", "scheduler"}  # roles that look


@dataclass(frozen=True, slots=True)
class LookRequested:
    """What came of a request."""

    is_new: bool  # False: all of it is requested already, and not begun
    scheduler: bool  # False: no process would take it up, so nothing was recorded


async def request_look(record: Record, targets: Collection[str] | None, *, actor: str) -> LookRequested:
    """Ask for a look at these items (None: at all of them) as soon as possible. Raises StoreError.

    A scheduler takes it up within seconds, or a minute after it took up the last request for the same items: so what
    many webhooks ask for within a minute becomes one look, which begins after the last of them.
    """
    if not await _somebody_looks(record):
        return LookRequested(is_new=False, scheduler=False)
    subject = EVERYTHING if targets is None else items_in_words(targets)
    intent = Intent(actor, "look", subject)
    wanted = [ALL_ITEMS] if targets is None else sorted(targets)
    return LookRequested(is_new=await record.look_requests.add(wanted, intent=intent), scheduler=True)


async def request_probes(record: Record, targets: Collection[str], *, actor: str) -> None:
    """Have upstream asked at once for the tags of these items that are queued again, or could not be read.

    Without a scheduler that is alive, the next cycle asks. Raises StoreError.
    """
    if targets and await _somebody_looks(record):
        await record.look_requests.add_for_due_tags(targets, actor=actor)


async def _somebody_looks(record: Record) -> bool:
    return any(each.alive and each.service.role in _LOOKING for each in await services_liveness(record))
