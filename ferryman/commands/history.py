"""`ferryman history`: what a tag named at its target, and when."""

from pathlib import Path

import click

from ferryman.clock import SystemClock
from ferryman.commands.json_output import print_json_list
from ferryman.commands.options import complete_items, items_option, json_option
from ferryman.commands.running import load_settings, run
from ferryman.commands.tag_named import targets_and_tag
from ferryman.configuration import load_items
from ferryman.operations.known_items import known_items
from ferryman.operations.tag_history import recorded_history
from ferryman.record import open_record
from ferryman.settings import Settings
from ferryman.views import text_tables
from ferryman.views.documents.tag_history import TagHistoryDocument
from ferryman.views.history_table import history_table


@click.command
@click.argument("what", metavar="ITEM:TAG", shell_complete=complete_items)
@items_option
@json_option
def command(what: str, items: Path | None, as_json: bool) -> None:
    """Show what a tag named at its target, since when, and which of it can be put back."""
    run(history(load_settings(items), what, as_json=as_json))


async def history(settings: Settings, what: str, *, as_json: bool) -> None:
    """Print the history of the tag, at each target of that name. Raises ConfigurationError, StoreError."""
    configuration = load_items(settings)
    async with open_record(settings) as record:
        targets, tag = targets_and_tag(await known_items(record, configuration.items), what)
        found = await recorded_history(record, targets, tag, SystemClock().now())
    periods = {str(item.target): item.history for item in configuration.items}
    if as_json:
        print_json_list(TagHistoryDocument.of(each, periods[each.record.target]) for each in found)
        return
    for each in found:
        text_tables.console().print(history_table(each, periods[each.record.target]))
        if (words := text_tables.held_in_words(each.record)) is not None:
            click.echo(f"{each.record.target}:{tag} is {words}")
