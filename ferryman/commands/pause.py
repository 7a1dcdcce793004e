"""`ferryman pause`: pause everything, items, or registries."""

from collections.abc import Sequence
from pathlib import Path

import click

from ferryman.commands.actor import this_user
from ferryman.commands.options import item_arguments, items_option, registry_option
from ferryman.commands.running import load_settings, run
from ferryman.configuration import load_items
from ferryman.operations.known_items import known_items
from ferryman.operations.pauses import name_of_paused, pause_in_words, pause_work, to_pause
from ferryman.record import open_record
from ferryman.settings import Settings


@click.command
@item_arguments
@registry_option
@click.option("--note", metavar="TEXT", help="Why: `ferryman status` shows it.")
@items_option
def command(item: tuple[str, ...], registry: tuple[str, ...], note: str | None, items: Path | None) -> None:
    """Pause items, registries or everything until `resume`.

    Every ITEM and registry that is named; without any, everything. Nothing of it is looked at or copied, also after a
    restart. What is being copied goes on to its end: `ferryman cancel` stops it.
    """
    run(pause(load_settings(items), item, registry, note))


async def pause(settings: Settings, names: Sequence[str], registries: Sequence[str], note: str | None) -> None:
    """Pause, and print what is paused. Raises ConfigurationError, StoreError."""
    items = load_items(settings).items
    async with open_record(settings) as record:
        known = await known_items(record, items)
        what = to_pause(known, names, registries)
        new = await pause_work(record, what, actor=this_user(), note=note)
        paused = await record.manual_pauses.read()
    already = [each for each in paused.all if (each.scope, each.name) in what and (each.scope, each.name) not in new]
    for each in new:
        click.echo(f"{name_of_paused(each, known.current)} is paused, until `ferryman resume`")
    for one in already:
        click.echo(f"{pause_in_words(one, known.current)}; nothing was changed")
