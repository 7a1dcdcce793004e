"""`ferryman prune`: what the rules no longer want at the targets, and its removal."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from ferryman.application import open_application
from ferryman.commands.actor import this_user
from ferryman.commands.json_output import print_json_list
from ferryman.commands.options import item_arguments, items_option, json_option
from ferryman.commands.running import load_settings, run
from ferryman.item_names import select
from ferryman.operations.prune import PruneResult, block_or_doubt_of, prune, tags_of, unwanted_of
from ferryman.pruning.outlook import Outlook
from ferryman.pruning.removal import Removed
from ferryman.settings import Settings
from ferryman.store.records import PruneMark
from ferryman.views import text_tables
from ferryman.views.documents.prune import UnwantedTagDocument
from ferryman.views.prune_table import block_in_words, long_prune_table, refusal_in_words, stays_in_words
from ferryman.wording import counted

_INTERRUPTED = "the next cycle ends the removal that had begun, or takes it back"


@click.command
@item_arguments
@click.option("--yes", is_flag=True, help="Remove it.")
@items_option
@json_option
def command(*, item: tuple[str, ...], yes: bool, items: Path | None, as_json: bool) -> None:
    """Show what the rules no longer want at the targets, and remove it.

    Of every ITEM (default: all), by the last look. `--yes` removes now what is shown as `now`: without waiting for
    `prune.after`, but no more in a day than `prune.most` allows.
    """
    settings = load_settings(items)
    if yes:
        sys.exit(run(_remove(settings, item, as_json=as_json), interrupted=_INTERRUPTED))
    sys.exit(run(_show(settings, item, as_json=as_json)))


async def _show(settings: Settings, names: Sequence[str], *, as_json: bool) -> int:
    async with open_application(settings, engine=False, create=False) as app:
        outlooks = await unwanted_of(app, select(app.configuration.items, names))
    found = [tag for outlook in outlooks for tag in tags_of(outlook)]
    if as_json:
        print_json_list(UnwantedTagDocument.of(tag) for tag in found)
    else:
        if going := [tag for tag in found if tag.stays is None]:
            table = long_prune_table(text_tables.console())
            for tag in going:
                table.add(tag)
            table.end()
        elif not any(block_or_doubt_of(outlook) for outlook in outlooks):
            click.echo("nothing is to be removed")
        for outlook in outlooks:
            if stays := stays_in_words(tags_of(outlook)):
                click.echo(f"{outlook.item.name}: {stays}")
    for outlook in outlooks:
        _print_block(outlook, "warning")
    return 0


async def _remove(settings: Settings, names: Sequence[str], *, as_json: bool) -> int:
    """Remove, and say what came of it. Returns the exit code; 1: not all is removed that was to be."""
    gone: list[str] = []

    def tell(mark: PruneMark, result: Removed) -> None:
        if result == "removed":
            gone.append(f"{mark.target}:{mark.tag}")
            click.echo(f"{mark.target}:{mark.tag} is removed", err=as_json)
        else:
            click.echo(f"error: {mark.target}:{mark.tag} stays: {refusal_in_words(result)}", err=True)

    async with open_application(settings, engine=False, create=False) as app:
        results = await prune(app, select(app.configuration.items, names), actor=this_user(), tell=tell)
    if as_json:
        tags = [tag for each in results for tag in tags_of(each.outlook)]
        print_json_list(UnwantedTagDocument.of(tag) for tag in tags if f"{tag.target}:{tag.tag}" in gone)
    for each in results:
        _print_end(each)
    click.echo(f"{counted(len(gone), 'tag')} removed", err=as_json)
    return 0 if all(each.is_well for each in results) else 1


def _print_end(result: PruneResult) -> None:
    _print_block(result.outlook, "error")
    if result.done.error is not None:
        click.echo(f"error: {result.outlook.item.name}: {result.done.error}", err=True)


def _print_block(outlook: Outlook, level: Literal["warning", "error"]) -> None:
    if (block := block_or_doubt_of(outlook)) is not None:
        click.echo(
            f"{level}: {outlook.item.name}: nothing is removed: {block_in_words(block, outlook.unlisted)}", err=True
        )
