"""Pause and resume everything, items, or registries."""

from collections.abc import Collection, Sequence

from ferryman.item_names import Named, targets_of
from ferryman.kinds import PauseScope
from ferryman.operations.known_items import KnownItems
from ferryman.operations.subjects import EVERYTHING, registries_of, registry_named
from ferryman.record import Record
from ferryman.store.records import Intent, ManualPause, Paused

Pausable = tuple[PauseScope, str]  # as in a ManualPause
_EVERYTHING: Pausable = ("all", "")


def to_pause(known: KnownItems, names: Sequence[str], registries: Sequence[str]) -> list[Pausable]:
    """The named items and registries; without any name, everything. Raises ConfigurationError for an unknown name."""
    return _named(known.current, known.former, names, registries) or [_EVERYTHING]


def to_resume(known: KnownItems, paused: Paused, names: Sequence[str], registries: Sequence[str]) -> list[Pausable]:
    """As `to_pause`; also what was paused and is in items.yml no longer."""
    nameless = [Named(name, name, name) for name in (*paused.items, *paused.registries)]
    return _named([*known.current, *known.former, *nameless], (), names, registries) or [_EVERYTHING]


def _named(
    known: Sequence[Named], former: Sequence[Named], names: Sequence[str], registries: Sequence[str]
) -> list[Pausable]:
    hosts = registries_of(known)
    found: list[Pausable] = [("item", target) for target in sorted(targets_of(known, names, former=former))]
    return found + [("registry", registry_named(text, hosts)) for text in dict.fromkeys(registries)]


async def pause_work(
    record: Record, what: Sequence[Pausable], *, actor: str, note: str | None = None
) -> list[Pausable]:
    """Pause these: nothing of them is listed or claimed; running copies go on to their end.

    Returns those that were not paused already. Raises StoreError.
    """
    return [
        (scope, name)
        for scope, name in what
        if await record.manual_pauses.pause(scope, name, intent=Intent(actor, "pause", name or EVERYTHING, note))
    ]


async def resume_work(record: Record, what: Sequence[Pausable], *, actor: str) -> list[Pausable]:
    """End these pauses; wider and narrower ones stay. Returns those that were paused. Raises StoreError."""
    return [
        (scope, name)
        for scope, name in what
        if await record.manual_pauses.resume(scope, name, intent=Intent(actor, "resume", name or EVERYTHING))
    ]


def pauses_of(paused: Paused, known: Sequence[Named], targets: Collection[str]) -> list[ManualPause]:
    """The pauses that hold back any of these targets, each once, the widest first."""
    found = {paused.of_item(each.target, each.source) for each in known if each.target in targets}
    return [pause for pause in paused.all if pause in found]


def name_of_paused(pausable: Pausable, known: Sequence[Named]) -> str:
    """Its name in a sentence. `known`: items, for their names."""
    scope, name = pausable
    if scope == "all":
        return EVERYTHING
    if scope == "registry":
        return f"registry {name}"
    return next((each.name for each in known if each.target == name), name)


def pause_in_words(pause: ManualPause, known: Sequence[Named]) -> str:
    """The pause as a sentence."""
    what = name_of_paused((pause.scope, pause.name), known)
    note = f": {pause.note}" if pause.note else ""
    return f"{what} is paused since {pause.since:%Y-%m-%d %H:%M} UTC by {pause.actor}{note}"
