"""`ferryman cancel`: stop a copy that runs."""

import sys
from pathlib import Path

import click

from ferryman.commands.actor import this_user
from ferryman.commands.options import complete_items, items_option
from ferryman.commands.running import load_settings, run
from ferryman.commands.tag_named import targets_and_tag
from ferryman.configuration import load_items
from ferryman.operations.cancel import cancel_copy
from ferryman.operations.known_items import known_items
from ferryman.operations.tags import recorded_tags
from ferryman.record import open_record
from ferryman.settings import Settings


@click.command
@click.argument("what", metavar="ITEM:TAG", shell_complete=complete_items)
@items_option
def command(what: str, items: Path | None) -> None:
    """Stop a copy that runs.

    It undoes what it has begun. The tag counts as failed; the next look tries it again, and so does `ferryman requeue`.
    """
    sys.exit(run(cancel(load_settings(items), what)))


async def cancel(settings: Settings, what: str) -> int:
    """Stop the copy. Returns the exit code; 1: the tag is not being copied. Raises ConfigurationError, StoreError."""
    items = load_items(settings).items
    async with open_record(settings) as record:
        targets, tag = targets_and_tag(await known_items(record, items), what, with_former=True)
        found = await recorded_tags(record, targets, tag, item=what.removesuffix(f":{tag}"))
        cancelled = [each for each in found if await cancel_copy(record, each.target, tag, actor=this_user())]
    for each in found:
        if each in cancelled:
            click.echo(f"{each.target}:{tag}: its copy is stopped; `ferryman requeue {what}` tries it again")
        else:
            click.echo(f"error: {each.target}:{tag} is not being copied: it is {each.status}", err=True)
    return 0 if cancelled == found else 1
