"""`ferryman resume`: end pauses of persons."""

from collections.abc import Sequence
from pathlib import Path

import click

from ferryman.commands.actor import this_user
from ferryman.commands.options import item_arguments, items_option, registry_option
from ferryman.commands.running import load_settings, run
from ferryman.configuration import load_items
from ferryman.operations.known_items import known_items
from ferryman.operations.pauses import name_of_paused, pause_in_words, resume_work, to_resume
from ferryman.record import open_record
from ferryman.settings import Settings


@click.command
@item_arguments
@registry_option
@items_option
def command(item: tuple[str, ...], registry: tuple[str, ...], items: Path | None) -> None:
    """End the pause of items, registries or everything.

    Of every ITEM and registry that is named; without any, the pause of everything. Pauses of items and registries
    outlast a pause of everything: what is still paused is printed.
    """
    run(resume(load_settings(items), item, registry))


async def resume(settings: Settings, names: Sequence[str], registries: Sequence[str]) -> None:
    """End pauses, and print what is still paused. Raises ConfigurationError, StoreError."""
    items = load_items(settings).items
    async with open_record(settings) as record:
        known = await known_items(record, items)
        what = to_resume(known, await record.manual_pauses.read(), names, registries)
        ended = await resume_work(record, what, actor=this_user())
        paused = await record.manual_pauses.read()
    for each in what:
        click.echo(f"{name_of_paused(each, known.current)} {'goes on' if each in ended else 'was not paused'}")
    for pause in paused.all:
        click.echo(f"still: {pause_in_words(pause, known.current)}")
