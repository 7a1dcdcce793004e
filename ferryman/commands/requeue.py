"""`ferryman requeue`: queue failed tags, an item or a tag again."""

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from ferryman.commands.actor import this_user
from ferryman.commands.options import complete_items, items_option
from ferryman.commands.running import load_settings, run
from ferryman.configuration import load_items
from ferryman.item_names import target_and_tag
from ferryman.operations.known_items import known_items
from ferryman.operations.requeue import requeue_tags
from ferryman.operations.tags import recorded_tags
from ferryman.record import open_record
from ferryman.settings import Settings
from ferryman.wording import counted


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete `failed` and the names of items."""
    words = [CompletionItem("failed")] if "failed".startswith(incomplete) else []
    return words + complete_items(ctx, param, incomplete)


@click.command
@click.argument("what", metavar="failed | ITEM | ITEM:TAG", shell_complete=_complete)
@items_option
def command(what: str, items: Path | None) -> None:
    """Try again: everything that failed, an item, or one tag. Also lets paused registries go."""
    run(requeue(load_settings(items), what))


async def requeue(settings: Settings, what: str) -> None:
    """Queue again, in a new round: everything that failed, an item, or one tag. Raises ConfigurationError.

    Former items are left unchanged.
    """
    items = load_items(settings).items  # raises for an invalid items.yml, with which no item would be a former one
    async with open_record(settings) as record:
        known = await known_items(record, items)
        if what == "failed":
            result = await requeue_tags(record, known.targets, only_failed=True, actor=this_user())
        else:
            targets, tag = target_and_tag(known.current, what, former=known.former)
            if tag is not None:
                await recorded_tags(record, targets, tag, item=what.removesuffix(f":{tag}"))
            result = await requeue_tags(record, targets, tag=tag, actor=this_user())
    click.echo(f"{counted(result.queued, 'tag')} queued")
    if result.held:
        click.echo(f"{what} is held: `ferryman release {what}` lets what upstream has now be copied")
    if result.unreadable:
        click.echo(f"{counted(result.unreadable, 'tag')} could not be read upstream, and every look tries that again")
    for target in sorted(result.frozen):
        click.echo(f"{target} is frozen, and nothing of it is copied: see `ferryman status`")
    if result.paused and not result.frozen:
        click.echo(f"{counted(result.paused, 'tag waits', 'tags wait')} for `ferryman resume`: see `ferryman status`")
