"""`ferryman plan`: what `sync` would do."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path

import click

from ferryman.application import open_application
from ferryman.commands.json_output import json_list
from ferryman.commands.options import item_arguments, items_option, json_option
from ferryman.commands.running import load_settings, run
from ferryman.item_names import select
from ferryman.operations.freezes import MOST_NAMED
from ferryman.operations.plan import is_read, plan_each
from ferryman.scheduler import ItemLookup
from ferryman.settings import Settings
from ferryman.store.ledger import LookupFailure
from ferryman.views import text_tables
from ferryman.views.documents.plan import plan_documents
from ferryman.views.lookup_failures import grouped_by_cause
from ferryman.views.plan_table import long_plan_table


@click.command
@item_arguments
@items_option
@json_option
def command(item: tuple[str, ...], items: Path | None, as_json: bool) -> None:
    """Show what `sync` would do with every tag, and why. Copies nothing."""
    sys.exit(run(plan(load_settings(items), item, as_json=as_json)))


async def plan(settings: Settings, names: Sequence[str], *, as_json: bool) -> int:
    """Print what `sync` would do. Returns the exit code; 1: some items or tags could not be read."""
    failures, are_read = [], True
    async with (
        open_application(settings, engine=False, create=False) as app,
        aclosing(plan_each(app, select(app.configuration.items, names))) as planned,
    ):
        with _printed_list() if as_json else _printed_table() as add:
            async for each in planned:
                if isinstance(each, LookupFailure):
                    failures.append(each)
                else:
                    are_read &= is_read(each)
                    _print_warnings(each)
                    add(each)
            for message in grouped_by_cause(failures):
                click.echo(f"error: {message}", err=True)
    return 0 if are_read and not failures else 1


@contextmanager
def _printed_list() -> Iterator[Callable[[ItemLookup], None]]:
    with json_list() as add:

        def add_all(looked: ItemLookup) -> None:
            for document in plan_documents([looked]):
                add(document)

        yield add_all


@contextmanager
def _printed_table() -> Iterator[Callable[[ItemLookup], None]]:
    table, items = long_plan_table(text_tables.console()), []

    def add(looked: ItemLookup) -> None:
        items.append(looked.item)
        rested = looked.rested
        for decision in looked.decisions:
            table.add((looked.item, decision, rested.get(decision.tag), looked.prunes.get(decision.tag)))

    yield add
    table.end()
    for item in items:
        click.echo(f"{item.name}: {item.source} → {item.target}")


def _print_warnings(looked: ItemLookup) -> None:
    item = looked.item
    if looked.collapse is not None:
        lost = sorted(looked.collapse.lost)
        names = ", ".join(lost[:MOST_NAMED]) + (", …" if lost[MOST_NAMED:] else "")
        click.echo(
            f"error: {item.name} is frozen: {looked.collapse.detail}; {item.target} alone has: {names}", err=True
        )
    for pin in looked.absent_pins:
        click.echo(f"warning: {item.name}: {item.source} has no tag {pin}, which is pinned", err=True)
    for pattern in looked.unmatched_includes:
        click.echo(f"warning: {item.name}: no tag of {item.source} matches {pattern!r} of include", err=True)
