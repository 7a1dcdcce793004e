"""Act on what was named, ITEM:TAG or ITEM, at each target that has it, and say what came of each."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import click

from ferryman.commands.actor import this_user
from ferryman.commands.tag_named import targets_and_tag
from ferryman.configuration import load_items
from ferryman.item_names import target_and_tag
from ferryman.operations.known_items import KnownItems, known_items
from ferryman.operations.tags import recorded_tags
from ferryman.record import Record, open_record
from ferryman.settings import Settings


@dataclass(frozen=True, slots=True)
class Action:
    """What is done, and the sentences about it.

    In these `{name}` is the target, or its tag, `{what}` what was named, and `{status}` the tag's, before.
    """

    act: Callable[..., Awaitable[bool]]  # takes the record, the target, its tag if there is one, and `actor`
    done: str
    refused: str  # `act` has returned False


async def act_on_each(
    settings: Settings, what: str, on_tag: Action, *, on_item: Action | None = None, with_former: bool = False
) -> int:
    """Act, and print what came of it. Returns the exit code; 1: one was refused. Raises ConfigurationError, StoreError.

    `on_item`: for an ITEM; None: it has to be an ITEM:TAG. `with_former`: former items can be named, too.
    """
    items = load_items(settings).items
    async with open_record(settings) as record:
        known = await known_items(record, items)
        if on_item is not None and (targets := _whole_items(known, what)):
            return await _each(record, what, {(target,): "" for target in targets}, on_item)
        targets, tag = targets_and_tag(known, what, with_former=with_former)
        found = await recorded_tags(record, targets, tag, item=what.removesuffix(f":{tag}"))
        return await _each(record, what, {(each.target, tag): each.status for each in found}, on_tag)


def _whole_items(known: KnownItems, what: str) -> list[str]:
    """The targets, if this names no tag."""
    targets, tag = target_and_tag(known.current, what, former=known.former)
    return sorted(targets) if tag is None else []


async def _each(record: Record, what: str, statuses: Mapping[tuple[str, ...], str], action: Action) -> int:
    refused = 0
    for subject, status in statuses.items():
        facts = {"name": ":".join(subject), "what": what, "status": status}
        if await action.act(record, *subject, actor=this_user()):
            click.echo(action.done.format(**facts))
        else:
            click.echo(f"error: {action.refused.format(**facts)}", err=True)
            refused += 1
    return 1 if refused else 0
