"""The overview that `status` and `sync` print: a row per item, paused registries, frozen items and failures."""

from collections.abc import Collection, Sequence

import click

from ferryman.clock import SystemClock
from ferryman.errors import Collapsed
from ferryman.item_names import Named
from ferryman.operations.freezes import freeze_in_words, frozen_items
from ferryman.operations.pauses import pause_in_words, pauses_of
from ferryman.operations.refused_deletes import refused_deletes
from ferryman.record import Record
from ferryman.registry_waits import wait_message
from ferryman.store.records import RegistryState
from ferryman.views import text_tables
from ferryman.views.lookup_failures import grouped_by_cause
from ferryman.wording import counted

SHOWN = 20  # failed tags in the overview


async def print_overview(record: Record, items: Sequence[Named], *, with_lookup_failures: bool = True) -> None:
    """Print the overview of these items."""
    console, targets = text_tables.console(), {each.target for each in items}
    held = await record.queue.paused_registries()
    refusing = await refused_deletes(record, items, now=SystemClock().now())
    if held or refusing:
        console.print(text_tables.registries_table(held, refusing))
        await _print_limits(record, held)
    if with_lookup_failures:
        failures = await record.ledger.lookup_failures()
        told = [each for each in failures if each.error_kind != Collapsed.kind]  # `print_pauses` tells of the others
        for message in grouped_by_cause(told):
            console.print(message, style="red", soft_wrap=True)
    if summary := await record.ledger.summary(targets):
        console.print(text_tables.summary_table(summary, width=console.width))
    else:
        console.print("nothing is recorded yet: `ferryman plan` shows what would be copied, `ferryman sync` copies it")
    if number := await record.ledger.count_failed(targets):
        failed = record.ledger.tags(targets=targets, failed=True, most=SHOWN)
        console.print(text_tables.tags_table([each async for each in failed]))
        if number > SHOWN:
            console.print(f"… and {number - SHOWN} more: `ferryman status --failed`")
    if number := await record.ledger.count_waiting_for_persons(targets):
        console.print(f"{counted(number, 'tag is', 'tags are')} held until a person decides:")
        held_tags = record.ledger.tags(targets=targets, held=True, most=SHOWN)
        console.print(text_tables.tags_table([each async for each in held_tags]))
        if number > SHOWN:
            console.print(f"… and {number - SHOWN} more: `ferryman status ITEM`")


async def print_pauses(
    record: Record, known: Sequence[Named], *, targets: Collection[str] | None = None, err: bool = False
) -> None:
    """Print what persons have paused, and what is frozen, of these targets; None: all. `known`: items."""
    paused = await record.manual_pauses.read()
    pauses = paused.all if targets is None else pauses_of(paused, known, targets)
    for pause in pauses:
        click.echo(f"{pause_in_words(pause, known)}: `ferryman resume` ends that", err=err)
    for frozen in await frozen_items(record, targets):
        click.echo(freeze_in_words(frozen), err=err)


async def _print_limits(record: Record, held: Sequence[RegistryState]) -> None:
    for state in held:
        if state.until and (tags := await record.queue.count_waiting(state.registry)):
            click.echo(wait_message(state.registry, tags, state.until))
