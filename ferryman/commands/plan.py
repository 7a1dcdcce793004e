"""`ferryman plan`: what `sync` would do."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ferryman.application import open_application
from ferryman.commands.json_output import print_json_list
from ferryman.commands.options import item_arguments, items_option, json_option
from ferryman.commands.running import load_settings, run
from ferryman.errors import TransferError
from ferryman.item_names import select
from ferryman.scheduler import ItemLookup
from ferryman.settings import Settings
from ferryman.store.ledger import LookupFailure
from ferryman.views import text_tables
from ferryman.views.json_documents import plan_documents
from ferryman.views.lookup_failures import grouped_by_cause


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
        items = select(app.configuration.items, names)
        scheduler = app.scheduler()
        lookups = (scheduler.look(app.configuration, item) for item in items)
        results = await asyncio.gather(*lookups, return_exceptions=True)
    looked, failures = [], []
    for item, result in zip(items, results, strict=True):
        if isinstance(result, ItemLookup):
            looked.append(result)
            for pin in result.absent_pins:
                click.echo(f"warning: {item.name}: {item.source} has no tag {pin}, which is pinned", err=True)
            for pattern in result.unmatched_includes:
                click.echo(f"warning: {item.name}: no tag of {item.source} matches {pattern!r} of include", err=True)
        elif isinstance(result, TransferError):
            failures.append(LookupFailure(item.name, str(item.source), str(item.target), None, str(result)))
        else:
            raise result
    for message in grouped_by_cause(failures):
        click.echo(f"error: {message}", err=True)
    if as_json:
        print_json_list(plan_documents(looked))
    else:
        text_tables.console().print(text_tables.plan_table(looked))
        for each in looked:
            click.echo(f"{each.item.name}: {each.item.source} → {each.item.target}")
    unread = any(decision.action == "fail" for each in looked for decision in each.decisions)
    return 1 if unread or len(looked) < len(items) else 0
