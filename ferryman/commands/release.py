"""`ferryman release`: let upstream's tag be copied again, or accept what the upstream of a frozen item has now."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ferryman.clock import SystemClock
from ferryman.commands.actor import this_user
from ferryman.commands.options import complete_items, items_option
from ferryman.commands.running import load_settings, run
from ferryman.configuration import load_items
from ferryman.item_names import target_and_tag
from ferryman.operations.freezes import release_item
from ferryman.operations.known_items import known_items
from ferryman.operations.tag_history import recorded_history, release_tag
from ferryman.record import Record, open_record
from ferryman.settings import Settings


@click.command
@click.argument("what", metavar="ITEM | ITEM:TAG", shell_complete=complete_items)
@items_option
def command(what: str, items: Path | None) -> None:
    """Let a tag be copied that is held or in quarantine; accept what a frozen item's upstream has now."""
    sys.exit(run(release(load_settings(items), what)))


async def release(settings: Settings, what: str) -> int:
    """Release the item or the tag. Returns the exit code; 1: nothing held it. Raises ConfigurationError, StoreError."""
    items = load_items(settings).items
    async with open_record(settings) as record:
        known = await known_items(record, items)
        targets, tag = target_and_tag(known.current, what, former=known.former)
        if tag is None:
            return await _release_items(record, sorted(targets))
        return await _release_tags(record, sorted(targets), tag)


async def _release_items(record: Record, targets: Sequence[str]) -> int:
    released = [each for each in targets if await release_item(record, each, actor=this_user())]
    for target in targets:
        if target in released:
            click.echo(f"{target} is released: the next look takes what upstream has then")
        else:
            click.echo(f"error: {target} is not frozen; `ferryman release ITEM:TAG` releases a tag", err=True)
    return 0 if released == targets else 1


async def _release_tags(record: Record, targets: Sequence[str], tag: str) -> int:
    found = await recorded_history(record, targets, tag, SystemClock().now())
    names = [each.record.target for each in found]
    released = [each for each in names if await release_tag(record, each, tag, actor=this_user())]
    for name in names:
        if name in released:
            click.echo(f"{name}:{tag} is released: what upstream has now is copied")
        else:
            click.echo(f"error: {name}:{tag} is not held", err=True)
    return 0 if released == names else 1
