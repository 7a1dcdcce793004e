"""`ferryman plan`: what `sync` would do."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ferryman.application import open_application
from ferryman.commands.json_output import print_json_list
from ferryman.commands.options import item_arguments, items_option, json_option
from ferryman.commands.running import load_settings, run
from ferryman.item_names import select
from ferryman.operations.plan import plan_items
from ferryman.scheduler import ItemLookup
from ferryman.settings import Settings
from ferryman.views import text_tables
from ferryman.views.documents.plan import plan_documents
from ferryman.views.lookup_failures import grouped_by_cause
from ferryman.views.plan_table import plan_table


@click.command
@item_arguments
@items_option
@json_option
def command(item: tuple[str, ...], items: Path | None, as_json: bool) -> None:
    """Show what `sync` would do with every tag, and why. Copies nothing."""
    sys.exit(run(plan(load_settings(items), item, as_json=as_json)))


async def plan(settings: Settings, names: Sequence[str], *, as_json: bool) -> int:
    """Print what `sync` would do. Returns the exit code; 1: some items or tags could not be read."""
    async with open_application(settings, engine=False, create=False) as app:
        planned = await plan_items(app, select(app.configuration.items, names))
    for each in planned.looked:
        _print_warnings(each)
    for message in grouped_by_cause(planned.failures):
        click.echo(f"error: {message}", err=True)
    if as_json:
        print_json_list(plan_documents(planned.looked))
    else:
        text_tables.console().print(plan_table(planned.looked))
        for each in planned.looked:
            click.echo(f"{each.item.name}: {each.item.source} → {each.item.target}")
    return 0 if planned.is_complete else 1


def _print_warnings(looked: ItemLookup) -> None:
    item = looked.item
    for pin in looked.absent_pins:
        click.echo(f"warning: {item.name}: {item.source} has no tag {pin}, which is pinned", err=True)
    for pattern in looked.unmatched_includes:
        click.echo(f"warning: {item.name}: no tag of {item.source} matches {pattern!r} of include", err=True)
